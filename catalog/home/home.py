"""The opened home: the one place that wires a user's key, index, trust store and blocks together.

::

    <home>/                 0700
        key                 the own catalogue's private key (libp2p's protobuf), 0600 from its first instant
        index.sqlite        what is known of releases; can be made again from snapshots
        trust.sqlite        what was seen, decided and promised; nothing deletes it
        blocks.sqlite       blocks, and the leases of running commands

Each file is opened when it is first asked for, so that a command pays only for what it uses. Two files cannot be committed at once:
the trust store is committed first, with a note of what the index must take over, then the index, then the note is cleared. Opening
the index finishes what a crash left between.
"""

import importlib
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from catalog.blockstores.embedded import EmbeddedBlockstore
from catalog.blockstores.leasing import Lease, hold_lease
from catalog.errors import CatalogueNotFoundError, StorageError, UnavailableError, VerificationError
from catalog.limits import SHARE_LOCK_TIMEOUT
from catalog.model.release import Release, format_time
from catalog.storage.database import Database
from catalog.storage.keyfile import read_key_file, write_key_file
from catalog.storage.sqlite import CrashPoint, locked, no_crash, sync_directory

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from catalog.index.history import Change
    from catalog.index.loading import Prepared
    from catalog.index.update import IndexUpdate
    from catalog.ipns.key import IpnsKey

INDEX_FILE = "index.sqlite"
TRUST_FILE = "trust.sqlite"
BLOCKS_FILE = "blocks.sqlite"
KEY_FILE = "key"


