"""Open the files of a home for the quick look-up, read-only; a file of an older dcat is migrated first.

Only a migration imports the heavy modules; tests compare the revisions with those of the schemas. A home that does not exist, or
has no files, is empty.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager

from catalog.lookup.view import View
from catalog.record import record
from catalog.storage.sqlite import connect, translated

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INDEX_FILE, TRUST_FILE = "index.sqlite", "trust.sqlite"
INDEX_REVISION, TRUST_REVISION = "index_2", "trust_2"


@contextmanager
def open_view(home: Path | str) -> Iterator[View]:
    """Open a home for reading. Raise `NewerHomeError`, `CorruptHomeError`."""
    with closing(open_files(home)) as files, translated(home):
        yield View(files.index, files.trust)


@record(frozen=True, slots=True)
class Files:
    """The connections to a home's index and trust store, each in a transaction; None for a file that is not there, or empty."""

    index: sqlite3.Connection | None
    trust: sqlite3.Connection | None

    def execute(self, statement: str) -> None:
        """Execute a statement in both."""
        for connection in (self.index, self.trust):
            if connection is not None:
                connection.execute(statement)

    def close(self) -> None:
        for connection in (self.index, self.trust):
            if connection is not None:
                connection.close()


def open_files(home: Path | str) -> Files:
    """Open index and trust store, each in a transaction of its own."""
    index = _open(os.path.join(home, INDEX_FILE), INDEX_REVISION)
    try:
        return Files(index, _open(os.path.join(home, TRUST_FILE), TRUST_REVISION))
    except BaseException:
        if index is not None:
            index.close()
        raise


def _open(path: str, revision: str) -> sqlite3.Connection | None:
    """Return a connection in a transaction; None where there is no file, or nothing in it."""
    if not _exists(path):
        return None
    with translated(path):
        connection = connect(path, read_only=True)
        try:
            connection.execute("BEGIN")
            known = _read_revision(connection)
            if known is not None and known != revision:
                connection.close()
                _bring_up(path)
                connection = connect(path, read_only=True)
                connection.execute("BEGIN")
        except BaseException:
            connection.close()
            raise
    if known is None:
        connection.close()
        return None
    return connection


def _exists(path: str) -> bool:
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _read_revision(connection: sqlite3.Connection) -> str | None:
    """Return the revision of the file; None where it is empty."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchall():
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row is not None else ""  # which is none: the file is damaged


def _bring_up(path: str) -> None:
    """Migrate a file of an older dcat; only this imports the heavy modules."""
    from pathlib import Path

    from catalog.index.schema import SCHEMA as INDEX
    from catalog.storage.database import open_schema
    from catalog.trust.schema import SCHEMA as TRUST

    open_schema(Path(path), INDEX if path.endswith(INDEX_FILE) else TRUST)
