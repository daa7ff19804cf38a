"""`serve --fetch`: what is followed and not held is fetched when a client pulls it, once, by delta, and read while it arrives."""

import hashlib
import json
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from catalog.blockstores.holding import is_whole
from catalog.home.home import Home, open_home
from catalog.intake.intake import Wanted
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid
from catalog.model.platform import Platform
from catalog.operations.gc import collect_garbage
from catalog.operations.publish import publish
from catalog.operations.sync import sync
from catalog.own.share import share_own
from catalog.server import feeding
from catalog.server.feeding import Feeder, FeederBusyError, Wish
from catalog.server.settings import ServerSettings
from catalog.sources.network import Network
from catalog.trust.store import list_pins
from tests.delivery.versions import follower, open_at, publish_version
from tests.factory.exports import source_of
from tests.factory.images import make_image
from tests.factory.platforms import AMD64, ARM64
from tests.factory.tars import make_layer
from tests.factory.times import NOW
from tests.fakes.homes import HomeRouting, HomeSource
from tests.server.registry.conftest import RegistryServer, serving_registry


class GatedSource(HomeSource):
    """A home's blocks; after ``free`` of them it waits for the gate."""

    def __init__(self, home: Home) -> None:
        super().__init__(home)
        self.free = 1 << 30
        self.gate = threading.Event()
        self.gate.set()

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        for block in super().get_many(list(cids)):
            if len(self.given) > self.free:
                assert self.gate.wait(60)
            yield block


class World:
    """A team with ``web`` in two versions, and a home that follows it, holds 1.0, and serves with ``--fetch``."""

    def __init__(self, path: Path, *, deltas: bool) -> None:
        self.path = path
        for version in ("1.0", "1.1"):
            publish_version(path / "team", version, deltas=deltas)
        publish_version(path / "home", "1.3", name="mine", deltas=False)
        self.team = open_at(path / "team")
        with follower(path / "home", self.team):
            pass
        self.source = GatedSource(self.team)
        self.log: list[str] = []

    def wait_for_log(self) -> None:
        """Wait for the end of a job: its last layer may have been read before."""
        deadline = time.monotonic() + 60
        while not self.log and time.monotonic() < deadline:
            time.sleep(0.01)

    @contextmanager
    def serving(self) -> Iterator[RegistryServer]:
        network = Network((self.source,), (HomeRouting(self.team),))
        feeder = Feeder(
            lambda: open_home(self.path / "home", now=NOW),
            lambda _: network,
            lambda text, error: self.log.append(f"{text} {error or ''}"),
        )
        with open_home(self.path / "home", now=NOW) as home, serving_registry(home, ServerSettings(port=0), feeder) as served:
            self.feeder = feeder
            yield served
            self.source.gate.set()
        feeder.close()


@pytest.fixture(params=[True, False], ids=["by delta", "by blocks"])
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    made = World(tmp_path, deltas=request.param)
    yield made
    made.team.close()


def pull(served: RegistryServer, name: str, tag: str) -> list[bytes]:
    """Pull an image as a client does; return its blobs, each of which has its digest."""
    answer = served.ask(f"/v2/{name}/manifests/{tag}")
    assert answer.status == 200, answer.body
    manifest = json.loads(answer.body)
    blobs = []
    for blob in (manifest["config"], *manifest["layers"]):
        body = served.ask(f"/v2/{name}/blobs/{blob['digest']}").body
        assert f"sha256:{hashlib.sha256(body).hexdigest()}" == blob["digest"]
        blobs.append(body)
    return blobs


def test_a_pull_brings_what_is_missing_once(world: World) -> None:
    with world.serving() as served, ThreadPoolExecutor(8) as pool:
        pulls = [pool.submit(pull, served, "team/web", "1.1") for _ in range(8)]
        assert len({tuple(one.result()) for one in pulls}) == 1
        assert len(world.source.given) == len(set(world.source.given))
        world.wait_for_log()
        with served.home.trust.read() as connection:
            assert [pin.reason for pin in list_pins(connection) if pin.version == "1.1"] == ["fetched"]
    (line,) = world.log
    assert "fetched web@1.1 (linux/amd64)" in line
    with open_home(world.path / "home", now=NOW) as home:
        assert "fetched" in {kept.reason for kept in collect_garbage(home, delete=True).kept}
    asked = len(world.source.given)
    with world.serving() as served:
        pull(served, "team/web", "1.1")
    assert len(world.source.given) == asked


