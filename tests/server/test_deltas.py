"""``GET /dcat/v1/delta``: made when it is asked for, kept for the next one, never more at once than there are cores."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from catalog import limits
from catalog.delta.reader import read_delta
from catalog.errors import BlockNotFoundError, DeltaError, LockedError, StorageError
from catalog.home.deltas import DeltaCache, KeptDelta
from catalog.home.home import open_home
from catalog.image.dag import StoredArchive
from catalog.image.walk import walk
from catalog.ipld.cid import Cid, cid_of
from catalog.model.release import Release
from tests.factory.archives import MemoryBlocks, store_export
from tests.factory.golden import DELTAS, IMAGES, read_golden
from tests.factory.platforms import AMD64
from tests.factory.releases import listed_image
from tests.factory.times import NOW
from tests.server.serving import Served, serving, serving_home

A, B, C = (cid_of(name) for name in (b"a", b"b", b"c"))


class Pair:
    """The two archives of the golden deltas, in one store."""

    def __init__(self) -> None:
        self.blocks = MemoryBlocks()
        self.base = store_export(read_golden(IMAGES / "sample.tar"), self.blocks)
        self.target = store_export(read_golden(DELTAS / "target.tar.zst"), self.blocks)

    def new(self) -> set[Cid]:
        held = {block.cid for block in walk(self.base.archive, self.blocks)}
        return {block.cid for block in walk(self.target.archive, self.blocks)} - held

    def check(self, delta: bytes) -> None:
        """Rebuild what is new from the base alone."""
        base_only = MemoryBlocks((block.cid, self.blocks.get(block.cid)) for block in walk(self.base.archive, self.blocks))  # type: ignore[misc]
        rebuilt = read_delta(
            [delta], self.base.archive, self.target.archive, base_only, unpacked=self.target.unpacked, size=self.target.size
        )
        assert {block.cid for block in rebuilt} == self.new()


@pytest.fixture(scope="module")
def pair() -> Pair:
    return Pair()


def release_of(name: str, stored: StoredArchive) -> Release:
    image = replace(listed_image(name), archive=stored.archive, config=stored.config, manifest=stored.manifest)
    return Release(name, "1.0", "2026-11-24T06:33:30Z", {AMD64: image})


def test_a_home_gives_deltas_between_its_releases_only(pair: Pair, tmp_path: Path) -> None:
    with open_home(tmp_path / "home", now=NOW) as home, serving_home(home) as served:
        home.create_own_catalogue()
        for cid, data in pair.blocks.blocks.items():
            home.blocks.put(cid, data)
        path = f"/dcat/v1/delta/{pair.base.archive}/{pair.target.archive}"
        assert served.ask(path).status == 404
        home.put_own([release_of("web", pair.base)], [])
        assert served.ask(path).status == 404
        home.put_own([release_of("api", pair.target)], [])
        answer = served.ask(path)
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/vnd.dcat.delta"
        assert answer.headers["content-length"] == str(len(answer.body))
        assert answer.headers["x-content-type-options"] == "nosniff"
        pair.check(answer.body)
        assert served.ask(path).body == answer.body
        assert served.ask(path, "HEAD").headers["content-length"] == str(len(answer.body))
        assert served.ask(path, "GET", None, If_None_Match=answer.headers["etag"]).status == 304
        metrics = served.ask("/metrics").body.decode()
        assert "dcat_deltas_made_total 1\n" in metrics
        assert "dcat_deltas_sent_total 2\n" in metrics
        new_bytes = sum(len(pair.blocks.get(cid)) for cid in pair.new())
        assert f"dcat_delta_saved_bytes_total {2 * (new_bytes - len(answer.body))}\n" in metrics
        assert served.ask(f"/dcat/v1/delta/{pair.base.archive}/{pair.base.archive}").status == 404
        assert served.ask(f"/dcat/v1/delta/{pair.base.archive}/nonsense").status == 400


def test_where_blocks_lack_there_is_no_delta(pair: Pair, tmp_path: Path) -> None:
    with open_home(tmp_path / "home", now=NOW) as home, serving_home(home) as served:
        home.create_own_catalogue()
        home.put_own([release_of("web", pair.base), release_of("api", pair.target)], [])
        lost = sorted(pair.new())[0]
        for cid, data in pair.blocks.blocks.items():
            if cid != lost:
                home.blocks.put(cid, data)
        assert served.ask(f"/dcat/v1/delta/{pair.base.archive}/{pair.target.archive}").status == 404
        assert not list((tmp_path / "home" / "deltas").iterdir())


class SlowDeltas:
    """Deltas that are made when a gate opens."""

    def __init__(self, directory: Path) -> None:
        self.gate = threading.Event()
        self.asked = 0
        self.made: list[tuple[Cid, Cid]] = []
        self.failure: Exception | None = None
        self._file = directory / "made.delta"
        self._file.write_bytes(b"delta")

    def offers(self, base: Cid, target: Cid) -> bool:
        self.asked += 1
        return True

    def find(self, base: Cid, target: Cid) -> KeptDelta | None:
        return KeptDelta(self._file, 5, 50) if (base, target) in self.made else None

    def make(self, base: Cid, target: Cid, stopped: Callable[[], bool]) -> KeptDelta:
        assert self.gate.wait(60)
        if self.failure is not None:
            raise self.failure
        self.made.append((base, target))
        return KeptDelta(self._file, 5, 50)


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Served, SlowDeltas]]:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(limits, "DELTA_WAIT", 0.2)
    offered = SlowDeltas(tmp_path)
    with serving(deltas=offered) as served:
        yield served, offered
        offered.gate.set()


def test_one_that_takes_long_is_made_all_the_same(slow: tuple[Served, SlowDeltas]) -> None:
    served, offered = slow
    answer = served.ask(f"/dcat/v1/delta/{A}/{B}")
    assert (answer.status, answer.headers["retry-after"]) == (429, "5")
    offered.gate.set()
    while (answer := served.ask(f"/dcat/v1/delta/{A}/{B}")).status == 429:
        pass
    assert (answer.status, answer.body) == (200, b"delta")
    assert offered.made == [(A, B)]


def test_not_everybody_waits_for_one(slow: tuple[Served, SlowDeltas], monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who wait hold slots that others need."""
    monkeypatch.setattr(limits, "DELTA_WAIT", 60.0)
    monkeypatch.setattr(limits, "MAX_DELTA_WAITERS", 2)
    served, offered = slow
    request = f"GET /dcat/v1/delta/{A}/{B} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    with served.connect() as first, served.connect() as second:
        for connection in (first, second):
            connection.sendall(request)
        while offered.asked < 2:  # then they wait
            time.sleep(0.01)
        served.wait_for_requests(2)
        answer = served.ask(f"/dcat/v1/delta/{A}/{B}")
        assert (answer.status, answer.headers["retry-after"]) == (429, "5")
        offered.gate.set()
        assert first.makefile("rb").read().endswith(b"delta")
        assert second.makefile("rb").read().endswith(b"delta")
    assert offered.made == [(A, B)]


