"""A home is created by whichever process comes first, keeps its key private, and can be read where it cannot be written."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.errors import (
    CatalogueNotFoundError,
    RecordError,
    ReleaseConflictError,
    StorageError,
)
from catalog.home.home import open_home
from catalog.lookup.locate import open_lookup
from catalog.storage.keyfile import write_key_file
from catalog.trust.store import list_unfinished
from tests.blockstores.blocks import blocks_of
from tests.factory.releases import make_release
from tests.factory.times import AT, NOW
from tests.home.publishing import publish, shown
from tests.needs import ROOT


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
