"""Records that this home keeps: its own and those of the catalogues it follows, one file a name.

They are kept to be offered on (a server, a Kubo node, a bundle), and as one more place to ask. Nothing here decides: what is put
replaces what was there, and whoever puts has decided before. What was ever accepted stands in ``trust.sqlite``, not here.

After a crash a file holds the old record or the new one, whole: it is written beside, synced, renamed, and the directory synced.
"""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from catalog.errors import InvalidIpnsNameError, StorageError
from catalog.ipns.name import IpnsName, parse_ipns_name
from catalog.limits import MAX_RECORD_SIZE
from catalog.storage.sqlite import CrashPoint, no_crash, sync_directory

_SUFFIX = ".ipns-record"


class LocalRouting:
    """The records in one directory of the home; it is made when the first one is put."""

    name = "this home"

    def __init__(self, directory: Path, crash_point: CrashPoint = no_crash) -> None:
        self._directory = directory
        self._crash_point = crash_point

    def get(self, name: IpnsName) -> bytes | None:
        """Give the record that was put last, unvalidated, or None."""
        try:
            with self._path(name).open("rb") as file:
                record = file.read(MAX_RECORD_SIZE + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"the record of {name} cannot be read", why=str(error)) from error
        return record if len(record) <= MAX_RECORD_SIZE else None

    def put(self, name: IpnsName, record: bytes) -> None:
        """Keep ``record`` in place of what is there; when this returns it survives a crash."""
        path = self._path(name)
        temporary = path.with_name(f".{secrets.token_hex(8)}.new")
        try:
            self._make_directory()
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(record)
                    file.flush()
                    self._crash_point("records: before fsync")
                    os.fsync(file.fileno())
                self._crash_point("records: before rename")
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            self._crash_point("records: after rename")
            sync_directory(self._directory)
        except OSError as error:
            raise StorageError(f"the record of {name} cannot be kept", why=str(error)) from error

    def delete(self, name: IpnsName) -> None:
        """Forget the record; it is fine if there is none."""
        try:
            self._path(name).unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"the record of {name} cannot be deleted", why=str(error)) from error

    def names(self) -> Iterator[IpnsName]:
        """Give the names whose records are here, in any order."""
        try:
            entries = [path.name for path in self._directory.iterdir()]
        except FileNotFoundError:
            return
        for entry in entries:
            if entry.endswith(_SUFFIX):
                try:
                    yield parse_ipns_name(entry.removesuffix(_SUFFIX))
                except InvalidIpnsNameError:
                    continue

    def _path(self, name: IpnsName) -> Path:
        return self._directory / f"{name}{_SUFFIX}"

    def _make_directory(self) -> None:
        if not self._directory.is_dir():
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_directory(self._directory.parent)
