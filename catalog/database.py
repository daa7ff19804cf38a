"""The home's SQLite files: connect, set up, migrate, and turn SQLite's failures into dcat's.

What every file of the home promises: WAL with ``synchronous=FULL``, so that what was committed survives kill -9 and power loss;
writers take the lock at their ``BEGIN`` (`BEGIN IMMEDIATE`: deferred ones lost 7 of 10 transactions to "database is locked" among
50 processes) and wait 30 s for it; a file system on which WAL cannot work gets a rollback journal instead.

A file knows its revision (table ``alembic_version``) and the first dcat that can read it (table ``needs``). The revision is read
with `sqlite3`; SQLAlchemy is imported for a file's first statement, Alembic only where a schema is behind (180 and 300 ms).
"""

import errno
import fcntl
import os
import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from catalog.errors import CorruptHomeError, DcatError, LockedError, NewerHomeError, StorageError
from catalog.limits import BUSY_TIMEOUT, WAL_LIMIT

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, MetaData

CrashPoint = Callable[[str], None]
"""Called with a label at every boundary at which a crash could leave something half done; tests kill the process in it."""

_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_NO_WAL = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_CANTOPEN}


def no_crash(label: str) -> None:
    """Go on: what happens at a crash point outside tests."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What one file of the home must hold.

    ``revisions`` are those that this dcat can read or migrate, oldest first; the last one is what it writes. ``statements`` makes a
    file of the last one in one go (a test proves that the migrations end at the same). ``needs`` is the first version of dcat that
    reads it. ``pragmas`` come before the first page is written. ``copied`` says whether a copy is kept before migrating.
    """

    name: str
    revisions: tuple[str, ...]
    needs: str
    statements: Callable[[], Iterable[str]]
    pragmas: tuple[str, ...] = ()
    copied: bool = True

    @property
    def head(self) -> str:
        return self.revisions[-1]


def connect(path: Path, *, read_only: bool = False, timeout: float = BUSY_TIMEOUT) -> sqlite3.Connection:
    """Connect to a file that exists, in autocommit mode: transactions are begun and ended by statements.

    The connection may be used by any thread, but by one at a time. A file in a directory that cannot be written is read as it is.
    """
    mode = "ro" if read_only else "rw"
    if read_only and not os.access(path.parent, os.W_OK) and _is_empty(path.with_name(path.name + "-wal")):
        mode = "ro&immutable=1"
    connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode={mode}", uri=True, timeout=timeout, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        if not read_only:
            connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def open_schema(path: Path, schema: Schema, *, read_only: bool = False, crash_point: CrashPoint = no_crash) -> None:
    """Make sure that the file exists and has the schema's last revision: create or migrate it where that is not so.

    Any number of processes may do this at once. Raises `NewerHomeError`, `CorruptHomeError`, `StorageError`, `LockedError`.
    """
    with translated(path):
        revision = read_revision(path)
        if revision == schema.head:
            return
        if revision is not None and revision not in schema.revisions:
            raise NewerHomeError(
                f"{path} was written by a newer dcat", why=f"it needs dcat {_read_needs(path)}; this one knows {schema.head}"
            )
        if read_only:
            state = "does not exist" if revision is None else f"has the older schema {revision}"
            raise StorageError(f"{path} {state}, and its directory cannot be written")
        with locked(path.with_name("setup.lock")):
            revision = read_revision(path)
            if revision is None:
                _create(path, schema, crash_point)
            elif revision != schema.head:
                _migrate(path, schema, revision, crash_point)


def read_revision(path: Path) -> str | None:
    """Give the revision that the file says it has; None where there is no file, or nothing in it yet."""
    if not path.exists():
        return None
    with translated(path):
        connection = connect(path, read_only=True)
        try:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchall():
                if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    raise CorruptHomeError(f"{path} is not a file of dcat", why="it holds other tables and no revision")
                return None
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            return str(row[0]) if row else None
        finally:
            connection.close()


@contextmanager
def locked(path: Path, timeout: float = BUSY_TIMEOUT) -> Iterator[None]:
    """Hold an exclusive lock of the file system on ``path``, which is made and stays; raise `LockedError` when time runs out.

    Where the file system has no locks, SQLite's own must do.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise LockedError(f"{path} is held by another process", why=f"waited {timeout:.0f} s") from None
                time.sleep(random.uniform(0.002, 0.02))  # noqa: S311 (jitter)
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
    """Turn what SQLite and the system raise inside into dcat's errors. ``needs`` is how many bytes were to be written."""
    try:
        yield
    except DcatError:
        raise
    except Exception as error:
        cause = getattr(error, "orig", None) or error  # SQLAlchemy wraps what sqlite3 raised
        if isinstance(cause, sqlite3.DatabaseError) and (known := _translate(cause, path, needs)) is not None:
            raise known from error
        if isinstance(cause, OSError):
            raise StorageError(f"{path} cannot be used", why=cause.strerror or str(cause)) from error
        raise


