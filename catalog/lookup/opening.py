"""Open the files of a home for the quick look-up, read-only; a file of an older dcat is migrated first.

Only a migration imports the heavy modules; tests compare the revisions with those of the schemas. A home that does not exist, or
has no files, is empty.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catalog.lookup.view import View
from catalog.storage.sqlite import connect, translated

INDEX_FILE, TRUST_FILE = "index.sqlite", "trust.sqlite"
INDEX_REVISION, TRUST_REVISION = "index_2", "trust_2"


@contextmanager
def open_view(home: Path) -> Iterator[View]:
    """Open a home for reading. Raises `NewerHomeError`, `CorruptHomeError`."""
    with (
        _open(home / INDEX_FILE, INDEX_REVISION) as index,
        _open(home / TRUST_FILE, TRUST_REVISION) as trust,
        translated(home),
    ):
        yield View(index, trust)


@contextmanager
def _open(path: Path, revision: str) -> Iterator[sqlite3.Connection | None]:
    if not path.exists():
        yield None
        return
    with translated(path):
        connection = connect(path, read_only=True)
    try:
        with translated(path):
            connection.execute("BEGIN")
            known = _read_revision(connection)
        if known is not None and known != revision:
            connection.close()
            _bring_up(path)
            with translated(path):
                connection = connect(path, read_only=True)
                connection.execute("BEGIN")
        yield None if known is None else connection
    finally:
        connection.close()


def _read_revision(connection: sqlite3.Connection) -> str | None:
    """Return the revision of the file; None where it is empty."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchall():
        return None
    return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def _bring_up(path: Path) -> None:
    """Migrate a file of an older dcat; only this imports the heavy modules."""
    from catalog.index.schema import SCHEMA as INDEX
    from catalog.storage.database import open_schema
    from catalog.trust.schema import SCHEMA as TRUST

    open_schema(path, INDEX if path.name == INDEX_FILE else TRUST)
