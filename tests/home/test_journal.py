"""Trust store and index change together, whatever a crash interrupts."""

from pathlib import Path

import pytest

from catalog.errors import (
    ReleaseConflictError,
    ReleaseNotFoundError,
    StorageError,
)
from catalog.home.home import open_home
from catalog.index.history import list_changes
from catalog.index.releases import get_release
from catalog.index.subscriptions import get_catalogue
from catalog.index.update import IndexUpdate
from catalog.limits import KIB
from catalog.trust.ownership import follow
from catalog.trust.store import list_unfinished
from tests.blockstores.blocks import blocks_of
from tests.factory.releases import make_release
from tests.factory.times import AT, NOW
from tests.home.publishing import publish, shown


class CrashError(Exception):
    """What a test raises where a process would die."""


def test_crash_anywhere_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """D1: at every write, fsync, rename and commit; the next opening finishes or undoes, and the same command goes through."""
    seen: set[str] = set()
    stop_at = 0
    while True:
        folder = tmp_path / str(stop_at)
        labels: list[str] = []

        def crash(label: str, labels: list[str] = labels, stop_at: int = stop_at) -> None:
            labels.append(label)
            seen.add(label)
            if len(labels) > stop_at:
                raise CrashError(label)

        acknowledged: list[str] = []
        home = open_home(folder, now=NOW, crash_point=crash)
        try:
            for version in ("1.0", "1.1"):
                with home.lease(f"publish web@{version}"):
                    home.blocks.put_many(blocks_of(2))
                    publish(home, make_release("web", version))
                acknowledged.append(version)
        except CrashError:
            pass
        home.close()
        with open_home(folder, now=NOW) as again:
            name, _ = again.create_own_catalogue()
            with again.index.read() as connection:
                for version in acknowledged:
                    get_release(connection, name, "web", version)
                said = [change.version for change in list_changes(connection)]
            with again.trust.read() as connection:
                assert list_unfinished(connection) == []
            assert len(said) == len(set(said)) >= len(acknowledged)  # none is written down twice
            publish(again, make_release("web", "1.0"), make_release("web", "1.1"))
            assert shown(again) == ["web@1.1"]
            assert {entry.name for entry in folder.iterdir() if entry.name.startswith("key")} - {"key", "key.lock"} == set()
        if len(acknowledged) == 2 and len(labels) <= stop_at:
            break
        stop_at += 1
    assert {"key: before fsync", "home: between trust and index", "index: after commit", "blocks: before commit"} <= seen


def test_what_a_crash_left_is_finished_by_the_next_opening(tmp_path: Path) -> None:
    def crash(label: str) -> None:
        if label == "home: between trust and index":
            raise CrashError

    with open_home(tmp_path, now=NOW) as home:
        publish(home, make_release("web", "1.0"))
    with open_home(tmp_path, now=NOW, crash_point=crash) as home, pytest.raises(CrashError):
        publish(home, make_release("web", "1.1"))
    with open_home(tmp_path, now=NOW, read_only=True) as home:
        assert shown(home) == ["web@1.0"]  # whoever may not write sees the state before
    with open_home(tmp_path, now=NOW) as home:
        assert shown(home) == ["web@1.1"]
        with home.index.read() as connection:
            assert [change.version for change in list_changes(connection)] == ["1.1", "1.0"]


def test_commit_that_raises_changes_nothing(tmp_path: Path) -> None:
    with open_home(tmp_path, now=NOW) as home:
        publish(home, make_release("web", "1.0"))

        def refuse(connection: object) -> None:
            raise ReleaseNotFoundError("no")

        with pytest.raises(ReleaseNotFoundError):
            home.commit(IndexUpdate(home.own_catalogue() or "", gone=[("web", "1.0")]), refuse)
        assert shown(home) == ["web@1.0"]
        with home.trust.read() as connection:
            assert list_unfinished(connection) == []


