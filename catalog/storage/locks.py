"""Exclusive locks between processes, as locks of the file system on files that stay."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENOLCK, EOPNOTSUPP
from pathlib import Path

from catalog.errors import LockedError
from catalog.limits import BUSY_TIMEOUT
from catalog.storage.files import PRIVATE, system_translated


@contextmanager
def locked(path: Path, timeout: float = BUSY_TIMEOUT) -> Iterator[None]:
    """Hold the exclusive lock on ``path``, which is created if needed and not removed.

    Raise `LockedError` when ``timeout`` seconds have passed. On a file system without locks nothing is held: SQLite's own locks
    still keep each transaction apart.
    """
    with system_translated(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    try:
        started = time.monotonic()
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waited = time.monotonic() - started
                if waited > timeout:
                    raise LockedError(f"{path} is held by another process", why=f"waited {timeout:.0f} s") from None
                time.sleep(_jitter() * min(8, 1 + waited))  # long waiters poll less often, to leave the processor to the holder
            except OSError as error:
                if error.errno not in {ENOLCK, EOPNOTSUPP}:
                    raise
                break
            else:
                break
        yield
    finally:
        os.close(descriptor)


def _jitter() -> float:
    import random

    return random.uniform(0.002, 0.02)  # noqa: S311 (no secret)