class Home:
    """A home that is open. Use it as a context manager, or close it. Make one with `open_home`."""

    def __init__(self, path: Path, *, now: datetime, read_only: bool, crash_point: CrashPoint) -> None:
        self.path = path
        self.now = now
        self.read_only = read_only
        self.crash_point = crash_point

    @property
    def time(self) -> str:
        """``now`` as text of snapshots: the one moment that all writes of a command bear."""
        return format_time(self.now)

    @cached_property
    def index(self) -> Database:
        """``index.sqlite``, in step with the trust store: for the functions of `catalog.index`."""
        from catalog.index.schema import SCHEMA

        opened = Database(self.path / INDEX_FILE, SCHEMA, read_only=self.read_only, crash_point=self.crash_point)
        if not self.read_only:
            self._finish(opened)
        return opened

    @cached_property
    def trust(self) -> Database:
        """``trust.sqlite``: for the functions of `catalog.trust`."""
        from catalog.trust.schema import SCHEMA

        return Database(self.path / TRUST_FILE, SCHEMA, read_only=self.read_only, crash_point=self.crash_point)

    @cached_property
    def blocks(self) -> EmbeddedBlockstore:
        """``blocks.sqlite``."""
        return EmbeddedBlockstore(self.path / BLOCKS_FILE, read_only=self.read_only, crash_point=self.crash_point)

    def prepare(self) -> None:
        """Import what index and trust store need, in a thread: a tenth of a second, for a caller that waits for others."""
        threading.Thread(target=importlib.import_module, args=("catalog.trust.store",), daemon=True).start()

    @property
    def key_path(self) -> Path:
        return self.path / KEY_FILE

    def lease(self, purpose: str) -> AbstractContextManager[Lease]:
        """Keep every block while this lasts: for commands that write blocks or count on some."""
        return hold_lease(self.blocks, purpose, self.now)

    def editing(self) -> AbstractContextManager[None]:
        """Be the only one to change the own catalogue: for commands that read a release, change it and `put_own` it."""
        return locked(self.path / "own.lock", SHARE_LOCK_TIMEOUT)

    def own_catalogue(self) -> str | None:
        """Give the IPNS name of the own catalogue; None before the first publish made it."""
        from catalog.trust.ownership import own_catalogue

        if not (self.path / TRUST_FILE).exists():
            return None
        with self.trust.read() as connection:
            return own_catalogue(connection)

    def create_own_catalogue(self) -> tuple[str, bool]:
        """Give the IPNS name of the own catalogue, making key and catalogue where there are none; tell whether they are new.

        Several processes may do this at once: they all get the same one.
        """
        from catalog.index.subscriptions import CatalogueRow, show_catalogue
        from catalog.ipns.key import create_key
        from catalog.trust.ownership import set_own

        known = self.own_catalogue()
        if known is not None:
            self.read_key()
            return known, False
        index, trust = self.index, self.trust
        with locked(self.path / "key.lock"):
            known = self.own_catalogue()
            if known is not None:
                return known, False
            if not self.key_path.exists():
                write_key_file(self.key_path, create_key().encode(), self.crash_point)
            name = str(self.read_key().name)
            with index.write() as connection:
                show_catalogue(connection, CatalogueRow(name, own=True))
            with trust.write() as connection:
                set_own(connection, name)
        return name, True

    def read_key(self) -> "IpnsKey":
        """Give the own catalogue's key.

        Raises `CatalogueNotFoundError` where there is none, `StorageError` where others could read it, `RecordError` for no key.
        """
        from catalog.ipns.key import decode_key

        return decode_key(read_key_file(self.key_path))

    def put_own(self, releases: Sequence[Release], changes: Sequence["Change"]) -> None:
        """Put releases of the own catalogue into trust store and index, with what the history says of it.

        When this returns they survive anything; when it raises, none of them is there, or the next opening puts them there. Raises
        `ReleaseConflictError` for other content than was published, `AmbiguousReferenceError` for a name that is another's here.
        """
        from catalog.index.update import IndexUpdate
        from catalog.trust.contents import check_own_content
        from catalog.trust.ownership import check_own_name, claim_names
        from catalog.trust.store import note_unshared

        catalogue = self.own_catalogue()
        if catalogue is None:
            raise CatalogueNotFoundError("this home has no catalogue of its own yet")
        names = sorted({release.name for release in releases})

        def check_and_claim(connection: "Connection") -> None:
            for name in names:
                check_own_name(connection, name)
            for release in releases:
                check_own_content(connection, catalogue, release, self.time)
            claim_names(connection, catalogue, names)
            note_unshared(connection, releases)

        self.commit(IndexUpdate(catalogue, releases=releases, changes=changes), check_and_claim)

    def commit(self, update: "IndexUpdate", trust: Callable[["Connection"], None], *, prepared: "Prepared | None" = None) -> None:
        """Change the trust store, then the index, so that what a crash leaves between is finished when the home is opened again.

        ``trust`` works in the trust store's transaction; when it raises, nothing is changed. ``prepared`` are the releases of a
        whole snapshot where the index has them already, unseen.
        """
        from catalog.index.update import encode_update
        from catalog.trust.store import add_unfinished

        self.index  # noqa: B018  # what an earlier crash left is finished first
        with self.trust.write() as connection:
            trust(connection)
            number = add_unfinished(connection, update.catalogue, encode_update(update))
        self.crash_point("home: between trust and index")
        self._take(self.index, number, update, prepared)

    def rebuild_index(self) -> Path:
        """Put the index aside, where it is damaged, and make it again; give where the old one is.

        No other command may be running in the home.
        """
        if "index" in self.__dict__:
            self.__dict__.pop("index").close()
        path = self.path / INDEX_FILE
        aside = path.with_name(f"{INDEX_FILE}.damaged")
        for ending in ("-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        path.replace(aside)
        self.index  # noqa: B018  # opening it makes it again
        return aside

    def close(self) -> None:
        """Close what was opened."""
        for part in ("index", "trust", "blocks"):
            if part in self.__dict__:
                self.__dict__.pop(part).close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _finish(self, index: Database) -> None:
        """Have the index take over what commits of the trust store still owe it."""
        from catalog.index.rebuild import is_lost, rebuild_index
        from catalog.index.update import decode_update
        from catalog.trust.store import list_unfinished

        if is_lost(index, self.trust):
            rebuild_index(index, self.trust, self.blocks)
        with self.trust.read() as connection:
            owed = list_unfinished(connection)
        for note in owed:
            try:
                self._take(index, note.unfinished_id, decode_update(note.catalogue, note.update))
            except (UnavailableError, VerificationError):
                continue  # a snapshot whose blocks are gone or rotten; the next sync brings them

    def _take(self, index: Database, number: int, update: "IndexUpdate", prepared: "Prepared | None" = None) -> None:
        from catalog.index.update import take_update
        from catalog.trust.contents import list_conflicts
        from catalog.trust.store import clear_unfinished

        differing = []
        if update.whole and prepared is None:
            with self.trust.read() as connection:
                conflicts = list_conflicts(connection, state=None, catalogue=update.catalogue)
            differing = [conflict for conflict in conflicts if conflict.state != "accepted"]
        take_update(index, number, update, self.blocks, differing, prepared)
        with self.trust.write() as connection:
            clear_unfinished(connection, number)


def open_home(
    path: Path, *, now: datetime, create: bool = True, read_only: bool = False, crash_point: CrashPoint = no_crash
) -> Home:
    """Open the home at ``path``; ``now`` is the one moment of the whole command.

    Without ``create``, a home that does not exist raises `CatalogueNotFoundError`. ``read_only`` writes nothing, not even to finish
    what a crash left; a directory that cannot be written is opened so by itself. Raises `StorageError`.
    """
    path = path.absolute()
    if not path.is_dir():
        if not create or read_only:
            raise CatalogueNotFoundError(f"there is no home at {path}", why="nothing was published or subscribed to yet")
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_directory(path.parent)
        except OSError as error:
            raise StorageError(f"the home {path} cannot be made", why=error.strerror or str(error)) from error
    elif not read_only and not os.access(path, os.W_OK):
        read_only = True
    return Home(path, now=now, read_only=read_only, crash_point=crash_point)
