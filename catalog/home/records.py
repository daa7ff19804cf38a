"""IPNS records that this home keeps: its own and those of the catalogues it follows, one file a name.

They are kept to be offered to others (by a server, a Kubo node, a bundle) and as one more source. Nothing is decided here: `put`
replaces what was there, after its caller has decided. What was ever accepted is recorded in ``trust.sqlite``.

After a crash a file holds the old record or the new one, whole.
"""

from collections.abc import Iterator
from pathlib import Path

from catalog.errors import InvalidIpnsNameError, StorageError
from catalog.home.home import Home
from catalog.ipns.name import IpnsName, parse_ipns_name
from catalog.limits import MAX_RECORD_SIZE
from catalog.storage.files import PRIVATE, CrashPoint, make_directory, no_crash, replace_file

RECORDS_DIRECTORY = "records"
_SUFFIX = ".ipns-record"


class LocalRouting:
    """The records in one directory of the home, which is created for the first one."""

    name = "this home"

    def __init__(self, directory: Path, crash_point: CrashPoint = no_crash) -> None:
        self._directory = directory
        self._crash_point = crash_point

    def get(self, name: IpnsName) -> bytes | None:
        """Return the record that was put last, unvalidated, or None."""
        try:
            with self._path(name).open("rb") as file:
                record = file.read(MAX_RECORD_SIZE + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"the record of {name} cannot be read", why=error.strerror or str(error)) from error
        return record if len(record) <= MAX_RECORD_SIZE else None

    def put(self, name: IpnsName, record: bytes) -> None:
        """Replace the record; when this returns, the new one survives a crash."""
        try:
            make_directory(self._directory)
            with replace_file(self._path(name), mode=PRIVATE, label="records", crash_point=self._crash_point) as file:
                file.write(record)
        except OSError as error:
            raise StorageError(f"the record of {name} cannot be kept", why=error.strerror or str(error)) from error

    def delete(self, name: IpnsName) -> None:
        """Delete the record, if there is one."""
        try:
            self._path(name).unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"the record of {name} cannot be deleted", why=error.strerror or str(error)) from error

    def names(self) -> Iterator[IpnsName]:
        """Yield the names that have a record here, in any order."""
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


def local_records(home: Home) -> LocalRouting:
    """Return the records that the home keeps."""
    return LocalRouting(home.path / RECORDS_DIRECTORY, home.crash_point)
