"""The catalogues that the index shows, own and followed: one row each, with what ``status`` and ``resolve`` need.

Ownership of names, aliases and the order of subscription are kept in ``trust.sqlite``; ``alias`` here is a copy for display.
Functions take a connection, so that several of them make one transaction.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from catalog.errors import CatalogueNotFoundError
from catalog.index.catalogue import CatalogueRow as CatalogueRow  # what these functions take and return
from catalog.index.schema import catalogues, generations, names, releases, sightings
from catalog.model.reference import nearest
from catalog.model.release import parse_time
from catalog.trust.freshness import Freshness, judge_freshness

_COLUMNS = (
    catalogues.c.catalogue,
    catalogues.c.own,
    catalogues.c.alias,
    catalogues.c.title,
    catalogues.c.root,
    catalogues.c.sequence,
    catalogues.c.expires,
    catalogues.c.checked,
    catalogues.c.published,
)


def show_catalogue(connection: Connection, row: CatalogueRow) -> None:
    """Add the catalogue, without releases, or replace its row; its releases stay."""
    values = {
        "own": int(row.own),
        "alias": row.alias,
        "title": row.title,
        "root": row.root,
        "sequence": row.sequence,
        "expires": row.expires,
        "checked": row.checked,
        "published": row.published,
    }
    changed = connection.execute(update(catalogues).where(catalogues.c.catalogue == row.catalogue).values(values))
    if changed.rowcount == 0:
        generation = new_generation(connection, "shown")
        connection.execute(insert(catalogues).values(catalogue=row.catalogue, generation=generation, **values))


def hide_catalogue(connection: Connection, catalogue: str) -> None:
    """Remove the catalogue from the index; `catalog.index.loading.sweep_generations` deletes its rows."""
    generation = connection.execute(select(catalogues.c.generation).where(catalogues.c.catalogue == catalogue)).scalar()
    if generation is not None:
        connection.execute(delete(catalogues).where(catalogues.c.catalogue == catalogue))
        connection.execute(update(generations).where(generations.c.generation == generation).values(state="dropped"))


def get_catalogue(connection: Connection, catalogue: str) -> CatalogueRow:
    """Return the row of an IPNS name; raise `CatalogueNotFoundError`."""
    row = connection.execute(select(*_COLUMNS).where(catalogues.c.catalogue == catalogue)).first()
    if row is None:
        raise CatalogueNotFoundError(f"the catalogue {catalogue} is not in the index")
    return _row(row)


def list_catalogues(connection: Connection) -> list[CatalogueRow]:
    """Return all catalogues: the own one first, then by alias."""
    order = (catalogues.c.own.desc(), catalogues.c.alias, catalogues.c.catalogue)
    return [_row(row) for row in connection.execute(select(*_COLUMNS).order_by(*order))]


def find_catalogue(connection: Connection, label: str) -> CatalogueRow:
    """Return the row of a catalogue by ``mine``, its alias or its IPNS name; raise `CatalogueNotFoundError`."""
    rows = list_catalogues(connection)
    for row in rows:
        if label in {row.label, row.catalogue}:
            return row
    labels = [row.label for row in rows]
    raise CatalogueNotFoundError(
        f'no catalogue "{label}"', why="there are " + (", ".join(labels) or "none"), nearest=nearest(label, labels)
    )


def count_releases(connection: Connection, catalogue: str) -> tuple[int, int]:
    """Count a catalogue's names that have a release, and its releases that are not removed."""
    statement = (
        select(func.count(), func.coalesce(func.sum(names.c.live), 0))
        .join(catalogues, catalogues.c.generation == names.c.generation)
        .where(catalogues.c.catalogue == catalogue, names.c.live > 0)
    )
    found_names, live = connection.execute(statement).one()
    return found_names, live


def put_sighting(connection: Connection, catalogue: str, source: str, sequence: int, at: str) -> None:
    """Note that a source had a record of the catalogue with this sequence."""
    values = {"sequence": sequence, "at": at}
    statement = upsert(sightings).values(catalogue=catalogue, source=source, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=[sightings.c.catalogue, sightings.c.source], set_=values))


def list_sightings(connection: Connection, catalogue: str) -> list[tuple[str, int, str]]:
    """Return (source, sequence, time) of every source that had a record of the catalogue, latest first."""
    statement = select(sightings.c.source, sightings.c.sequence, sightings.c.at).where(sightings.c.catalogue == catalogue)
    return [(source, sequence, at) for source, sequence, at in connection.execute(statement.order_by(sightings.c.at.desc()))]


def new_generation(connection: Connection, state: str) -> int:
    """Add a generation without rows; return its number."""
    generation = connection.execute(select(func.coalesce(func.max(generations.c.generation), 0) + 1)).scalar_one()
    connection.execute(insert(generations).values(generation=generation, state=state))
    return int(generation)


def generation_of(connection: Connection, catalogue: str) -> int:
    """Return the generation that a catalogue shows; raise `CatalogueNotFoundError`."""
    generation = connection.execute(select(catalogues.c.generation).where(catalogues.c.catalogue == catalogue)).scalar()
    if generation is None:
        raise CatalogueNotFoundError(f"the catalogue {catalogue} is not in the index")
    return int(generation)


def is_empty(connection: Connection, generation: int) -> bool:
    """Return whether a generation has no releases."""
    return connection.execute(select(releases.c.release_id).where(releases.c.generation == generation).limit(1)).first() is None


def _row(row: Any) -> CatalogueRow:
    return CatalogueRow(
        row.catalogue,
        bool(row.own),
        row.alias,
        row.title,
        row.root,
        row.sequence,
        row.expires,
        row.checked,
        row.published,
    )


def freshness_of(row: CatalogueRow, now: datetime) -> Freshness | None:
    """Return how fresh a catalogue is; None where nothing of it was ever accepted."""
    if row.expires is None and not row.own:
        return None
    return judge_freshness(
        now,
        expires=parse_time(row.expires) if row.expires else now,
        checked=parse_time(row.checked) if row.checked else None,
        newest_signed=parse_time(row.published) if row.published else None,
        own=row.own,
    )