def test_no_more_are_made_than_there_are_cores(slow: tuple[Served, SlowDeltas]) -> None:
    served, offered = slow
    for base, target in ((A, B), (B, A)):
        assert served.ask(f"/dcat/v1/delta/{base}/{target}").headers["retry-after"] == "5"
    answer = served.ask(f"/dcat/v1/delta/{A}/{C}")
    assert (answer.status, answer.headers["retry-after"]) == (429, "2")
    assert served.ask(f"/dcat/v1/delta/{A}/{B}").headers["retry-after"] == "5"
    offered.gate.set()
    while (answer := served.ask(f"/dcat/v1/delta/{A}/{C}")).status == 429:
        pass
    assert answer.status == 200


@pytest.mark.parametrize(
    ("failure", "status"),
    [(BlockNotFoundError("no"), 404), (DeltaError("no"), 404), (StorageError("full"), 503), (RuntimeError("bug"), 503)],
)
def test_one_that_fails_says_so(
    failure: Exception, status: int, slow: tuple[Served, SlowDeltas], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DELTA_WAIT", 60.0)
    served, offered = slow
    offered.failure = failure
    offered.gate.set()
    assert served.ask(f"/dcat/v1/delta/{A}/{B}").status == status
    offered.failure = None
    assert served.ask(f"/dcat/v1/delta/{A}/{B}").status == (404 if status == 404 else 200)


def test_the_cache_keeps_what_was_used_last(pair: Pair, tmp_path: Path) -> None:
    cache = DeltaCache(tmp_path / "deltas")
    assert cache.find(pair.base.archive, pair.target.archive) is None
    made = cache.make(pair.base.archive, pair.target.archive, pair.blocks)
    assert cache.find(pair.base.archive, pair.target.archive) == made
    pair.check(made.path.read_bytes())
    back = cache.make(pair.target.archive, pair.base.archive, pair.blocks)
    assert cache.size() == made.size + back.size == sum(file.stat().st_size for file in (tmp_path / "deltas").iterdir())

    small = DeltaCache(tmp_path / "deltas", max_size=2 * max(made.size, back.size) - 1)
    with pytest.raises(DeltaError):
        DeltaCache(tmp_path / "deltas", max_size=made.size).make(pair.base.archive, pair.target.archive, pair.blocks)
    assert small.find(pair.base.archive, pair.target.archive)
    assert cache.clear() == made.size + back.size
    assert cache.size() == 0


def test_room_is_made_by_what_was_not_used(pair: Pair, tmp_path: Path) -> None:
    ends = (pair.base.archive, pair.target.archive)
    sizes = [DeltaCache(tmp_path / "tried").make(*way, pair.blocks).size for way in (ends, ends[::-1])]
    old, older, unfinished = (tmp_path / name for name in (f"{A}.{B}.99.delta", f"{A}.{C}.99.delta", ".new-crashed"))
    made = DeltaCache(tmp_path, max_size=10**9).make(*ends, pair.blocks)
    for file, age in ((old, 10), (older, 20), (unfinished, 2 * 86400)):
        file.write_bytes(b"x" * 1000)
        moment = made.path.stat().st_mtime - age
        os.utime(file, (moment, moment))
    ways = max(sizes) * 2 + 1500 - sum(sizes)
    DeltaCache(tmp_path, max_size=sum(sizes) + ways).make(*ends[::-1], pair.blocks)
    assert [file.exists() for file in (made.path, old, older, unfinished)] == [True, ways >= 1000, ways >= 2000, False]


def test_one_that_is_under_way_ends_with_the_server(pair: Pair, tmp_path: Path) -> None:
    asked = 0

    def stopped() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    with pytest.raises(LockedError):
        DeltaCache(tmp_path).make(pair.base.archive, pair.target.archive, pair.blocks, stopped=stopped)
    assert not list(tmp_path.iterdir())


class EndlessDeltas(SlowDeltas):
    """Deltas whose making never ends by itself."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.stopped = threading.Event()

    def make(self, base: Cid, target: Cid, stopped: Callable[[], bool]) -> KeptDelta:
        while not stopped():
            time.sleep(0.01)
        self.stopped.set()
        raise LockedError("stopped")


def test_one_that_nobody_waits_for_any_more_is_not_made(tmp_path: Path) -> None:
    offered = EndlessDeltas(tmp_path)
    request = f"GET /dcat/v1/delta/{A}/{B} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with serving(deltas=offered) as served:
        with served.connect() as first, served.connect() as second:
            first.sendall(request)
            second.sendall(request)
            served.wait_for_requests(2)
            first.close()
            served.wait_for_requests(1)
            assert not offered.stopped.is_set()  # another client waits for the same
        assert offered.stopped.wait(60)


def test_a_pair_that_differs_too_much_is_not_tried_again(slow: tuple[Served, SlowDeltas], monkeypatch: pytest.MonkeyPatch) -> None:
    served, offered = slow
    monkeypatch.setattr(limits, "DELTA_RETRY", 0.0)
    monkeypatch.setattr(limits, "DELTA_WAIT", 60.0)
    offered.gate.set()
    for failure, status in ((DeltaError("they differ too much"), 404), (BlockNotFoundError("not here yet"), 200)):
        base, target = (A, B) if status == 404 else (B, C)
        offered.failure = failure
        assert served.ask(f"/dcat/v1/delta/{base}/{target}").status == 404
        offered.failure = None
        assert served.ask(f"/dcat/v1/delta/{base}/{target}").status == status