class Database:
    """One of the home's files by SQLAlchemy Core: `read` gives one unchanging view, `write` one transaction.

    Transactions do not nest: a `write` within a `write` of the same file would wait for itself.
    """

    def __init__(self, path: Path, schema: Schema, *, read_only: bool = False, crash_point: CrashPoint = no_crash) -> None:
        """Open the file, creating or migrating it (`open_schema`)."""
        open_schema(path, schema, read_only=read_only, crash_point=crash_point)
        self.path = path
        self.read_only = read_only
        self._name = schema.name
        self._crash_point = crash_point
        self._engine: Engine | None = None

    @contextmanager
    def read(self) -> Iterator["Connection"]:
        """Give a connection whose every statement sees the same state."""
        with translated(self.path), self._connect().connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator["Connection"]:
        """Give a connection that holds the file's write lock; what it did is durable when this ends, or undone when it raises."""
        if self.read_only:
            raise StorageError(f"{self.path} cannot be written")
        with translated(self.path), self._connect().execution_options(dcat_write=True).connect() as connection:
            with connection.begin():
                yield connection
                self._crash_point(f"{self._name}: before commit")
            self._crash_point(f"{self._name}: after commit")

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _connect(self) -> "Engine":
        if self._engine is None:
            from sqlalchemy import create_engine, event
            from sqlalchemy.pool import QueuePool

            engine = create_engine(
                "sqlite+pysqlite://", creator=lambda: connect(self.path, read_only=self.read_only), poolclass=QueuePool
            )

            @event.listens_for(engine, "begin")
            def begin(connection: "Connection") -> None:
                write = connection.get_execution_options().get("dcat_write", False)
                connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

            self._engine = engine
        return self._engine


def table_statements(metadata: "MetaData") -> Iterator[str]:
    """Give the statements that make all tables and indexes of a schema that SQLAlchemy describes."""
    from sqlalchemy.dialects import sqlite
    from sqlalchemy.schema import CreateIndex, CreateTable

    dialect = sqlite.dialect()
    for table in metadata.sorted_tables:
        yield str(CreateTable(table).compile(dialect=dialect)).strip()
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            yield str(CreateIndex(index).compile(dialect=dialect)).strip()


def _create(path: Path, schema: Schema, crash_point: CrashPoint) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    crash_point(f"{schema.name}: file made")
    connection = connect(path)
    try:
        for pragma in schema.pragmas:
            connection.execute(f"PRAGMA {pragma}").fetchall()
        _use_wal(connection)
        crash_point(f"{schema.name}: before set-up")
        connection.execute("BEGIN IMMEDIATE")
        for statement in schema.statements():
            connection.execute(statement)
        connection.execute(
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
            "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
        connection.execute("INSERT INTO alembic_version VALUES (?)", (schema.head,))
        connection.execute("CREATE TABLE needs (version TEXT NOT NULL)")
        connection.execute("INSERT INTO needs VALUES (?)", (schema.needs,))
        connection.execute("COMMIT")
        crash_point(f"{schema.name}: after set-up")
    finally:
        connection.close()


def _use_wal(connection: sqlite3.Connection) -> None:
    """Set WAL, or the rollback journal where the file system cannot share memory (NFS)."""
    try:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _NO_WAL:
            raise
        connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()  # its index is then in this process's own memory
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()
        connection.execute("PRAGMA locking_mode = NORMAL").fetchall()


def _migrate(path: Path, schema: Schema, revision: str, crash_point: CrashPoint) -> None:
    """Run the migrations that are missing, all in one transaction, behind a copy of the file as it was."""
    import importlib.resources

    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine
    from sqlalchemy.pool import StaticPool

    if schema.copied:
        _copy(path, path.with_name(f"{path.name}.{revision}"), crash_point)
    scripts = importlib.resources.files("migrations")
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("version_locations", str(scripts.joinpath(schema.name)).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    raw = connect(path)
    engine = create_engine("sqlite+pysqlite://", creator=lambda: raw, poolclass=StaticPool)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            config.attributes["connection"] = connection
            command.upgrade(config, schema.head)
            crash_point(f"{schema.name}: before migration's commit")
            connection.commit()
            crash_point(f"{schema.name}: after migration's commit")
    finally:
        engine.dispose()


def _copy(path: Path, target: Path, crash_point: CrashPoint) -> None:
    """Keep the file as it is now under another name, whole and durable or not at all."""
    unfinished = target.with_name(target.name + ".part")
    unfinished.unlink(missing_ok=True)
    connection = connect(path)
    try:
        connection.execute("VACUUM INTO ?", (str(unfinished),))
    finally:
        connection.close()
    crash_point("migration: copy written")
    descriptor = os.open(unfinished, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    unfinished.replace(target)
    sync_directory(target.parent)
    crash_point("migration: copy renamed")


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_needs(path: Path) -> str:
    with suppress(sqlite3.Error):
        connection = connect(path, read_only=True)
        try:
            (version,) = connection.execute("SELECT version FROM needs").fetchone()
            return f"{version} or newer"
        finally:
            connection.close()
    return "a newer version"


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
        wanted = "" if needs is None else f"; needs {needs} bytes, has {free_space(path.parent)}"
        return StorageError(f"{path} cannot be written or read", why=f"{error}{wanted}")
    return None


def free_space(path: Path) -> int:
    """Give how many bytes can still be written where ``path`` is; 0 where that cannot be told."""
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return 0