def test_index_that_was_lost_is_made_again(tmp_path: Path) -> None:
    """D10: what trust store and snapshots know comes back; own releases that no snapshot holds yet come back too."""
    with open_home(tmp_path, now=NOW) as home:
        publish(home, make_release("web", "1.0"))
        own = home.own_catalogue() or ""
        with home.trust.write() as connection:
            follow(connection, "k51qzi5uqu5dh71qgwangrt6r0nd4094i88nsady6qgd1dhjcyfsaqmpp143ab", "bob", AT)
    for path in tmp_path.glob("index.sqlite*"):
        path.unlink()
    with open_home(tmp_path, now=NOW) as home:
        assert shown(home) == ["web@1.0"]
        with home.index.read() as connection:
            assert get_catalogue(connection, own).own
        with pytest.raises(ReleaseConflictError):
            publish(home, make_release("web", "1.0", "other"))


def test_what_a_full_disk_has_no_room_for_is_left_to_the_next_opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(label: str) -> None:
        if label == "home: between trust and index":
            raise CrashError

    def refuse(*_: object) -> None:
        raise StorageError("no space left")

    with open_home(tmp_path, now=NOW) as home:
        publish(home, make_release("web", "1.0"))
    with open_home(tmp_path, now=NOW, crash_point=crash) as home, pytest.raises(CrashError):
        publish(home, make_release("web", "1.1"))
    with monkeypatch.context() as patch:
        patch.setattr("catalog.index.update.take_update", refuse)
        with open_home(tmp_path, now=NOW) as home:
            assert shown(home) == ["web@1.0"]
            with pytest.raises(StorageError):
                publish(home, make_release("web", "1.2"))  # nothing may be applied before what is left
            with home.trust.read() as connection:
                assert len(list_unfinished(connection)) == 1
    with open_home(tmp_path, now=NOW) as home:
        assert shown(home) == ["web@1.1"]
        publish(home, make_release("web", "1.2"))
        assert shown(home) == ["web@1.2"]


def test_a_note_that_a_full_disk_keeps_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise StorageError("no space left")

    with open_home(tmp_path, now=NOW) as home:
        with monkeypatch.context() as patch:
            patch.setattr("catalog.trust.store.clear_unfinished", refuse)
            publish(home, make_release("web", "1.0"))
            assert shown(home) == ["web@1.0"]
            with home.trust.read() as connection:
                assert len(list_unfinished(connection)) == 1
            with pytest.raises(StorageError):
                publish(home, make_release("web", "1.1"))  # notes do not pile up
            assert shown(home) == ["web@1.0"]
        with open_home(tmp_path, now=NOW) as other:
            assert shown(other) == ["web@1.0"]
            with other.trust.read() as connection:
                assert list_unfinished(connection) == []
        publish(home, make_release("web", "1.1"))
        assert shown(home) == ["web@1.1"]
        with home.index.read() as connection:
            assert [change.version for change in list_changes(connection)] == ["1.1", "1.0"]


def test_a_commit_begins_only_where_there_is_room_for_both_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_home(tmp_path, now=NOW) as home:
        publish(home, make_release("web", "1.0"))
        monkeypatch.setattr("catalog.storage.sqlite.free_space", lambda _path: 200 * KIB)
        with pytest.raises(StorageError, match="no space left") as failed:
            publish(home, make_release("web", "1.1"))
        assert "has 204800" in failed.value.why
    monkeypatch.undo()
    with open_home(tmp_path, now=NOW) as home:
        assert shown(home) == ["web@1.0"]


def test_a_change_that_is_kept_although_the_disk_became_full_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise StorageError("no space left for index.sqlite", why="needs 9 bytes, has 0")

    with open_home(tmp_path, now=NOW) as home:
        publish(home, make_release("web", "1.0"))
        monkeypatch.setattr("catalog.index.update.take_update", refuse)
        with pytest.raises(StorageError, match=r"no space left for index\.sqlite") as failed:
            publish(home, make_release("web", "1.1"))
        assert failed.value.why == "needs 9 bytes, has 0; the change is kept, and the next command that has room completes it"
    monkeypatch.undo()
    with open_home(tmp_path, now=NOW) as home:
        assert shown(home) == ["web@1.1"]
