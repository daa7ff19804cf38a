"""A file that another user left in one's own directory: what is said, and the command that mends it."""

import errno
import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from catalog.errors import StorageError
from catalog.storage.files import system_translated
from catalog.storage.keyfile import read_key_file
from catalog.storage.owners import explain_failure, explain_owner
from catalog.storage.sqlite import connect, translated
from cli.exits import expected
from tests.needs import lacks

_USER = 12345


@contextmanager
def as_user(directory: Path) -> Iterator[None]:
    """Be an ordinary user, whose own ``directory`` is."""
    if os.geteuid() != 0:
        lacks("mounts", "only root can be somebody else")
    os.chown(directory, _USER, _USER)
    os.seteuid(_USER)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that everybody reaches."""
    with tempfile.TemporaryDirectory(prefix="dcat-owners-") as text:
        Path(text).chmod(0o755)
        yield Path(text)


@pytest.fixture
def own(place: Path) -> Path:
    """A directory with a file of root in it that nobody else may read."""
    directory = place / "my home"
    directory.mkdir()
    (directory / "trust.sqlite").touch(mode=0o600)
    return directory


def test_a_file_of_root_in_ones_own_directory(own: Path) -> None:
    file = own / "trust.sqlite"
    with as_user(own):
        assert explain_owner([file]) == ("trust.sqlite belongs to root", f'sudo chown -R "$(id -u)" {shlex.quote(str(file))}')
        _, hint = explain_owner([file], own)
        denied = expected(PermissionError(errno.EACCES, "Permission denied", str(file)))
        with pytest.raises(StorageError) as opened, translated(file):
            connect(file).execute("SELECT 1 FROM sqlite_schema")
        with pytest.raises(StorageError) as locked, system_translated(file):
            file.open("rb")
        with pytest.raises(StorageError) as key:
            read_key_file(file)
    assert denied is not None
    for error in (denied, opened.value, locked.value, key.value):
        assert error.why == "trust.sqlite belongs to root"
        assert error.hint.startswith('sudo chown -R "$(id -u)" ')
    assert opened.value.hint == hint
    subprocess.run(["sh", "-c", hint.removeprefix("sudo ").replace("$(id -u)", str(_USER))], check=True)
    assert file.stat().st_uid == _USER
    with as_user(own):
        assert explain_owner([file]) == ("", "")


def test_a_directory_of_root_in_ones_own(own: Path) -> None:
    (own / "dcat").mkdir(mode=0o700)
    (own / "dcat" / "index.sqlite").touch()
    with as_user(own):
        why, hint = explain_owner([own / "dcat" / "index.sqlite"])
    assert why == "dcat belongs to root"
    assert hint == f'sudo chown -R "$(id -u)" {shlex.quote(str(own / "dcat"))}'


def test_nobody_is_told_to_take_what_is_not_theirs(own: Path, place: Path) -> None:
    other = place / "other"
    other.mkdir()
    (other / "key").touch(mode=0o600)
    with as_user(own):
        assert explain_owner([other / "key"]) == ("key belongs to root", "")
        assert explain_owner([own / "not there"]) == ("", "")
        assert explain_failure(OSError(errno.EIO, "Input/output error"), own / "trust.sqlite") == ("Input/output error", "")
