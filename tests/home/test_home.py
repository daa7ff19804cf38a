"""A home is made by whoever comes first, keeps its key to itself, and finishes what a crash left between its files."""

import os
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from catalog.blockstores.leasing import list_leases, sweep
from catalog.errors import (
    CatalogueNotFoundError,
    LockedError,
    RecordError,
    ReleaseConflictError,
    ReleaseNotFoundError,
    StorageError,
)
from catalog.home.home import Home, open_home
from catalog.index.history import Change, list_changes
from catalog.index.releases import get_release, list_names
from catalog.index.subscriptions import get_catalogue
from catalog.index.update import IndexUpdate
from catalog.lookup.locate import open_lookup
from catalog.model.release import Release
from catalog.storage.keyfile import read_key_file, write_key_file
from catalog.trust.ownership import follow
from catalog.trust.store import list_unfinished
from tests.blockstores.test_embedded import blocks_of
from tests.factory.releases import make_release
from tests.factory.times import AT, NOW
from tests.needs import ROOT


def publish(home: Home, *releases: Release) -> None:
    own, _ = home.create_own_catalogue()
    home.put_own(releases, [Change(own, home.time, "published", release.name, release.version) for release in releases])


def shown(home: Home) -> list[str]:
    with home.index.read() as connection:
        return [f"{entry.name}@{entry.newest}" for entry in list_names(connection)]


def test_first_publish_makes_catalogue_and_key(tmp_path: Path) -> None:
    with open_home(tmp_path / "deep" / "home", now=NOW) as home:
        assert home.own_catalogue() is None
        assert not home.key_path.exists()
        name, created = home.create_own_catalogue()
        assert created
        assert name.startswith("k51")
        assert home.create_own_catalogue() == (name, False)
        assert str(home.read_key().name) == name
        publish(home, make_release("web", "1.0"))
    assert stat.S_IMODE((tmp_path / "deep" / "home").stat().st_mode) == 0o700
    with open_home(tmp_path / "deep" / "home", now=NOW) as home:
        assert home.own_catalogue() == name
        assert shown(home) == ["web@1.0"]
    with open_lookup(tmp_path / "deep" / "home") as lookup:
        assert lookup.resolve("web@1.0", now=NOW).release == make_release("web", "1.0")


def test_home_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CatalogueNotFoundError):
        open_home(tmp_path / "home", now=NOW, create=False)
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError):
        open_home(tmp_path / "file" / "home", now=NOW)
    with open_home(tmp_path / "home", now=NOW) as home, pytest.raises(CatalogueNotFoundError):
        home.put_own([make_release("web", "1.0")], [])


KEY = """
import ctypes, os, struct, sys
from pathlib import Path
from catalog.storage.keyfile import write_key_file
os.umask(int(sys.argv[2], 8))
folder = Path(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
watch = libc.inotify_init1(os.O_NONBLOCK)
assert libc.inotify_add_watch(watch, str(folder).encode(), 0xFFF) >= 0
modes = set()
def look(label):
    modes.update(entry.stat().st_mode & 0o777 for entry in os.scandir(folder))
write_key_file(folder / "key", b"secret", look)
look("")
events = os.read(watch, 65536)
mask = 0
while events:
    _, one, _, length = struct.unpack_from("iIII", events)
    mask |= one
    events = events[16 + length:]
print(sorted(modes), bool(mask & 0x100), [entry.name for entry in os.scandir(folder)])
"""


