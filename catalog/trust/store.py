"""Floors, pins, notes and what waits to be done, in ``trust.sqlite``: small functions that make one transaction together.

Functions take a connection of the trust file's `catalog.storage.database.Database`. A catalogue is given by its IPNS name as text.
Two files cannot be committed at once: what the index must still take over after a commit here is kept in ``unfinished`` until then
(opening a home finishes it).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from catalog.errors import RollbackError
from catalog.limits import MAX_REFUSALS
from catalog.model.release import Release
from catalog.snapshot.line import decode_line, encode_line
from catalog.trust.decision import Floor
from catalog.trust.schema import catalogues, floors, notes, pins, public_targets, refusals, unfinished, unshared


@dataclass(frozen=True, slots=True)
class StoredFloor:
    """The floor of a name with its record, and the record whose data is shown where that is a suspicious one above the floor."""

    floor: Floor
    record: bytes | None = None
    shown: Floor | None = None
    shown_record: bytes | None = None

    @property
    def newest(self) -> Floor:
        """The record that the index shows: the suspicious one where there is one, else the floor."""
        return self.shown or self.floor


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What the index must still take over, as `catalog.index.update` wrote it. Numbers ascend and are never reused."""

    unfinished_id: int
    catalogue: str
    update: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pin:
    """An archive that this home holds for its user. ``reason`` is ``pulled``, ``pinned``, ``mirrored`` or ``fetched``."""

    archive: str
    catalogue: str
    name: str
    version: str
    platform: str
    reason: str
    since: str


def catalogue_id(connection: Connection, catalogue: str) -> int:
    """Return the number of an IPNS name in this file; add a name that is new."""
    found = connection.execute(select(catalogues.c.catalogue_id).where(catalogues.c.catalogue == catalogue)).scalar()
    if found is None:
        statement = insert(catalogues).values(catalogue=catalogue, own=0, synced=0).returning(catalogues.c.catalogue_id)
        found = connection.execute(statement).scalar_one()
    return int(found)


def get_floor(connection: Connection, catalogue: str) -> StoredFloor | None:
    """Return what was accepted for a name; None where nothing was yet."""
    row = connection.execute(select(floors).join(catalogues).where(catalogues.c.catalogue == catalogue)).first()
    if row is None:
        return None
    shown = None if row.shown_sequence is None else Floor(row.shown_sequence, row.shown_value)
    return StoredFloor(Floor(row.sequence, row.value), row.record, shown, row.shown_record)


def raise_floor(connection: Connection, catalogue: str, floor: Floor, record: bytes | None) -> None:
    """Accept a record: nothing below it is ever accepted again. A suspicious record that was shown is no longer shown.

    Raise `RollbackError` where another process accepted a higher one meanwhile, or another value for the same sequence.
    """
    held = get_floor(connection, catalogue)
    if held is not None and (
        held.floor.sequence > floor.sequence or (held.floor.sequence == floor.sequence and held.floor.value != floor.value)
    ):
        raise RollbackError(
            f"the catalogue {catalogue} is at sequence {held.floor.sequence} here, not below {floor.sequence}",
            why="another command accepted a newer record meanwhile",
        )
    values = {
        "sequence": floor.sequence,
        "value": floor.value,
        "record": record,
        "shown_sequence": None,
        "shown_value": None,
        "shown_record": None,
    }
    statement = upsert(floors).values(catalogue_id=catalogue_id(connection, catalogue), **values)
    connection.execute(statement.on_conflict_do_update(index_elements=[floors.c.catalogue_id], set_=values))


def show_above_floor(connection: Connection, catalogue: str, shown: Floor, record: bytes) -> None:
    """Show the data of a suspicious record without raising the floor (docs/safety.md, A4)."""
    connection.execute(
        floors.update()
        .where(floors.c.catalogue_id == catalogue_id(connection, catalogue))
        .values(shown_sequence=shown.sequence, shown_value=shown.value, shown_record=record)
    )


def refuse_record(connection: Connection, catalogue: str, refused: Floor) -> None:
    """Never take this suspicious record again; it is no longer shown.

    The newest `MAX_REFUSALS` of a catalogue are remembered: only who has its key can make more, and could sign another one instead.
    """
    number = catalogue_id(connection, catalogue)
    connection.execute(
        upsert(refusals).values(catalogue_id=number, sequence=refused.sequence, value=refused.value).on_conflict_do_nothing()
    )
    of_catalogue = refusals.c.catalogue_id == number
    newest = select(refusals.c.sequence).where(of_catalogue).order_by(refusals.c.sequence.desc(), refusals.c.value)
    lowest = connection.execute(newest.offset(MAX_REFUSALS).limit(1)).scalar()
    if lowest is not None:
        connection.execute(refusals.delete().where(of_catalogue, refusals.c.sequence <= lowest))
    connection.execute(
        floors.update()
        .where(floors.c.catalogue_id == number, floors.c.shown_sequence == refused.sequence, floors.c.shown_value == refused.value)
        .values(shown_sequence=None, shown_value=None, shown_record=None)
    )


