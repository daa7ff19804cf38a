"""A private key in a file that nobody but its owner can read, at no instant (safety D9; securesystemslib #222, CVE-2019-13178)."""

import errno
import os
import secrets
import stat
from pathlib import Path

from catalog.errors import CatalogueNotFoundError, StorageError
from catalog.storage.sqlite import CrashPoint, no_crash, sync_directory

_MAX_KEY_FILE = 64 * 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def write_key_file(path: Path, key: bytes, crash_point: CrashPoint = no_crash) -> None:
    """Write a new key file, whole and durable or not at all; raise `StorageError` where it exists or cannot be written."""
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            crash_point("key: file made")
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(key)
                stream.flush()
                crash_point("key: before fsync")
                os.fsync(stream.fileno())
            crash_point("key: before link")
            _link(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
        sync_directory(path.parent)
        crash_point("key: after link")
    except OSError as error:
        raise StorageError(f"the key {path} cannot be written", why=error.strerror or str(error)) from error


def _link(unfinished: Path, path: Path) -> None:
    """Give the file its name: by a link, which unlike a rename never replaces a key, where the file system has links."""
    try:
        os.link(unfinished, path)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS} or path.exists():
            raise
        unfinished.rename(path)


def read_key_file(path: Path) -> bytes:
    """Give the bytes of a key file.

    Raises `CatalogueNotFoundError` where there is none, `StorageError` where anybody but its owner can read or write it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise CatalogueNotFoundError(
            f"there is no key at {path}", why="this home has no catalogue of its own, or lost its key"
        ) from None
    except OSError as error:
        raise StorageError(f"the key {path} cannot be read", why=error.strerror or str(error)) from error
    with os.fdopen(descriptor, "rb") as stream:
        mode = os.fstat(stream.fileno()).st_mode
        if not stat.S_ISREG(mode) or mode & _OTHERS:
            raise StorageError(
                f"the key {path} is open to others",
                why=f"its mode is {stat.S_IMODE(mode):04o}; whoever has it can sign in its name",
                hint="set its mode to 0600; if others may have read it, give the key up",
            )
        return stream.read(_MAX_KEY_FILE)
