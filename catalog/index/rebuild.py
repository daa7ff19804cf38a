"""Rebuilding the index: the trust store lists the catalogues, their snapshots hold the releases."""

from collections.abc import Iterator

from sqlalchemy import Connection, select

from catalog.errors import UnavailableError, VerificationError
from catalog.index.loading import load_catalogue
from catalog.index.releases import put_releases
from catalog.index.schema import catalogues
from catalog.index.subscriptions import CatalogueRow, show_catalogue
from catalog.index.update import snapshot_entries
from catalog.ipld.block import BlockSource
from catalog.ipns.name import parse_ipns_name
from catalog.ipns.record import Record, check_record
from catalog.model.release import format_time
from catalog.snapshot.reader import open_snapshot
from catalog.storage.database import Database
from catalog.trust.conflicts import list_conflicts
from catalog.trust.ownership import list_subscriptions, own_catalogue
from catalog.trust.store import get_floor, list_unshared


def is_lost(index: Database, trust: Database) -> bool:
    """Return whether the index shows no catalogue although the trust store knows some."""
    # In this order: a catalogue that is being created is shown in the index before the trust store knows it.
    with trust.read() as connection:
        if own_catalogue(connection) is None and not list_subscriptions(connection):
            return False
    with index.read() as connection:
        return connection.execute(select(catalogues.c.catalogue).limit(1)).first() is None


def rebuild_index(index: Database, trust: Database, blocks: BlockSource) -> list[str]:
    """Show every catalogue again, with the releases of the snapshots whose blocks are here.

    The history is not rebuilt. Return the IPNS names of catalogues whose snapshot is not here: they are shown without releases
    until the next sync.
    """
    incomplete = []
    with trust.read() as connection:
        known = list(_known(connection))
        unshared = [release for _, release in list_unshared(connection)]
    for row, record in known:
        with trust.read() as connection:
            differing = list_conflicts(connection, state=None, catalogue=row.catalogue)
        if record is not None:
            try:
                snapshot = open_snapshot(record.snapshot_cid, blocks)
                whole = CatalogueRow(
                    row.catalogue,
                    row.own,
                    row.alias,
                    snapshot.catalogue.title,
                    str(snapshot.root),
                    record.sequence,
                    format_time(record.expires),
                    None,
                    snapshot.catalogue.published,
                )
                load_catalogue(index, whole, snapshot_entries(whole, blocks, differing))
            except (UnavailableError, VerificationError):
                record = None
        if record is None:
            incomplete.append(row.catalogue)
            with index.write() as connection:
                show_catalogue(connection, row)
        if row.own and unshared:
            with index.write() as connection:
                put_releases(connection, row.catalogue, unshared)
    return incomplete


def _known(connection: Connection) -> Iterator[tuple[CatalogueRow, Record | None]]:
    own = own_catalogue(connection)
    if own is not None:
        yield CatalogueRow(own, own=True), _newest_record(connection, own)
    for subscription in list_subscriptions(connection):
        yield CatalogueRow(subscription.catalogue, alias=subscription.alias), _newest_record(connection, subscription.catalogue)


def _newest_record(connection: Connection, catalogue: str) -> Record | None:
    held = get_floor(connection, catalogue)
    encoded = None if held is None else held.shown_record or held.record
    if encoded is None:
        return None
    record = check_record(parse_ipns_name(catalogue), encoded)
    return None if record.revoked else record
