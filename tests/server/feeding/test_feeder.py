"""`serve --fetch`: what is followed and not held is fetched when a client pulls it, once, by delta."""

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from catalog.home.home import open_home
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid
from catalog.operations.gc import collect_garbage
from catalog.trust.store import list_pins
from tests.factory.platforms import AMD64, ARM64
from tests.factory.times import NOW
from tests.server.feeding.world import World, WorldMaker, publish_for_two, pull
from tests.server.registry.conftest import serving_registry


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


def test_a_delta_is_what_travels(make_world: WorldMaker, tmp_path: Path) -> None:
    sizes = []
    for deltas in (True, False):
        world = make_world(tmp_path / str(deltas), deltas=deltas)
        with world.serving() as served:
            pull(served, "team/web", "1.1")
        blocks = world.team.blocks
        sizes.append(sum(len(blocks.get(cid)) for cid in world.source.given))
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
    monkeypatch.setattr("catalog.server.feeding.job.FEEDER_RETRY", 0.0)
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


def test_nothing_else_is_fetched(world: World) -> None:
    with world.serving() as served:
        for path in ("team/web/manifests/9", "other/web/manifests/1.1", f"team/web/blobs/sha256:{'0' * 64}", "mine/manifests/1.1"):
            assert served.ask(f"/v2/{path}").status == 404
        assert served.ask("/v2/mine/manifests/1.3").status == 200
        with served.home.blocks.file.transaction() as connection:
            connection.execute("DELETE FROM blocks")
        assert world.source.given == []


def test_what_cannot_be_had_is_404_and_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.server.feeding.job.FEEDER_RETRY", 0.0)
    world.source.reachable = False
    with world.serving() as served:
        answer = served.ask("/v2/team/web/manifests/1.1")
        assert answer.status == 404
        assert b"MANIFEST_UNKNOWN" in answer.body
        assert "fetching web@1.1 (linux/amd64)" in world.log[0]
        assert "asleep" in world.log[0] or "no source" in world.log[0]
        world.source.reachable = True
        pull(served, "team/web", "1.1")


def test_more_than_a_few_at_once_are_told_to_come_back(
    make_world: WorldMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.server.feeding.job.FEEDER_PATIENCE", 0.2)
    monkeypatch.setattr("catalog.server.feeding.feeder.FEEDER_JOBS", 1)
    world = make_world(tmp_path, deltas=False)
    world.source.free = 0
    world.source.gate.clear()
    with world.serving() as served:
        for _ in range(2):
            answer = served.ask("/v2/team/web/manifests/1.1")
            assert (answer.status, answer.headers["retry-after"]) == (429, "5")
        world.source.gate.set()


def test_an_index_whose_images_cannot_be_had_is_asked_for_once(make_world: WorldMaker, tmp_path: Path) -> None:
    """A client that asks again and again does not make this server ask others again and again."""
    world = make_world(tmp_path, deltas=False)
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


def test_of_several_platforms_the_one_that_is_taken_is_fetched(make_world: WorldMaker, tmp_path: Path) -> None:
    world = make_world(tmp_path, deltas=False)
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


def test_an_index_is_found_by_its_digest_alone(make_world: WorldMaker, tmp_path: Path) -> None:
    """As a lock names it: metadata is fetched until it is found, once, and no layer."""
    world = make_world(tmp_path, deltas=False)
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


def test_a_search_for_an_index_ends_where_nothing_can_be_fetched(make_world: WorldMaker, tmp_path: Path) -> None:
    world = make_world(tmp_path, deltas=False)
    publish_for_two(world)
    world.source.reachable = False
    with world.serving() as served:
        for number in range(5):
            assert served.ask(f"/v2/team/app/manifests/sha256:{number:064}").status == 404
        assert len(world.log) == 2  # one for each platform


def test_what_was_saved_is_known_for_each_client(make_world: WorldMaker, tmp_path: Path) -> None:
    """What travelled counts for the one that asked first."""
    world = make_world(tmp_path, deltas=True)
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
