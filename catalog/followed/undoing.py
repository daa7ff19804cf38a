"""Undoing what a suspicious snapshot brought (docs/safety.md, A4): the snapshot of the last accepted record is shown again.

`catalog.home.roots` keeps that snapshot as long as the suspicious one is shown.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from catalog.errors import UnavailableError
from catalog.home.home import Home
from catalog.home.records import local_records
from catalog.index.catalogue import CatalogueRow
from catalog.index.history import Change
from catalog.index.update import IndexUpdate
from catalog.ipns.record import Record
from catalog.model.release import format_time
from catalog.snapshot.reader import open_snapshot
from catalog.trust.comparison import Comparison, compare_contents, note_contents


def show_accepted(
    home: Home, row: CatalogueRow, accepted: Record, trust: Callable[[Connection], None], changes: Sequence[Change] = ()
) -> bool:
    """Show the snapshot of the last accepted record in place of a suspicious one.

    ``trust`` works in the same transaction of the trust store; it must end the suspicious record there. ``row`` is what the index
    shows of the catalogue afterwards, but for the snapshot's root. Return whether the snapshot is here; else the next sync that
    can fetch it shows it.
    """
    comparison = _compare_again(home, accepted)
    local_records(home).put(accepted.name, accepted.encoded)  # the suspicious one is not offered to others any more

    def write(connection: Connection) -> None:
        trust(connection)
        if comparison is not None:
            note_contents(connection, comparison, home.time)

    try:
        row = replace(row, root=str(accepted.snapshot_cid))
        home.commit(IndexUpdate(row.catalogue, row=row, changes=changes, whole=True), write)
    except UnavailableError:
        return False
    return True


def row_as_of(row: CatalogueRow, record: Record) -> CatalogueRow:
    """Return a catalogue's row with sequence and end of life of a record."""
    return replace(row, sequence=record.sequence, expires=format_time(record.expires))


def _compare_again(home: Home, record: Record) -> Comparison | None:
    """Compare an accepted snapshot again, so that conflicts about the refused one are over; None if it is not here."""
    try:
        releases = open_snapshot(record.snapshot_cid, home.blocks).read()
        with home.trust.read() as connection:
            return compare_contents(connection, str(record.name), releases, home.time, whole=True, settled=True)
    except UnavailableError:
        return None
