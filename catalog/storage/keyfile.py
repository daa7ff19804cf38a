"""A private key file, created with mode 0600; it never exists with a wider one (docs/safety.md D9).

Sources: securesystemslib #222; CVE-2019-13178 (a mode that is set after the file was written).
"""

import os
import stat
from pathlib import Path

from catalog.errors import CatalogueNotFoundError, StorageError
from catalog.storage.files import PRIVATE, CrashPoint, create_file, no_crash
from catalog.storage.owners import explain_failure

_MAX_KEY_FILE = 64 * 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def write_key_file(path: Path, key: bytes, crash_point: CrashPoint = no_crash) -> None:
    """Write a new key file atomically; raise `StorageError` if it exists or cannot be written."""
    try:
        with create_file(path, mode=PRIVATE, label="key", crash_point=crash_point) as stream:
            stream.write(key)
    except OSError as error:
        raise StorageError(f"the key {path} cannot be written", why=error.strerror or str(error)) from error


def read_key_file(path: Path) -> bytes:
    """Return the content of a key file.

    Raise `CatalogueNotFoundError` if there is none, `StorageError` if anyone but its owner can read or write it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise CatalogueNotFoundError(
            f"there is no key at {path}",
            why="this home has no catalogue of its own, or lost its key",
            hint="import the key from its backup",
        ) from None
    except OSError as error:
        why, hint = explain_failure(error, path, path.parent)
        raise StorageError(f"the key {path} cannot be read", why=why, hint=hint) from error
    with os.fdopen(descriptor, "rb") as stream:
        mode = os.fstat(stream.fileno()).st_mode
        if not stat.S_ISREG(mode) or mode & _OTHERS:
            raise StorageError(
                f"the key {path} is open to others",
                why=f"its mode is {stat.S_IMODE(mode):04o}; whoever has it can sign in its name",
                hint="set its mode to 0600; if others may have read it, revoke the key",
            )
        return stream.read(_MAX_KEY_FILE)
