"""A file that keeps some room on the disk, so that garbage can be collected once the disk is full.

Deleting blocks needs room itself: SQLite writes to its log before it can shrink a file. So a new home gets a file of 4 MiB, which a
collection deletes when there is no room, and creates again when there is. (Considered: deleting without a log, which a kill would
turn into a damaged file.)
"""

import os
from pathlib import Path
from typing import Final

from catalog.limits import MIB
from catalog.storage.files import PRIVATE
from catalog.storage.space import free_space

RESERVE_FILE: Final = "reserve"
RESERVE_SIZE: Final = 4 * MIB
_FREE_BEFORE: Final = 4 * RESERVE_SIZE  # with less, what is free is not taken for a reserve


def keep_reserve(home: Path) -> None:
    """Create the file, if there is room for it; do nothing if there is not."""
    path = home / RESERVE_FILE
    if path.exists() or free_space(home) < _FREE_BEFORE:
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
    except OSError:
        return
    try:
        os.posix_fallocate(descriptor, 0, RESERVE_SIZE)
    except (OSError, AttributeError):  # not on every system, nor on every file system
        path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def is_full(home: Path) -> bool:
    """Return whether the disk has so little room that changes of the home are about to fail."""
    return free_space(home) < RESERVE_SIZE


def release_reserve(home: Path) -> None:
    """Delete the file, if the disk is full."""
    if is_full(home):
        (home / RESERVE_FILE).unlink(missing_ok=True)
