"""``dcat key revocation`` and ``dcat key revoke``: give the own catalogue up, for a key that was lost or stolen.

A revocation is a record that was signed beforehand and is kept apart from the key: the last record that the key can ever sign.
"""

from dataclasses import dataclass
from datetime import datetime

from catalog.errors import CatalogueNotFoundError, DcatError, RecordError, UnavailableError
from catalog.home.home import Home
from catalog.home.records import local_records
from catalog.ipns.name import IpnsName
from catalog.ipns.record import Record, check_record, create_record
from catalog.ipns.validity import nanoseconds
from catalog.limits import MAX_RECORD_SIZE, MAX_SEQUENCE
from catalog.own.signing import own_name, own_record, take_own_record
from catalog.sources.kubo import KuboRouting
from catalog.sources.network import Network

_FAR_FUTURE = 200  # years: a revocation must not expire before anybody who follows the name


@dataclass(frozen=True, slots=True)
class Revoked:
    """A revocation that was published: where it was put beyond this home, and where that failed."""

    record: Record
    targets: tuple[str, ...]
    failures: tuple[str, ...]


def create_revocation(home: Home, successor: IpnsName | None) -> Record:
    """Sign the record that gives the key up, to be kept apart from the key; nothing changes until it is published."""
    key = home.read_key()
    record = own_record(home, key.name)
    if record is None:
        raise CatalogueNotFoundError("nothing was signed with this key yet", why="the revocation names the last snapshot")
    if successor is not None and (successor == key.name or not successor.has_key):
        raise RecordError(f"{successor} cannot be the successor", why="it is another catalogue, of an Ed25519 key")
    return create_record(key, record.value, sequence=MAX_SEQUENCE, validity=_far(home.now), successor=successor)


def read_revocation(name: IpnsName, content: bytes) -> Record:
    """Read a revocation of ``name``; raise `RecordError` for anything else."""
    if len(content) > MAX_RECORD_SIZE:
        raise RecordError("not a revocation", why="a record has at most 10 KiB")
    record = check_record(name, content)
    if not record.revoked:
        raise RecordError("not a revocation", why=f"it is a record of sequence {record.sequence}")
    return record


def revoke(home: Home, network: Network, name: IpnsName, content: bytes) -> Revoked:
    """Publish a revocation, with or without the key: subscribers of the name accept nothing after it.

    ``name`` is the own catalogue's, or that of a key that was lost. Raise `RecordError` where ``content`` does not revoke it.
    """
    record = read_revocation(name, content)
    if own_name(home) == name:
        take_own_record(home, record)
    else:
        local_records(home).put(name, record.encoded)
    targets: list[str] = []
    failures: list[str] = []
    if network.kubo is not None:
        try:
            KuboRouting(network.kubo).put(name, record.encoded)
            targets.append("kubo")
        except DcatError as error:
            failures.append(f"kubo: {error.message}")
    for routing in network.routings:
        if routing.name in ("kubo", *targets):
            continue
        try:
            routing.put(name, record.encoded)
            targets.append(routing.name)
        except UnavailableError as error:
            failures.append(f"{routing.name}: {error.message}")
    return Revoked(record, tuple(targets), tuple(failures))


def _far(now: datetime) -> int:
    return nanoseconds(now.replace(year=now.year + _FAR_FUTURE, day=min(now.day, 28)))
