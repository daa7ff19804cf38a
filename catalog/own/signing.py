"""Signing the own catalogue: one record for each snapshot, each with a sequence above all that are known.

The order makes a crash harmless at any point: the snapshot's blocks are durable before the record exists; the floor and the record
are one transaction of the trust store; the index follows (`Home.commit`), then the file that the record is offered from.
"""

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import Connection

from catalog.errors import RecordError
from catalog.home.home import Home
from catalog.home.records import local_records
from catalog.index.subscriptions import CatalogueRow, get_catalogue
from catalog.index.update import IndexUpdate
from catalog.ipld.cid import Cid
from catalog.ipns.name import IpnsName, parse_ipns_name
from catalog.ipns.record import Record, check_record, create_record
from catalog.ipns.validity import nanoseconds
from catalog.limits import RECORD_LIFETIME, RECORD_RENEW_BELOW
from catalog.model.release import format_time
from catalog.trust.decision import floor_of, next_sequence
from catalog.trust.ownership import list_subscriptions, own_catalogue
from catalog.trust.store import clear_unshared, get_floor, raise_floor


def own_record(home: Home, name: IpnsName) -> Record | None:
    """Return the newest record that this home signed; None before the first one."""
    with home.trust.read() as connection:
        stored = get_floor(connection, str(name))
    return check_record(name, stored.record) if stored is not None and stored.record is not None else None


def needs_renewal(home: Home, record: Record) -> bool:
    """Return whether a record ends so soon that it has to be signed again, even if nothing changed."""
    return not record.revoked and record.expires - home.now < timedelta(seconds=RECORD_RENEW_BELOW)


def sign_snapshot(
    home: Home,
    root: Cid,
    last: Record | None,
    *,
    above: Iterable[int] = (),
    shared_up_to: int = 0,
    published: str | None = None,
) -> Record:
    """Sign ``root`` with a sequence above that of ``last``, this home's newest record, and above all of ``above``.

    The new record becomes the floor, and the index shows it. ``shared_up_to`` is the number of the last noted change that the
    snapshot holds, ``published`` its time (None: that of the snapshot before).
    """
    key = home.read_key()
    sequence = next_sequence(last.sequence if last is not None else 0, above)
    life = home.now + timedelta(seconds=RECORD_LIFETIME)
    record = create_record(key, f"/ipfs/{root}".encode(), sequence=sequence, validity=nanoseconds(life))
    take_own_record(home, record, shared_up_to=shared_up_to, published=published)
    return record


def take_own_record(home: Home, record: Record, *, shared_up_to: int = 0, published: str | None = None) -> None:
    """Make a record of the own name the floor, have the index show it, and keep it to be offered on."""
    catalogue = str(record.name)

    def trust(connection: Connection) -> None:
        raise_floor(connection, catalogue, floor_of(record), record.encoded)
        clear_unshared(connection, shared_up_to)

    with home.index.read() as connection:
        shown = get_catalogue(connection, catalogue)
    row = CatalogueRow(
        catalogue,
        own=True,
        title=shown.title,
        root=shown.root if record.revoked else str(record.snapshot_cid),
        sequence=record.sequence,
        expires=format_time(record.expires),
        checked=home.time,
        published=published or shown.published,
    )
    home.commit(IndexUpdate(catalogue, row=row), trust)
    local_records(home).put(record.name, record.encoded)


def offer_accepted(home: Home) -> None:
    """Replace offered records that are older than the accepted ones: a crash may have left some, whose snapshots are not kept."""
    records = local_records(home)
    with home.trust.read() as connection:
        own = own_catalogue(connection)
        followed = [subscription.catalogue for subscription in list_subscriptions(connection)]
        held = {catalogue: get_floor(connection, catalogue) for catalogue in ([own] if own is not None else []) + followed}
    for catalogue, stored in held.items():
        accepted = None if stored is None else stored.shown_record or stored.record
        if accepted is None:
            continue
        name = parse_ipns_name(catalogue)
        offered = records.get(name)
        if offered != accepted and not _is_newer(name, offered, check_record(name, accepted).sequence):
            records.put(name, accepted)


def _is_newer(name: IpnsName, offered: bytes | None, sequence: int) -> bool:
    try:
        return offered is not None and check_record(name, offered).sequence >= sequence
    except RecordError:
        return False


def own_name(home: Home) -> IpnsName | None:
    """Return the name of the own catalogue; None before the first publish."""
    text = home.own_catalogue()
    return None if text is None else parse_ipns_name(text)