def test_a_delta_is_what_travels(tmp_path: Path) -> None:
    sizes = []
    for deltas in (True, False):
        world = World(tmp_path / str(deltas), deltas=deltas)
        with world.serving() as served:
            pull(served, "team/web", "1.1")
        blocks = world.team.blocks
        sizes.append(sum(len(blocks.get(cid)) for cid in world.source.given))
        world.team.close()
    assert sizes[0] < sizes[1] / 2


def test_a_page_fetches_what_is_missing_only_when_it_is_asked_to(world: World) -> None:
    path = "/diff/team/web@1.0/team/web@1.1"
    with world.serving() as served:
        found = json.loads(served.ask(f"{path}.json").body)
        assert (found["files"], found["fetches"]) == (None, True)
        assert b"fetch=yes" in served.ask(path).body
        assert b"fetch=yes" in served.ask("/r/team/web@1.1").body
        assert served.ask("/r/team/web@1.1/files").status == 404
        assert world.source.given == []
        found = json.loads(served.ask(f"{path}.json?fetch=yes").body)
        assert found["files"]
        assert not found["fetches"]
        asked = len(world.source.given)
        assert served.ask("/r/team/web@1.1/files?fetch=yes").status == 200
        assert served.ask("/r/mine@1.3/files?fetch=yes").status == 404
    assert len(world.source.given) == asked


def test_a_page_says_what_could_not_be_fetched_and_what_takes_longer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "FEEDER_RETRY", 0.0)
    path = "/diff/team/web@1.0/team/web@1.1"
    with world.serving() as served:
        world.source.reachable = False
        assert b"could not be fetched" in served.ask(f"{path}?fetch=yes").body
        world.source.reachable = True
        monkeypatch.setattr("catalog.server.pages.views.fetching._PATIENCE", 0.2)
        world.source.free = 0
        world.source.gate.clear()
        answer = served.ask(f"{path}?fetch=yes&n=7")
        assert answer.status == 503
        assert b"is not here yet" in answer.body


def forbid(cid: Cid) -> bytes:
    raise AssertionError(f"{cid} was read")


def test_the_manifest_is_there_before_the_layers(tmp_path: Path) -> None:
    world = World(tmp_path, deltas=False)
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
    world.team.close()


def test_nothing_else_is_fetched(world: World) -> None:
    with world.serving() as served:
        for path in ("team/web/manifests/9", "other/web/manifests/1.1", f"team/web/blobs/sha256:{'0' * 64}", "mine/manifests/1.1"):
            assert served.ask(f"/v2/{path}").status == 404
        assert served.ask("/v2/mine/manifests/1.3").status == 200
        with served.home.blocks.file.transaction() as connection:
            connection.execute("DELETE FROM blocks")
        assert world.source.given == []


def test_what_cannot_be_had_is_404_and_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "FEEDER_RETRY", 0.0)
    world.source.reachable = False
    with world.serving() as served:
        answer = served.ask("/v2/team/web/manifests/1.1")
        assert answer.status == 404
        assert b"MANIFEST_UNKNOWN" in answer.body
        assert "fetching web@1.1 (linux/amd64)" in world.log[0]
        assert "asleep" in world.log[0] or "no source" in world.log[0]
        world.source.reachable = True
        pull(served, "team/web", "1.1")


def test_more_than_a_few_at_once_are_told_to_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "FEEDER_PATIENCE", 0.2)
    monkeypatch.setattr(feeding, "FEEDER_JOBS", 1)
    world = World(tmp_path, deltas=False)
    world.source.free = 0
    world.source.gate.clear()
    with world.serving() as served:
        for _ in range(2):
            answer = served.ask("/v2/team/web/manifests/1.1")
            assert (answer.status, answer.headers["retry-after"]) == (429, "5")
        world.source.gate.set()
    world.team.close()


