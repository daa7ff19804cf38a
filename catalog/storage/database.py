"""The SQLite files of a home: setting up, migrating, and transactions.

Every file uses WAL with ``synchronous=FULL``: what was committed survives kill -9 and power loss. Writers take the lock at their
``BEGIN`` and wait 30 s for it (`BEGIN IMMEDIATE`: with deferred ones, 50 processes lost 7 of 10 transactions to "database is
locked"). A file system on which WAL does not work gets a rollback journal instead.

A file states its revision (table ``alembic_version``) and the first dcat that can read it (table ``needs``). The revision is read
with `sqlite3`. SQLAlchemy is imported for a file's first statement, Alembic only for a migration (180 and 300 ms).
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from catalog.errors import CorruptHomeError, NewerHomeError, StorageError
from catalog.limits import KIB, MIB
from catalog.storage.files import PRIVATE, CrashPoint, no_crash, sync_directory, sync_file, system_translated
from catalog.storage.locks import locked
from catalog.storage.sqlite import bound_log, connect, refuse_link, translated

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, MetaData

_NO_WAL = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_CANTOPEN}
# Without the tables that SQLite's full-text search makes for itself: they are its own affair, and that of its version.
_COLUMNS = """
SELECT t.name, c.name FROM sqlite_master AS t, pragma_table_info(t.name) AS c
WHERE t.type = 'table' AND t.name NOT GLOB '*_fts_*'
"""
_CACHE_SIZE = 32 * MIB


@dataclass(frozen=True, slots=True)
class Schema:
    """The schema of one file.

    ``revisions`` are those that this dcat can read or migrate, oldest first; it writes the last one. ``statements`` create a file
    of the last one directly (a test proves that the migrations end at the same). ``needs`` is the first version of dcat that reads
    it. ``pragmas`` run before the first page is written. ``copied`` says whether a copy is kept before migrating.
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


def open_schema(path: Path, schema: Schema, *, read_only: bool = False, crash_point: CrashPoint = no_crash) -> None:
    """Create or migrate the file, unless it has the schema's last revision already.

    Any number of processes may do this at once. Raise `NewerHomeError`, `CorruptHomeError`, `StorageError`, `LockedError`.
    """
    refuse_link(path)
    with translated(path), system_translated(path):
        revision = read_revision(path)
        if revision == schema.head:
            return
        _refuse_newer(path, schema, revision)
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
    """Return the revision that the file states; None if there is no file, or nothing in it yet."""
    if not path.exists():
        return None
    with translated(path):
        connection = connect(path, read_only=True)
        try:
            # In one statement: another process may be creating the file.
            tables, known = connection.execute("SELECT count(*), total(name = 'alembic_version') FROM sqlite_master").fetchone()
            if not known:
                if tables:
                    raise CorruptHomeError(f"{path} is not a file of dcat", why="it holds other tables and no revision")
                return None
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            if row is None:
                raise CorruptHomeError(f"{path} is damaged", why="it states no revision")
            return str(row[0])
        finally:
            connection.close()


def check_schema(path: Path, schema: Schema) -> None:
    """Raise `NewerHomeError` or `CorruptHomeError` for an existing file that cannot be opened, or lacks something."""
    _refuse_newer(path, schema, read_revision(path))
    with translated(path), closing(connect(path, read_only=True)) as connection:
        if missing := find_missing(path, connection, schema):
            raise CorruptHomeError(f"{path} is damaged", why=missing)


def find_missing(path: Path, connection: sqlite3.Connection, schema: Schema) -> str:
    """Return a table or column that a file of the schema's last revision lacks; empty where it lacks none."""
    if read_revision(path) != schema.head:
        return ""  # migrating it makes what is missing
    model = sqlite3.connect(":memory:")
    try:
        for statement in schema.statements():
            model.execute(statement)
        columns = dict.fromkeys(model.execute(_COLUMNS))
    finally:
        model.close()
    for column in connection.execute(_COLUMNS):
        columns.pop(column, None)
    return next((f"it lacks {table}.{column}" for table, column in columns), "")


