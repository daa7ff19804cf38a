"""Every read sees the releases of exactly one snapshot, whoever syncs meanwhile (docs/safety.md, A6)."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.home.home import Home
from catalog.home.records import local_records
from catalog.index.history import Change
from catalog.index.releases import iterate_releases
from catalog.index.subscriptions import get_catalogue
from catalog.ipns.record import check_record
from catalog.operations.subscribe import subscribe
from catalog.operations.sync import sync
from catalog.snapshot.reader import open_snapshot
from tests.factory.releases import put_release
from tests.fakes.homes import network_of, open_at, share

RELEASES = 12


def mark_all(bob: Home, mark: str) -> None:
    """Publish a snapshot in which every release says which one it is."""
    catalogue, _ = bob.create_own_catalogue()
    releases = [replace(put_release(bob, "web", str(number)), annotations={"title": mark}) for number in range(RELEASES)]
    with bob.lock("own"):
        bob.put_own(releases, [Change(catalogue, bob.time, "annotated")])
    share(bob)


def read_marks(ann: Home, catalogue: str) -> tuple[str, set[str]]:
    """Return the root that is shown and the marks of the releases beside it, in one view."""
    with ann.index.read() as connection:
        root = get_catalogue(connection, catalogue).root or ""
        found = [release.annotations.get("title", "") for release in iterate_releases(connection, catalogue)]
    assert len(found) == RELEASES
    return root, set(found)


def race(tmp_path: Path, rounds: int) -> None:
    with open_at(tmp_path / "bob") as bob, open_at(tmp_path / "ann") as ann:
        mark_all(bob, "0")
        name = bob.read_key().name
        subscribe(ann, network_of(bob), name, "bob")
        done = threading.Event()
        failures: list[BaseException] = []
        seen: set[tuple[str, str]] = set()

        def read() -> None:
            try:
                with open_at(tmp_path / "ann") as reader:
                    while not done.is_set():
                        root, marks = read_marks(reader, str(name))
                        assert len(marks) == 1, f"{root} beside releases of {marks}"
                        seen.add((root, marks.pop()))
            except BaseException as error:
                failures.append(error)

        def follow() -> None:
            try:
                with open_at(tmp_path / "ann") as follower:
                    while not done.is_set():
                        update = sync(follower, network_of(bob)).updates[0]
                        assert update.error is None, update.error
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=target) for target in (read, read, follow, follow)]
        for thread in threads:
            thread.start()
        roots = {}
        try:
            for number in range(1, rounds + 1):
                mark_all(bob, str(number))
                record = check_record(name, local_records(bob).get(name) or b"")
                roots[str(record.snapshot_cid)] = str(number)
                if failures:
                    break
        finally:
            done.set()
            for thread in threads:
                thread.join(60)
        if failures:
            raise failures[0]
        assert sync(ann, network_of(bob)).updates[0].error is None
        root, marks = read_marks(ann, str(name))
        assert (roots[root], marks) == (str(rounds), {str(rounds)})
        assert all(roots.get(root, "0") == mark for root, mark in seen)
        assert open_snapshot(record.snapshot_cid, ann.blocks).catalogue.releases == RELEASES


@pytest.mark.parametrize("whole", [False, True], ids=["differences", "loaded whole"])
def test_each_read_sees_one_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool) -> None:
    if whole:
        monkeypatch.setattr("catalog.followed.fetching.MAX_DIFFERENCES", 3)
    race(tmp_path, 8)


@pytest.mark.long
@pytest.mark.parametrize("whole", [False, True], ids=["differences", "loaded whole"])
def test_each_of_many_reads_sees_one_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool) -> None:
    if whole:
        monkeypatch.setattr("catalog.followed.fetching.MAX_DIFFERENCES", 3)
    race(tmp_path, 500)
