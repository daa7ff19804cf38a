"""Loading a whole catalogue, and deleting rows that are no longer shown, without holding the write lock of the index for long.

Readers see the old releases until the new ones are complete, then the new ones: never a mixture (docs/safety.md, A6).
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Connection, select, update

from catalog.index.names import NameWriter, refresh_names
from catalog.index.releases import put_rows
from catalog.index.schema import catalogues, generations
from catalog.index.subscriptions import CatalogueRow, new_generation, show_catalogue
from catalog.ipld.cid import parse_cid
from catalog.model.release import Release
from catalog.storage.database import Database
from catalog.storage.locks import locked

_RELEASES_A_TRANSACTION = 20_000
_LOAD_TIMEOUT = 600.0
_CONTENTS = """
SELECT name, version, platform, config, json_extract(CAST(line AS TEXT), '$.images."' || platform || '".format'),
    json_extract(CAST(line AS TEXT), '$.images."' || platform || '".archive'), manifest
FROM releases JOIN images USING (release_id) WHERE generation = ? ORDER BY name, sort
"""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Releases that are in the index and not visible yet."""

    generation: int
    releases: int

    def contents(self, connection: Connection) -> Iterator[tuple[str, str, str, bytes, str, bytes, bytes]]:
        """Yield (name, version, platform, config, format, archive CID, manifest) of every image, by name."""
        for row in connection.exec_driver_sql(_CONTENTS, (self.generation,)):
            name, version, platform, config, image_format, archive, manifest = row
            yield name, version, platform, config, image_format, parse_cid(archive).binary, manifest


def load_catalogue(database: Database, row: CatalogueRow, entries: Iterable[tuple[Release, bytes]]) -> int:
    """Show ``entries`` (releases with their lines, best in the order of snapshots, each once) as the whole catalogue.

    A home does one load at a time. Return the number of releases. When it fails, the releases shown before are still shown.
    """
    with prepare_catalogue(database, entries) as prepared, database.write() as connection:
        show_prepared(connection, row, prepared)
    return prepared.releases


def show_prepared(connection: Connection, row: CatalogueRow, prepared: Prepared) -> None:
    """Show prepared releases as the whole catalogue of ``row``."""
    _show(connection, row, prepared.generation)


@contextmanager
def prepare_catalogue(database: Database, entries: Iterable[tuple[Release, bytes]]) -> Iterator[Prepared]:
    """Load ``entries`` without showing them; releases that `show_prepared` does not show inside the block are deleted."""
    with locked(database.path.with_name("load.lock"), _LOAD_TIMEOUT):
        _sweep(database)
        with database.write() as connection:
            generation = new_generation(connection, "loading")
        writer = NameWriter(generation)
        count = 0
        stream = iter(entries)
        while batch := list(islice(stream, _RELEASES_A_TRANSACTION)):
            with database.write() as connection:
                put_rows(connection, generation, batch, fresh=True)
                writer.add(connection, (release for release, _ in batch))
            count += len(batch)
        with database.write() as connection:
            refresh_names(connection, generation, writer.finish(connection))
        yield Prepared(generation, count)
        _sweep(database)


def sweep_generations(database: Database) -> None:
    """Delete rows that no catalogue shows any more."""
    with locked(database.path.with_name("load.lock"), _LOAD_TIMEOUT):
        _sweep(database)


def _show(connection: Connection, row: CatalogueRow, generation: int) -> None:
    show_catalogue(connection, row)
    old = connection.execute(select(catalogues.c.generation).where(catalogues.c.catalogue == row.catalogue)).scalar_one()
    connection.execute(update(catalogues).where(catalogues.c.catalogue == row.catalogue).values(generation=generation))
    connection.execute(update(generations).where(generations.c.generation == old).values(state="dropped"))
    connection.execute(update(generations).where(generations.c.generation == generation).values(state="shown"))


def _sweep(database: Database) -> None:
    """Delete dropped generations and those of interrupted loads; the caller holds the lock of loads."""
    with database.read() as connection:
        unseen = connection.execute(select(generations.c.generation).where(generations.c.state != "shown")).scalars().all()
    for generation in unseen:
        deleted = 1
        while deleted:
            with database.write() as connection:
                deleted = _delete_some(connection, generation)
        with database.write() as connection:
            connection.exec_driver_sql("DELETE FROM generations WHERE generation = ?", (generation,))


def _delete_some(connection: Connection, generation: int) -> int:
    some = (generation, _RELEASES_A_TRANSACTION)
    names = connection.exec_driver_sql("SELECT name_id FROM names WHERE generation = ? LIMIT ?", some).all()
    releases = connection.exec_driver_sql("SELECT release_id FROM releases WHERE generation = ? LIMIT ?", some).all()
    for statement, ids in (
        ("DELETE FROM names_fts WHERE rowid = ?", names),
        ("DELETE FROM names WHERE name_id = ?", names),
        ("DELETE FROM images WHERE release_id = ?", releases),
        ("DELETE FROM releases WHERE release_id = ?", releases),
    ):
        if ids:
            connection.exec_driver_sql(statement, [tuple(row) for row in ids])
    return len(names) + len(releases)
