"""SQLite connections as a home uses them, and SQLite's failures as dcat's errors."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager

from catalog.errors import CorruptHomeError, DcatError, LockedError, StorageError
from catalog.limits import BUSY_TIMEOUT, KIB, MIN_FREE_SPACE, WAL_LIMIT
from catalog.storage.space import free_space

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

_ROOM_TO_OPEN = 64 * KIB  # for what SQLite creates beside a file: 32 KiB of memory shared by processes, and a log
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_LACKING = ("no such table", "no such column")  # in a file that states the revision that has them
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_NOT_WRITABLE = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}
_NO_SPACE_OR_IO = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}


def connect(path: Path | str, *, read_only: bool = False, timeout: float = BUSY_TIMEOUT) -> sqlite3.Connection:
    """Return a connection to an existing file, in autocommit mode: transactions are begun and ended by statements.

    Any thread may use the connection, one at a time. A file beside which nothing can be created, since its directory cannot be
    written or the disk is full, is read as immutable; writing to it raises an error. Raise `StorageError` for a symbolic link.
    """
    refuse_link(path)
    mode = "ro" if read_only else "rw"
    if _must_be_immutable(path, read_only):
        mode = "ro&immutable=1"
    connection = sqlite3.connect(
        f"file:{_quote(_absolute(path))}?mode={mode}", uri=True, timeout=timeout, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        if not read_only:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = OFF").fetchall()  # some builds overwrite deleted content with zeros
            connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def bound_log(connection: sqlite3.Connection, path: Path) -> None:
    """Truncate the write-ahead log once it is large, waiting for readers. Call it between transactions only.

    With overlapping readers SQLite never gets to restart the log, which then grows without bound.
    """
    try:
        size = path.with_name(path.name + "-wal").stat().st_size
    except FileNotFoundError:
        return
    if size > WAL_LIMIT * 3 // 4:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


@contextmanager
def translated(path: Path | str, needs: int | None = None) -> Iterator[None]:
    """Raise dcat's error for each SQLite error raised inside; ``needs`` is how many bytes were to be written.

    Other mistakes in a statement than a table or column that the file lacks, and all other exceptions, pass unchanged.
    """
    try:
        yield
    except DcatError:
        raise
    except Exception as error:
        cause = getattr(error, "orig", None) or error  # SQLAlchemy wraps what sqlite3 raised
        if isinstance(cause, UnicodeDecodeError):  # sqlite3 decodes SQLite's messages, which quote what is in the file
            raise CorruptHomeError(f"{path} is damaged", why="its text is not UTF-8") from error
        if isinstance(cause, sqlite3.DatabaseError):
            from pathlib import Path  # for errors only: `resolve` has no time for it

            if (known := _translate(cause, Path(path), needs)) is not None:
                raise known from error
        raise


def refuse_link(path: Path | str) -> None:
    """Raise `StorageError` if the file is a symbolic link: whoever made it chose which file is written to."""
    if os.path.islink(path):
        raise StorageError(
            f"{path} is a symbolic link",
            why="the files of a home are in it, and nowhere else",
            hint="move the file back; to keep a home elsewhere, set DCAT_HOME to a directory there",
        )


def require_room(directory: Path, needs: int = _ROOM_TO_OPEN) -> None:
    """Raise `StorageError` if the disk has less than ``needs`` bytes: by default what SQLite takes to open a file as usual."""
    if (free := free_space(directory)) < needs:
        raise StorageError(f"no space left for {directory}", why=f"needs {needs} bytes, has {free}")


def _quote(path: str) -> str:
    """Return a path as part of a URI. Only these three characters end a path there; importing urllib would cost 2 ms."""
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _absolute(path: Path | str) -> str:
    return os.fspath(path) if os.path.isabs(path) else os.path.join(os.getcwd(), path)


def _must_be_immutable(path: Path | str, read_only: bool) -> bool:
    name, directory = os.fspath(path), os.path.dirname(path) or "."
    if not _is_empty(name + "-wal"):
        return False  # what is in the log would be missed
    if read_only and not os.access(directory, os.W_OK):
        return True
    return _is_empty(name + "-shm") and free_space(directory) < _ROOM_TO_OPEN


def _files_of(path: Path) -> list[Path]:
    return [path, *(path.with_name(path.name + ending) for ending in ("-wal", "-shm"))]


def _is_empty(path: str) -> bool:
    try:
        return os.stat(path).st_size == 0
    except OSError:
        return True


def _translate(error: sqlite3.DatabaseError, path: Path, needs: int | None) -> DcatError | None:
    """Return dcat's error for one of SQLite's; None for a mistake in a statement."""
    from catalog.storage.owners import explain_owner  # for errors only, as above

    code: Any = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None
    if primary in _LOCKED:
        return LockedError(f"{path} is held by another process", why=f"waited {BUSY_TIMEOUT:.0f} s for its lock")
    if primary in _CORRUPT or (primary == sqlite3.SQLITE_ERROR and str(error).startswith(_LACKING)):
        return CorruptHomeError(f"{path} is damaged", why=str(error))
    if primary in _NOT_WRITABLE and (free := free_space(path.parent)) < _ROOM_TO_OPEN:
        return StorageError(f"no space left for {path}", why=f"needs {needs or MIN_FREE_SPACE} bytes, has {free}")
    if primary in _NOT_WRITABLE | {sqlite3.SQLITE_CANTOPEN}:
        why, hint = explain_owner(_files_of(path), path.parent)
        if why:
            return StorageError(f"{path} cannot be written or read", why=why, hint=hint)
    if primary in _NOT_WRITABLE:
        return StorageError(f"{path} cannot be written", why=str(error))
    if primary in _NO_SPACE_OR_IO:
        needed, free = needs or MIN_FREE_SPACE, free_space(path.parent)
        if primary == sqlite3.SQLITE_FULL or free < needed:
            wanted = needed if needs is not None or free < needed else f"more than {free}"
            return StorageError(f"no space left for {path}", why=f"needs {wanted} bytes, has {free}")
        return StorageError(f"{path} cannot be written or read", why=str(error))
    return None