def publish_for_two(world: World) -> dict[Platform, bytes]:
    """Publish ``app:1.0`` for two platforms, and let the home know of it; return its layers."""
    layers = {platform: make_layer({"a": platform.architecture.encode() * 50_000}) for platform in (AMD64, ARM64)}
    for platform, layer in layers.items():
        publish(world.team, "app", "1.0", source_of(make_image([layer], platform=platform)), Wanted(platform, (platform,)))
    assert share_own(world.team, Network(), deltas=False) is not None
    with open_home(world.path / "home", now=NOW) as home:
        assert sync(home, Network((world.source,), (HomeRouting(world.team),))).first_error is None
    world.source.given.clear()
    return layers


def test_an_index_whose_images_cannot_be_had_is_asked_for_once(tmp_path: Path) -> None:
    """A client that asks again and again does not make this server ask others again and again."""
    world = World(tmp_path, deltas=False)
    publish_for_two(world)
    asked: list[object] = []
    world.source.reachable = False
    with world.serving() as served, pytest.MonkeyPatch.context() as patch:
        get_many = world.source.get_many

        def count(cids: Iterable[Cid]) -> Iterator[Block]:
            asked.append(cids)
            return get_many(cids)

        patch.setattr(world.source, "get_many", count)
        for _ in range(20):
            assert served.ask("/v2/team/app/manifests/1.0").status == 404
        assert len(world.log) == 2  # one for each platform
        assert len(asked) <= 4
    world.team.close()


def test_what_is_held_does_not_wait_for_what_arrives(tmp_path: Path) -> None:
    """Every thread that reads an image which is being fetched may wait; lists, held images and the rest go on."""
    world = World(tmp_path, deltas=False)
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
    world.team.close()


def test_not_everybody_waits_for_what_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.server.registry.routes.MAX_FEEDER_WAITERS", 3)
    world = World(tmp_path, deltas=False)
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
    world.team.close()


def test_a_source_that_stalls_does_not_keep_a_server_that_stops(tmp_path: Path) -> None:
    world = World(tmp_path, deltas=False)
    with world.serving() as served:
        world.source.free = 2
        world.source.gate.clear()
        digest = json.loads(served.ask("/v2/team/web/manifests/1.1").body)["layers"][-1]["digest"]
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(served.ask, f"/v2/team/web/blobs/{digest}")
            served.wait_for_requests(1)
            time.sleep(0.2)
            world.feeder.close()  # while the gate is closed
            assert waiting.result(60).status == 404
        assert all(thread.daemon for thread in threading.enumerate() if thread.name == "dcat-feed")
        with pytest.raises(FeederBusyError):
            world.feeder.open(Wish("", "", "", AMD64, served.image("team/web@1.0")))
    world.team.close()


def test_of_several_platforms_the_one_that_is_taken_is_fetched(tmp_path: Path) -> None:
    world = World(tmp_path, deltas=False)
    layers = publish_for_two(world)
    with world.serving() as served:
        unknown = f"/v2/team/app/manifests/sha256:{'0' * 64}"
        assert served.ask(f"{unknown}?ns=docker.io").status == 404
        assert world.source.given == []  # a mirror is asked for what others have
        index = json.loads(served.ask("/v2/team/app/manifests/1.0").body)
        digests = {entry["platform"]["architecture"]: entry["digest"] for entry in index["manifests"]}
        assert set(digests) == {"amd64", "arm64"}
        layer = json.loads(served.ask(f"/v2/team/app/manifests/{digests['arm64']}").body)["layers"][0]
        body = served.ask(f"/v2/team/app/blobs/{layer['digest']}").body
        assert body == layers[ARM64]
        world.wait_for_log()
        with served.home.trust.read() as connection:
            assert [pin.platform for pin in list_pins(connection) if pin.reason == "fetched"] == ["linux/arm64"]
    world.team.close()


