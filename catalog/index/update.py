"""A change of the index that follows a commit of the trust store, in a form that survives a crash between the two.

The trust store notes the update in its own transaction (`catalog.trust.store.add_unfinished`); the index applies it in one
transaction and once: by the command that made it, or by another one that opens the home.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection

from catalog.errors import UnavailableError
from catalog.index.history import Change, add_changes
from catalog.index.loading import Prepared, load_catalogue, show_prepared
from catalog.index.releases import put_releases, remove_releases
from catalog.index.subscriptions import CatalogueRow, show_catalogue
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import parse_cid
from catalog.model.release import Release
from catalog.snapshot.line import decode_line, encode_line
from catalog.snapshot.reader import open_snapshot
from catalog.storage.database import Database
from catalog.trust.conflicts import Conflict, keep_contents

_TAKEN_KEPT = 1000


@dataclass(frozen=True, slots=True)
class IndexUpdate:
    """A change of the index for one catalogue.

    ``row`` is what is shown of the catalogue itself (None: unchanged). ``releases`` are put, those of ``gone`` (name, version)
    deleted, ``changes`` added to the history. With ``whole`` the releases are those of the snapshot ``row.root`` instead, all of
    whose blocks are here.
    """

    catalogue: str
    row: CatalogueRow | None = None
    releases: Sequence[Release] = ()
    gone: Sequence[tuple[str, str]] = ()
    changes: Sequence[Change] = ()
    whole: bool = False


def encode_update(update: IndexUpdate) -> dict[str, Any]:
    """Return an update as JSON values."""
    return {
        "row": None if update.row is None else asdict(update.row),
        "releases": [encode_line(release).decode() for release in update.releases],
        "gone": [list(key) for key in update.gone],
        "changes": [asdict(change) | {"detail": dict(change.detail)} for change in update.changes],
        "whole": update.whole,
    }


def decode_update(catalogue: str, fields: Mapping[str, Any]) -> IndexUpdate:
    """Return the update that `encode_update` encoded."""
    return IndexUpdate(
        catalogue,
        None if fields["row"] is None else CatalogueRow(**fields["row"]),
        [decode_line(line.encode().rstrip(b"\n")) for line in fields["releases"]],
        [(name, version) for name, version in fields["gone"]],
        [Change(**change) for change in fields["changes"]],
        fields["whole"],
    )


def take_update(
    index: Database,
    unfinished_id: int,
    update: IndexUpdate,
    blocks: BlockSource,
    differing: Sequence[Conflict] = (),
    prepared: Prepared | None = None,
) -> None:
    """Apply an update to the index, unless that was done already.

    ``differing`` are the conflicts of the catalogue, whose old contents a whole snapshot keeps; ``prepared`` are its releases
    where they are in the index already. Raise `UnavailableError` where blocks of a whole snapshot are not here; the update can be
    applied later.
    """
    if update.whole and update.row is not None and prepared is None and not _is_taken(index, unfinished_id):
        load_catalogue(index, update.row, snapshot_entries(update.row, blocks, differing))
    with index.write() as connection:
        if _take(connection, unfinished_id):
            apply_update(connection, update, prepared)


def apply_update(connection: Connection, update: IndexUpdate, prepared: Prepared | None = None) -> None:
    """Write an update in a transaction of the index; the releases of a whole snapshot must be in ``prepared``, or loaded before."""
    if update.row is not None:
        show_catalogue(connection, update.row)
        if prepared is not None:
            show_prepared(connection, update.row, prepared)
    if update.releases:
        put_releases(connection, update.catalogue, update.releases)
    if update.gone:
        remove_releases(connection, update.catalogue, update.gone)
    add_changes(connection, update.changes)


def snapshot_entries(row: CatalogueRow, blocks: BlockSource, differing: Sequence[Conflict]) -> Iterator[tuple[Release, bytes]]:
    """Yield the releases of the snapshot ``row.root`` with their lines, those in conflict as they were."""
    if row.root is None:
        raise UnavailableError(f"the snapshot of {row.label} is not known")
    disputed = {(conflict.name, conflict.version) for conflict in differing}
    for release, line in open_snapshot(parse_cid(row.root), blocks).read_lines():
        if (release.name, release.version) in disputed:
            kept = keep_contents(release, differing)
            yield kept, encode_line(kept)[:-1]
        else:
            yield release, line


def _is_taken(index: Database, unfinished_id: int) -> bool:
    with index.read() as connection:
        return connection.exec_driver_sql("SELECT 1 FROM taken WHERE unfinished_id = ?", (unfinished_id,)).first() is not None


def _take(connection: Connection, unfinished_id: int) -> bool:
    # Opening a home applies every pending update, so old numbers cannot come again.
    connection.exec_driver_sql("DELETE FROM taken WHERE unfinished_id < ?", (unfinished_id - _TAKEN_KEPT,))
    return connection.exec_driver_sql("INSERT OR IGNORE INTO taken VALUES (?)", (unfinished_id,)).rowcount > 0
