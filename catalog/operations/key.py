"""The own catalogue's key: show it, move it to another home, give it up.

Whoever has the key can sign in its name, so it leaves the home only by these acts, into a file that nobody else can read. A key
that was lost or stolen is given up by a record that was made beforehand and kept elsewhere: the last that the key can ever sign.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from catalog.errors import CatalogueNotFoundError, DcatError, RecordError, StorageError, UnavailableError
from catalog.home.home import Home
from catalog.home.records import local_records
from catalog.ipns.key import decode_key
from catalog.ipns.name import IpnsName
from catalog.ipns.record import Record, check_record, create_record
from catalog.ipns.validity import nanoseconds
from catalog.limits import MAX_RECORD_SIZE, MAX_SEQUENCE
from catalog.own.signing import own_name, own_record, take_own_record
from catalog.sources.kubo import KuboRouting
from catalog.sources.network import Network
from catalog.storage.keyfile import write_key_file

Form = Literal["pem", "protobuf"]
_FAR_FUTURE = 200  # years: a revocation must not expire before anybody who follows the name


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """The own key as it may be shown: its public half in every text form, where its file is, what it signed last."""

    name: IpnsName
    path: Path
    sequence: int | None
    revoked: bool


@dataclass(frozen=True, slots=True)
class Revoked:
    """A revocation that was published: where it was put beyond this home, and where it could not be."""

    record: Record
    targets: tuple[str, ...]
    failures: tuple[str, ...]


def show_key(home: Home) -> KeyInfo:
    """Describe the own key; raise `CatalogueNotFoundError` where there is none."""
    name = home.read_key().name
    record = own_record(home, name)
    return KeyInfo(name, home.key_path, None if record is None else record.sequence, record is not None and record.revoked)


def export_key(home: Home, form: Form, passphrase: bytes | None) -> bytes:
    """Give the key's file bytes; with a passphrase, as encrypted PEM."""
    key = home.read_key()
    if form == "protobuf":
        if passphrase is not None:
            raise RecordError("libp2p's form of a key cannot be encrypted", hint="export it as PEM")
        return key.encode()
    return key.format_pem(passphrase)


def write_secret(path: Path, content: bytes) -> None:
    """Write a new file that nobody else can read, at no instant; raise `StorageError` where it exists."""
    if path.exists():
        raise StorageError(f"{path} exists already", why="a key is never written over a file")
    write_key_file(path, content)


def import_key(home: Home, content: bytes, passphrase: bytes | None) -> IpnsName:
    """Make a key this home's own; raise `StorageError` where it has another one already, `RecordError` for what is no key."""
    key = decode_key(content, passphrase)
    known = str(home.read_key().name) if home.key_path.exists() else home.own_catalogue()
    if known not in (None, str(key.name)):
        raise StorageError(
            f"this home's catalogue is {known}", why="a home has one, and this is another's key", hint="import it into a new home"
        )
    if not home.key_path.exists():
        write_key_file(home.key_path, key.encode(), home.crash_point)
    home.create_own_catalogue()
    return key.name


def create_revocation(home: Home, successor: IpnsName | None) -> Record:
    """Sign the record that gives the key up, to be kept where the key is not; nothing changes until it is published."""
    key = home.read_key()
    record = own_record(home, key.name)
    if record is None:
        raise CatalogueNotFoundError("nothing was signed with this key yet", why="the revocation names the last snapshot")
    if successor is not None and (successor == key.name or not successor.has_key):
        raise RecordError(f"{successor} cannot be the successor", why="it is another catalogue, of an Ed25519 key")
    return create_record(key, record.value, sequence=MAX_SEQUENCE, validity=_far(home.now), successor=successor)


def read_revocation(name: IpnsName, content: bytes) -> Record:
    """Read a revocation of ``name``; raise `RecordError` where it is none."""
    if len(content) > MAX_RECORD_SIZE:
        raise RecordError("not a revocation", why="a record has at most 10 KiB")
    record = check_record(name, content)
    if not record.revoked:
        raise RecordError("not a revocation", why=f"it is a record of sequence {record.sequence}")
    return record


def revoke(home: Home, network: Network, name: IpnsName, content: bytes) -> Revoked:
    """Publish a revocation, with or without the key: everybody who follows the name takes nothing new after it.

    ``name`` is the own catalogue's, or that of a key that was lost. Raises `RecordError` where ``content`` does not revoke it.
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