def test_an_index_is_found_by_its_digest_alone(tmp_path: Path) -> None:
    """As a lock names it: metadata is fetched until it is found, once, and no layer."""
    world = World(tmp_path, deltas=False)
    layers = publish_for_two(world)
    with serving_registry(world.team) as served:
        digest = served.ask("/v2/app/manifests/1.0").headers["docker-content-digest"]
    with world.serving() as served:
        assert served.ask(f"/v2/team/app/manifests/sha256:{'0' * 64}").status == 404
        looked_at = list(world.source.given)
        assert len(looked_at) == 4  # root and metadata of two platforms
        index = json.loads(served.ask(f"/v2/team/app/manifests/{digest}").body)
        with pytest.MonkeyPatch.context() as patch:
            read: list[Cid] = []
            get = served.home.blocks.get
            patch.setattr(served.home.blocks, "get", lambda cid: read.append(cid) or get(cid))  # type: ignore[func-returns-value]
            numbers = []
            for digit in "123":
                read.clear()
                assert served.ask(f"/v2/team/app/manifests/sha256:{digit * 64}").status == 404
                numbers.append(len(read))
            assert numbers[1:] == [0, 0]  # E13: what somebody makes up is looked for once
        assert world.source.given == looked_at
        digests = {entry["platform"]["architecture"]: entry["digest"] for entry in index["manifests"]}
        layer = json.loads(served.ask(f"/v2/team/app/manifests/{digests['amd64']}").body)["layers"][0]
        assert served.ask(f"/v2/team/app/blobs/{layer['digest']}").body == layers[AMD64]
    world.team.close()


def test_a_search_for_an_index_ends_where_nothing_can_be_fetched(tmp_path: Path) -> None:
    world = World(tmp_path, deltas=False)
    publish_for_two(world)
    world.source.reachable = False
    with world.serving() as served:
        for number in range(5):
            assert served.ask(f"/v2/team/app/manifests/sha256:{number:064}").status == 404
        assert len(world.log) == 2  # one for each platform
    world.team.close()


def test_what_was_saved_is_known_for_each_client(tmp_path: Path) -> None:
    """What travelled counts for the one that asked first."""
    world = World(tmp_path, deltas=True)
    with world.serving() as served:
        for program in ("docker", "skopeo"):
            agent = {"User-Agent": f"{program}/1"}
            manifest = json.loads(served.ask("/v2/team/web/manifests/1.1", **agent).body)
            for layer in manifest["layers"]:
                assert served.ask(f"/v2/team/web/blobs/{layer['digest']}", **agent).status == 200
            world.wait_for_log()
        found = json.loads(served.ask("/dcat/v1/pulls").body)
        clients = {row["program"]: row for row in found["clients"]}
        assert 0 < clients["docker"]["fetched"] == found["fetched"] < 10_000
        assert clients["docker"]["saved"] == clients["docker"]["delivered"] - found["fetched"]
        assert (clients["skopeo"]["fetched"], clients["skopeo"]["saved"]) == (0, clients["skopeo"]["delivered"])
        assert f"dcat_registry_fetched_bytes_total {found['fetched']}\n" in served.ask("/metrics").body.decode()
    world.team.close()


def test_the_oldest_is_let_go_of_where_all_that_was_fetched_takes_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only of what came so: what the user pulled stays."""
    monkeypatch.setattr(feeding, "MAX_FETCHED_SIZE", 1)
    world = World(tmp_path, deltas=False)
    publish_for_two(world)

    def fetch(name: str, version: str) -> None:
        world.log.clear()
        manifest = json.loads(served.ask(f"/v2/team/{name}/manifests/{version}").body)
        for layer in manifest["layers"]:
            assert served.ask(f"/v2/team/{name}/blobs/{layer['digest']}").status == 200
        world.wait_for_log()

    with world.serving() as served:
        fetch("web", "1.1")
        older = served.image("team/web@1.1").archive
        assert is_whole(older, served.home.blocks)
        index = json.loads(served.ask("/v2/team/app/manifests/1.0").body)
        fetch("app", index["manifests"][0]["digest"])
        deadline = time.monotonic() + 60
        while is_whole(older, served.home.blocks) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not is_whole(older, served.home.blocks)
        assert is_whole(served.image("team/web@1.0").archive, served.home.blocks)
        with served.home.trust.read() as connection:
            assert {(pin.name, pin.reason) for pin in list_pins(connection)} == {("web", "pulled"), ("app", "fetched")}
    world.team.close()
