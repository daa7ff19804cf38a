"""`serve --fetch`: layers are read while they arrive, and who waits for them holds up nobody else."""

import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from catalog.ipld.cid import Cid
from catalog.server.feeding.job import FeederBusyError, Job, Wish
from tests.factory.platforms import AMD64
from tests.server.feeding.world import WorldMaker


def forbid(cid: Cid) -> bytes:
    raise AssertionError(f"{cid} was read")


def test_the_manifest_is_there_before_the_layers(make_world: WorldMaker, tmp_path: Path) -> None:
    world = make_world(tmp_path, deltas=False)
    with world.serving() as served:
        world.source.free = 2  # root and metadata
        world.source.gate.clear()
        answer = served.ask("/v2/team/web/manifests/1.1")
        assert answer.status == 200
        with pytest.MonkeyPatch.context() as patch:  # the next requests of each client: what is on its way is not walked for them
            patch.setattr(served.home.blocks, "get", forbid)
            for reference in ("1.1", answer.headers["docker-content-digest"]):
                again = served.ask(f"/v2/team/web/manifests/{reference}")
                assert (again.status, again.body) == (200, answer.body)
        digest = json.loads(answer.body)["layers"][-1]["digest"]
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(served.ask, f"/v2/team/web/blobs/{digest}")
            assert served.ask("/health").status == 200  # nobody else waits
            assert not waiting.done()
            world.source.gate.set()
            assert f"sha256:{hashlib.sha256(waiting.result(60).body).hexdigest()}" == digest


def test_what_is_held_does_not_wait_for_what_arrives(make_world: WorldMaker, tmp_path: Path) -> None:
    """Every thread that reads an image which is being fetched may wait; lists, held images and the rest go on."""
    world = make_world(tmp_path, deltas=False)
    with world.serving() as served, ExitStack() as stack:
        world.source.free = 2  # root and metadata
        world.source.gate.clear()
        digest = json.loads(served.ask("/v2/team/web/manifests/1.1").body)["layers"][-1]["digest"]
        request = f"GET /v2/team/web/blobs/{digest} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        for _ in range(140):
            stack.enter_context(served.connect()).sendall(request)
        served.wait_for_requests(140)
        manifest = json.loads(served.ask("/v2/team/web/manifests/1.0").body)
        assert served.ask(f"/v2/team/web/blobs/{manifest['layers'][0]['digest']}").status == 200
        assert served.ask("/v2/_catalog").status == 200
        world.source.gate.set()


def test_not_everybody_waits_for_what_arrives(make_world: WorldMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.server.registry.threads.MAX_FEEDER_WAITERS", 3)
    world = make_world(tmp_path, deltas=False)
    with world.serving() as served, ExitStack() as stack:
        world.source.free = 2
        world.source.gate.clear()
        path = f"/v2/team/web/blobs/{json.loads(served.ask('/v2/team/web/manifests/1.1').body)['layers'][-1]['digest']}"
        for _ in range(3):
            stack.enter_context(served.connect()).sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        served.wait_for_requests(3)
        answer = served.ask(path)
        assert (answer.status, answer.headers["retry-after"]) == (429, "5")
        world.source.gate.set()


def test_a_source_that_stalls_does_not_keep_a_server_that_stops(
    make_world: WorldMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path, deltas=False)
    reader_waits = threading.Event()
    wait = Job.wait_for_progress

    def note(job: Job, progressed: int) -> None:
        reader_waits.set()
        wait(job, progressed)

    monkeypatch.setattr(Job, "wait_for_progress", note)
    with world.serving() as served:
        world.source.free = 2
        world.source.gate.clear()
        digest = json.loads(served.ask("/v2/team/web/manifests/1.1").body)["layers"][-1]["digest"]
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(served.ask, f"/v2/team/web/blobs/{digest}")
            assert reader_waits.wait(60)
            world.feeder.close()  # while the gate is closed
            assert waiting.result(60).status == 404
        assert all(thread.daemon for thread in threading.enumerate() if thread.name == "dcat-feed")
        with pytest.raises(FeederBusyError):
            world.feeder.open(Wish("", "", "", AMD64, served.image("team/web@1.0")))
