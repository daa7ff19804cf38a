"""SQLite as a home uses it: connections, its failures as dcat's, and the file system's part of it: locks, durable names."""

import errno
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from catalog.errors import CorruptHomeError, DcatError, LockedError, StorageError
from catalog.limits import BUSY_TIMEOUT, MIN_FREE_SPACE, WAL_LIMIT

CrashPoint = Callable[[str], None]
"""Called with a label at every boundary at which a crash could leave something half done; tests kill the process in it."""

_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}


def no_crash(label: str) -> None:
    """Go on: what happens at a crash point outside tests."""


def connect(path: Path, *, read_only: bool = False, timeout: float = BUSY_TIMEOUT) -> sqlite3.Connection:
    """Connect to a file that exists, in autocommit mode: transactions are begun and ended by statements.

    The connection may be used by any thread, but by one at a time. A file in a directory that cannot be written is read as it is.
    """
    mode = "ro" if read_only else "rw"
    if read_only and not os.access(path.parent, os.W_OK) and _is_empty(path.with_name(path.name + "-wal")):
        mode = "ro&immutable=1"
    connection = sqlite3.connect(
        f"file:{_quote(path.absolute())}?mode={mode}", uri=True, timeout=timeout, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = OFF").fetchall()  # some builds write zeros over what is deleted
        if not read_only:
            connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def bound_log(connection: sqlite3.Connection, path: Path) -> None:
    """Empty the file's write-ahead log, waiting for readers, where they kept it from being emptied on the way.

    Between transactions only. Under readers without a pause between them the log would otherwise grow without end.
    """
    try:
        size = path.with_name(path.name + "-wal").stat().st_size
    except FileNotFoundError:
        return
    if size > WAL_LIMIT * 3 // 4:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


@contextmanager
def locked(path: Path, timeout: float = BUSY_TIMEOUT) -> Iterator[None]:
    """Hold an exclusive lock of the file system on ``path``, which is made and stays; raise `LockedError` when time runs out.

    Where the file system has no locks, SQLite's own must do.
    """
    with system_translated(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        started = time.monotonic()
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waited = time.monotonic() - started
                if waited > timeout:
                    raise LockedError(f"{path} is held by another process", why=f"waited {timeout:.0f} s") from None
                time.sleep(_jitter() * min(8, 1 + waited))  # many that wait long leave the processor to the one that has it
            except OSError as error:
                if error.errno not in {errno.ENOLCK, errno.EOPNOTSUPP}:
                    raise
                break
            else:
                break
        yield
    finally:
        os.close(descriptor)


@contextmanager
def translated(path: Path, needs: int | None = None) -> Iterator[None]:
    """Turn what SQLite raises inside into dcat's errors; ``needs`` is how many bytes were to be written. All else passes."""
    try:
        yield
    except DcatError:
        raise
    except Exception as error:
        cause = getattr(error, "orig", None) or error  # SQLAlchemy wraps what sqlite3 raised
        if isinstance(cause, sqlite3.DatabaseError) and (known := _translate(cause, path, needs)) is not None:
            raise known from error
        raise


@contextmanager
def system_translated(path: Path) -> Iterator[None]:
    """Turn what the file system raises inside into dcat's errors."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path} cannot be used", why=error.strerror or str(error)) from error


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _quote(path: Path) -> str:
    """Write a path into a URI; what SQLite would read as more than a path is three characters (urllib's import costs 2 ms)."""
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _jitter() -> float:
    import random

    return random.uniform(0.002, 0.02)  # noqa: S311 (no secret)


def _is_empty(path: Path) -> bool:
    try:
        return path.stat().st_size == 0
    except OSError:
        return True


def _translate(error: sqlite3.DatabaseError, path: Path, needs: int | None) -> DcatError | None:
    """Give dcat's error for one of SQLite's; None where it is a mistake in a statement."""
    code: Any = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None
    if primary in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}:
        return LockedError(f"{path} is held by another process", why=f"waited {BUSY_TIMEOUT:.0f} s for its lock")
    if primary in _CORRUPT:
        return CorruptHomeError(f"{path} is damaged", why=str(error))
    if primary in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
        return StorageError(f"{path} cannot be written", why=str(error))
    if primary in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}:
        needed, free = needs or MIN_FREE_SPACE, free_space(path.parent)
        if primary == sqlite3.SQLITE_FULL or free < needed:
            wanted = needed if needs is not None or free < needed else f"more than {free}"
            return StorageError(f"no space left for {path}", why=f"needs {wanted} bytes, has {free}")
        return StorageError(f"{path} cannot be written or read", why=str(error))
    return None


def free_space(path: Path) -> int:
    """Give how many bytes can still be written where ``path`` is; 0 where that cannot be told."""
    try:
        status = os.statvfs(path)
        return status.f_bavail * status.f_frsize
    except OSError:
        return 0