def list_refused(connection: Connection, catalogue: str) -> list[Floor]:
    """Return the suspicious records of a name that were refused here."""
    statement = select(refusals.c.sequence, refusals.c.value).join(catalogues).where(catalogues.c.catalogue == catalogue)
    return [Floor(sequence, value) for sequence, value in connection.execute(statement)]


def add_unfinished(connection: Connection, catalogue: str, update: Mapping[str, Any]) -> int:
    """Note what the index must take over; return the number for `clear_unfinished`."""
    statement = insert(unfinished).values(catalogue_id=catalogue_id(connection, catalogue), update=json.dumps(dict(update)))
    return int(connection.execute(statement.returning(unfinished.c.unfinished_id)).scalar_one())


def list_unfinished(connection: Connection) -> list[Unfinished]:
    """Return what the index must still take over, oldest first."""
    statement = (
        select(unfinished.c.unfinished_id, catalogues.c.catalogue, unfinished.c.update)
        .join(catalogues, catalogues.c.catalogue_id == unfinished.c.catalogue_id)
        .order_by(unfinished.c.unfinished_id)
    )
    return [Unfinished(number, name, json.loads(update)) for number, name, update in connection.execute(statement)]


def clear_unfinished(connection: Connection, unfinished_id: int) -> None:
    """Remove the note: the index has the update."""
    connection.execute(delete(unfinished).where(unfinished.c.unfinished_id == unfinished_id))


def note_unshared(connection: Connection, releases: Iterable[Release]) -> None:
    """Note own releases whose present state is in no snapshot; each gets a new number, also one that was noted before."""
    rows = [(release.name, release.version, encode_line(release)[:-1]) for release in releases]
    if rows:
        connection.exec_driver_sql("INSERT OR REPLACE INTO unshared (name, version, line) VALUES (?, ?, ?)", rows)


def list_unshared(connection: Connection) -> list[tuple[int, Release]]:
    """Return the own releases that the next snapshot must take in, with their ascending numbers."""
    statement = select(unshared.c.change_id, unshared.c.line).order_by(unshared.c.change_id)
    return [(number, decode_line(line)) for number, line in connection.execute(statement)]


def clear_unshared(connection: Connection, up_to: int) -> None:
    """Remove the notes up to a number: a snapshot holds these releases."""
    connection.execute(delete(unshared).where(unshared.c.change_id <= up_to))


def put_pin(connection: Connection, pin: Pin) -> None:
    """Pin an archive. One that is pinned already keeps its time, and its reason unless the user pins it now."""
    values = {column: getattr(pin, column) for column in Pin.__slots__}
    statement = upsert(pins).values(values)
    if pin.reason == "pinned":
        statement = statement.on_conflict_do_update(index_elements=[pins.c.archive], set_={"reason": pin.reason})
    else:
        statement = statement.on_conflict_do_nothing()
    connection.execute(statement)


def delete_pin(connection: Connection, archive: str) -> bool:
    """Unpin an archive; return whether it was pinned."""
    return connection.execute(delete(pins).where(pins.c.archive == archive)).rowcount > 0


def list_pins(connection: Connection, *, before: str | None = None) -> list[Pin]:
    """Return the pins by time; with ``before``, only those made before that time."""
    statement = select(pins).order_by(pins.c.since, pins.c.archive)
    if before is not None:
        statement = statement.where(pins.c.since < before)
    return [Pin(*row) for row in connection.execute(statement)]


def confirm_target(connection: Connection, target: str, at: str) -> None:
    """Remember that the user confirmed what becomes public by sharing to ``target`` (docs/safety.md, A16)."""
    connection.execute(upsert(public_targets).values(target=target, confirmed=at).on_conflict_do_nothing())


def is_confirmed(connection: Connection, target: str) -> bool:
    """Return whether the user confirmed sharing to ``target``."""
    return connection.execute(select(func.count()).where(public_targets.c.target == target)).scalar_one() > 0


def get_note(connection: Connection, key: str) -> str | None:
    """Return the note of a key, or None."""
    return connection.execute(select(notes.c.value).where(notes.c.key == key)).scalar()


def put_note(connection: Connection, key: str, value: str) -> None:
    """Write the note of a key, in place of the one before."""
    statement = upsert(notes).values(key=key, value=value)
    connection.execute(statement.on_conflict_do_update(index_elements=[notes.c.key], set_={"value": value}))
