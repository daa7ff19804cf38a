"""Snapshots that were not taken because they change the contents of too many releases (docs/safety.md, A19).

One is kept for each catalogue, the newest. The floor is not raised to its record: nothing of it is shown until the user accepts it.
"""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from catalog.trust.decision import Floor
from catalog.trust.schema import catalogues, withheld
from catalog.trust.store import catalogue_id

WithheldState = Literal["open", "accepted", "refused"]


@dataclass(frozen=True, slots=True)
class Withheld:
    """A withheld snapshot: sequence and value of its record, when it was first seen, and what the user decided."""

    floor: Floor
    seen: str
    state: WithheldState


def get_withheld(connection: Connection, catalogue: str) -> Withheld | None:
    """Return the withheld snapshot of a catalogue, if there is one."""
    row = connection.execute(select(withheld).join(catalogues).where(catalogues.c.catalogue == catalogue)).first()
    return None if row is None else Withheld(Floor(row.sequence, row.value), row.seen, row.state)


def withhold(connection: Connection, catalogue: str, record: Floor, at: str) -> Withheld:
    """Note a snapshot that is not taken, in place of an earlier one; return it. One that is noted already keeps its state."""
    known = get_withheld(connection, catalogue)
    if known is not None and known.floor == record:
        return known
    values = {"sequence": record.sequence, "value": record.value, "seen": at, "state": "open"}
    statement = upsert(withheld).values(catalogue_id=catalogue_id(connection, catalogue), **values)
    connection.execute(statement.on_conflict_do_update(index_elements=[withheld.c.catalogue_id], set_=values))
    return Withheld(record, at, "open")


def decide_withheld(connection: Connection, catalogue: str, record: Floor, state: Literal["accepted", "refused"]) -> bool:
    """Accept or refuse a withheld snapshot; return whether it still was the withheld one."""
    statement = update(withheld).where(
        withheld.c.catalogue_id == catalogue_id(connection, catalogue),
        withheld.c.sequence == record.sequence,
        withheld.c.value == record.value,
    )
    return connection.execute(statement.values(state=state)).rowcount > 0


def forget_withheld(connection: Connection, catalogue: str) -> None:
    """Delete the note: another snapshot of the catalogue was taken."""
    connection.execute(delete(withheld).where(withheld.c.catalogue_id == catalogue_id(connection, catalogue)))