class Database:
    """One of the home's files through SQLAlchemy Core: `read` opens a consistent view, `write` a transaction.

    Transactions do not nest: a `write` inside a `write` of the same file would wait for itself.
    """

    def __init__(self, path: Path, schema: Schema, *, read_only: bool = False, crash_point: CrashPoint = no_crash) -> None:
        """Open the file, and create or migrate it first if needed (`open_schema`)."""
        open_schema(path, schema, read_only=read_only, crash_point=crash_point)
        self.path = path
        self.read_only = read_only
        self._name = schema.name
        self._crash_point = crash_point
        self._engine: Engine | None = None

    @contextmanager
    def read(self) -> Iterator["Connection"]:
        """Yield a connection all of whose statements see the same state."""
        with translated(self.path), self._connect().connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator["Connection"]:
        """Yield a connection that holds the file's write lock. Its changes are durable when this ends, undone if it raises."""
        if self.read_only:
            raise StorageError(f"{self.path} cannot be written")
        with translated(self.path), self._connect().execution_options(dcat_write=True).connect() as connection:
            bound_log(cast(sqlite3.Connection, connection.connection.driver_connection), self.path)
            with connection.begin():
                yield connection
                self._crash_point(f"{self._name}: before commit")
            self._crash_point(f"{self._name}: after commit")

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _open(self) -> sqlite3.Connection:
        connection = connect(self.path, read_only=self.read_only)
        connection.execute(f"PRAGMA cache_size = -{_CACHE_SIZE // KIB}")  # digests come in random order, and touch pages everywhere
        return connection

    def _connect(self) -> "Engine":
        if self._engine is None:
            import logging

            from sqlalchemy import create_engine, event
            from sqlalchemy.pool import QueuePool

            engine = create_engine("sqlite+pysqlite://", creator=self._open, poolclass=QueuePool, max_overflow=-1)

            @event.listens_for(engine, "begin")
            def begin(connection: "Connection") -> None:
                write = connection.get_execution_options().get("dcat_write", False)
                connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

            # The pool raises what it cannot close, and would print a traceback as well.
            logging.getLogger("sqlalchemy.pool").addHandler(logging.NullHandler())
            self._engine = engine
        return self._engine


def table_statements(metadata: "MetaData") -> Iterator[str]:
    """Yield the statements that create all tables and indexes of an SQLAlchemy schema."""
    from sqlalchemy.dialects import sqlite
    from sqlalchemy.schema import CreateIndex, CreateTable

    dialect = sqlite.dialect()
    for table in metadata.sorted_tables:
        yield str(CreateTable(table).compile(dialect=dialect)).strip()
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            yield str(CreateIndex(index).compile(dialect=dialect)).strip()


def _refuse_newer(path: Path, schema: Schema, revision: str | None) -> None:
    if revision is not None and revision not in schema.revisions:
        raise NewerHomeError(
            f"{path} was written by a newer dcat", why=f"it needs dcat {_read_needs(path)}; this one knows {schema.head}"
        )


def _create(path: Path, schema: Schema, crash_point: CrashPoint) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE))
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
    """Set WAL, or a rollback journal on a file system without shared memory (NFS)."""
    try:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _NO_WAL:
            raise
        connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()  # keeps the index in this process's memory
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()
        connection.execute("PRAGMA locking_mode = NORMAL").fetchall()


def _migrate(path: Path, schema: Schema, revision: str, crash_point: CrashPoint) -> None:
    """Run the missing migrations in one transaction, after the file was copied."""
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
    """Copy the file atomically, as it is now."""
    unfinished = target.with_name(target.name + ".part")
    unfinished.unlink(missing_ok=True)
    connection = connect(path)
    try:
        connection.execute("VACUUM INTO ?", (str(unfinished),))
    finally:
        connection.close()
    crash_point("migration: copy written")
    sync_file(unfinished)
    unfinished.replace(target)
    sync_directory(target.parent)
    crash_point("migration: copy renamed")


def _read_needs(path: Path) -> str:
    with suppress(sqlite3.Error):
        connection = connect(path, read_only=True)
        try:
            (version,) = connection.execute("SELECT version FROM needs").fetchone()
            return f"{version} or newer"
        finally:
            connection.close()
    return "a newer version"