@pytest.mark.parametrize("umask", ["0000", "0002", "0022", "0077"])
def test_key_is_0600_from_its_first_instant(tmp_path: Path, umask: str) -> None:
    """D9: whatever the umask, no wider mode is ever seen while the file is written."""
    done = subprocess.run([sys.executable, "-c", KEY, str(tmp_path), umask], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"[{0o600}] True ['key']"


def test_key_is_never_replaced(tmp_path: Path) -> None:
    write_key_file(tmp_path / "key", b"first")
    with pytest.raises(StorageError):
        write_key_file(tmp_path / "key", b"second")
    assert read_key_file(tmp_path / "key") == b"first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o666])
def test_key_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    with open_home(tmp_path, now=NOW) as home:
        home.create_own_catalogue()
        home.key_path.chmod(mode)
        with pytest.raises(StorageError, match="open to others"):
            home.read_key()
        with pytest.raises(StorageError):
            home.create_own_catalogue()


def test_key_that_is_lost_or_damaged_says_so(tmp_path: Path) -> None:
    with open_home(tmp_path, now=NOW) as home:
        home.create_own_catalogue()
        key = home.key_path.read_bytes()
        home.key_path.unlink()
        with pytest.raises(CatalogueNotFoundError, match="no key"):
            home.create_own_catalogue()  # never a second one in its place
        write_key_file(home.key_path, key[:-1])
        with pytest.raises(RecordError):
            home.read_key()


def test_published_version_never_changes(tmp_path: Path) -> None:
    with open_home(tmp_path, now=NOW) as home:
        publish(home, make_release("web", "1.0", "a"))
        with pytest.raises(ReleaseConflictError):
            publish(home, make_release("web", "1.0", "b"))
        publish(home, make_release("web", "1.0", removed=AT))
        with pytest.raises(ReleaseConflictError):
            publish(home, make_release("web", "1.0", "b"))
        with home.trust.read() as connection:
            assert list_unfinished(connection) == []
        publish(home, make_release("web", "1.0", "a"))
        assert shown(home) == ["web@1.0"]


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


def test_damaged_index_is_put_aside(tmp_path: Path) -> None:
    with open_home(tmp_path, now=NOW) as home:
        publish(home, make_release("web", "1.0"))
    (tmp_path / "index.sqlite").write_bytes(b"damaged " * 1000)
    with open_home(tmp_path, now=NOW) as home:
        aside = home.rebuild_index()
        assert aside.read_bytes() == b"damaged " * 1000
        assert shown(home) == ["web@1.0"]


READ_ONLY = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from catalog.errors import StorageError
from catalog.home.home import open_home
from catalog.lookup.locate import open_lookup
from catalog.index.releases import list_names
import catalog.index.rebuild, catalog.index.update, catalog.ipns.key, catalog.trust.contents
import sqlalchemy.dialects.sqlite.pysqlite
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
path, now = Path(sys.argv[1]), datetime(2026, 11, 24, 6, 33, 30, tzinfo=UTC)
with open_lookup(path) as lookup:
    print(lookup.resolve("web@1.0", now=now).release.reference)
with open_home(path, now=now) as home:
    with home.index.read() as connection:
        print([entry.name for entry in list_names(connection)])
    print(home.blocks.size().blocks)
    try:
        home.put_own([], [])
    except StorageError as error:
        print(error.code)
"""


def test_home_that_cannot_be_written_is_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    """D5. Root may write anywhere, so that the test becomes nobody where it runs as root."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "home"
        with open_home(path, now=NOW) as home:
            publish(home, make_release("web", "1.0"))
            home.blocks.put_many(blocks_of(1))
        for opened in (path.parent, path, *path.iterdir()):
            opened.chmod(0o555 if opened.is_dir() else 0o444)
        try:
            done = subprocess.run(
                [sys.executable, "-c", READ_ONLY, str(path)],
                cwd=ROOT,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            path.parent.chmod(0o755)
            path.chmod(0o755)
    assert done.stdout.split("\n") == ["web@1.0", "['web']", "1", "storage", ""], done.stderr


def test_lease_keeps_blocks_until_its_command_ends(tmp_path: Path) -> None:
    cids = [block.cid for block in blocks_of(5)]
    with open_home(tmp_path, now=NOW) as home, open_home(tmp_path, now=NOW) as other:
        home.blocks.put_many(blocks_of(5))
        with other.lease("gc") as own:
            with home.lease("pull web@1.0"):
                assert {lease.purpose for lease in list_leases(home.blocks, NOW)} == {"pull web@1.0"}
                with pytest.raises(LockedError, match=r"pull web@1\.0 is running"):
                    sweep(other.blocks, cids, NOW, own=own)
                assert home.blocks.missing(cids) == []
                later = NOW + timedelta(hours=25)
                assert list_leases(home.blocks, later) == []
            with pytest.raises(LockedError, match="another command ran"):
                sweep(other.blocks, cids, NOW, own=own)  # what ended again may count on them all the same
        with other.lease("gc") as own:
            assert sweep(other.blocks, cids, NOW, own=own) == 5
        assert list_leases(home.blocks, NOW) == []
        assert home.blocks.missing(cids) == cids


def test_lease_ends_with_its_process(tmp_path: Path) -> None:
    with open_home(tmp_path, now=NOW) as home:
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        with home.blocks.file.transaction() as connection:
            connection.execute(
                "INSERT INTO leases VALUES ('x', 'pull', ?, ?, ?, ?)",
                (os.uname().nodename, ended.pid, home.time, "2026-11-25T08:00:00Z"),
            )
        assert list_leases(home.blocks, NOW) == []
