"""``dcat key``: show the own catalogue's key, write it to a file, read it from one.

Whoever has the key can sign in its name, so it leaves the home only by these operations, into a file that nobody else can read.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from catalog.errors import RecordError, StorageError
from catalog.home.home import Home
from catalog.ipns.key import decode_key
from catalog.ipns.name import IpnsName
from catalog.own.signing import own_record
from catalog.storage.keyfile import write_key_file

Form = Literal["pem", "protobuf"]


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """The public half of the own key, the path of its file, and the last sequence that it signed."""

    name: IpnsName
    path: Path
    sequence: int | None
    revoked: bool


def show_key(home: Home) -> KeyInfo:
    """Return what may be shown of the own key; raise `CatalogueNotFoundError` where there is none."""
    name = home.read_key().name
    record = own_record(home, name)
    return KeyInfo(name, home.key_path, None if record is None else record.sequence, record is not None and record.revoked)


def export_key(home: Home, form: Form, passphrase: bytes | None) -> bytes:
    """Return the bytes of a key file; with a passphrase, as encrypted PEM."""
    key = home.read_key()
    if form == "protobuf":
        if passphrase is not None:
            raise RecordError("libp2p's form of a key cannot be encrypted", hint="export it as PEM")
        return key.encode()
    return key.format_pem(passphrase)


def write_secret(path: Path, content: bytes) -> None:
    """Write a new file, created with mode 0600; raise `StorageError` where it exists."""
    if path.exists():
        raise StorageError(f"{path} exists already", why="a key is never written over a file")
    write_key_file(path, content)


def import_key(home: Home, content: bytes, passphrase: bytes | None) -> IpnsName:
    """Make a key this home's own; raise `StorageError` where it has another one, `RecordError` for content that is not a key."""
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
