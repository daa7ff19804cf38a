"""An open home: the one place that connects a user's key, index, trust store and blocks.

Each file is opened on first use, so that a command pays only for what it needs. `catalog.home` maps the files.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from catalog.blockstores.embedded import EmbeddedBlockstore
from catalog.blockstores.leasing import Lease, hold_lease
from catalog.errors import CatalogueNotFoundError, RecordError, StorageError
from catalog.home.journal import Journal
from catalog.home.locks import HomeLock, hold_lock
from catalog.home.reserve import keep_reserve
from catalog.model.release import Release, format_time
from catalog.storage.database import Database
from catalog.storage.files import CrashPoint, make_directory, no_crash
from catalog.storage.keyfile import read_key_file, write_key_file

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from catalog.index.history import Change
    from catalog.index.loading import Prepared
    from catalog.index.update import IndexUpdate
    from catalog.ipns.key import IpnsKey

INDEX_FILE = "index.sqlite"
TRUST_FILE = "trust.sqlite"
BLOCKS_FILE = "blocks.sqlite"
ARRIVING_FILE = "arriving.sqlite"
KEY_FILE = "key"


class Home:
    """An open home. Open one with `open_home`; use it as a context manager, or close it."""

    def __init__(self, path: Path, *, now: datetime, read_only: bool, crash_point: CrashPoint) -> None:
        self.path = path
        self.now = now
        self.read_only = read_only
        self.crash_point = crash_point
        self._is_behind = False

    @property
    def time(self) -> str:
        """``now`` in the format of snapshots: the time stamp of all that a command writes."""
        return format_time(self.now)

    @cached_property
    def index(self) -> Database:
        """``index.sqlite``, in step with the trust store; pass it to the functions of `catalog.index`."""
        from catalog.index.schema import SCHEMA

        opened = Database(self.path / INDEX_FILE, SCHEMA, read_only=self.read_only, crash_point=self.crash_point)
        if not self.read_only:
            self._is_behind = not self._journal(opened).finish(required=False)
        return opened

    @cached_property
    def trust(self) -> Database:
        """``trust.sqlite``; pass it to the functions of `catalog.trust`."""
        from catalog.trust.schema import SCHEMA

        return Database(self.path / TRUST_FILE, SCHEMA, read_only=self.read_only, crash_point=self.crash_point)

    @cached_property
    def blocks(self) -> EmbeddedBlockstore:
        """``blocks.sqlite``."""
        return EmbeddedBlockstore(self.path / BLOCKS_FILE, read_only=self.read_only, crash_point=self.crash_point)

    @cached_property
    def arriving(self) -> EmbeddedBlockstore:
        """``arriving.sqlite``: blocks of indexes under way, which are not served."""
        return EmbeddedBlockstore(self.path / ARRIVING_FILE, read_only=self.read_only, crash_point=self.crash_point)

    @property
    def key_path(self) -> Path:
        return self.path / KEY_FILE

    def lease(self, purpose: str) -> AbstractContextManager[Lease]:
        """Keep every block until this ends: for commands that write blocks or rely on some."""
        return hold_lease(self.blocks, purpose, self.now)

    @contextmanager
    def reading(self, purpose: str) -> Iterator[None]:
        """Keep every block until this ends, if that can be written down: for commands that only read.

        On a read-only mount and on a full disk they work without a lease; what a collection deletes meanwhile is then missing.
        """
        with ExitStack() as stack:
            if not self.read_only:
                with suppress(StorageError):
                    stack.enter_context(self.lease(purpose))
            yield

    def lock(self, lock: HomeLock) -> AbstractContextManager[None]:
        """Hold one of the locks of the home (`catalog.home.locks`); raise `LockedError` if it is not released in time."""
        return hold_lock(self.path, lock)

    def own_catalogue(self) -> str | None:
        """Return the IPNS name of the own catalogue; None before the first publish created it."""
        from catalog.trust.ownership import own_catalogue

        if not (self.path / TRUST_FILE).exists():
            return None
        with self.trust.read() as connection:
            return own_catalogue(connection)

    def create_own_catalogue(self) -> tuple[str, bool]:
        """Return the IPNS name of the own catalogue, and whether key and catalogue were created by this call.

        Several processes may call this at once; all get the same name.
        """
        from catalog.index.subscriptions import CatalogueRow, show_catalogue
        from catalog.ipns.key import create_key
        from catalog.trust.ownership import set_own

        known = self.own_catalogue()
        if known is not None:
            self.read_key()
            return known, False
        index, trust = self.index, self.trust
        with self.lock("key"):
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
        """Return the own catalogue's key.

        Raise `CatalogueNotFoundError` if there is none, `StorageError` if others can read it, `RecordError` if it is not a key.
        """
        from catalog.ipns.key import decode_key

        data = read_key_file(self.key_path)
        try:
            return decode_key(data)
        except RecordError as error:
            why = f"{error.message}: {error.why}" if error.why else error.message
            hint = f"move {self.key_path} away, then import the key from its backup"
            raise RecordError(f"the key {self.key_path} cannot be used", why=why, hint=hint) from error

    def put_own(self, releases: Sequence[Release], changes: Sequence["Change"]) -> None:
        """Put releases of the own catalogue into trust store and index, and ``changes`` into the history.

        When this returns, they survive a crash. When it raises, none of them is there, or the next opening of the home puts all of
        them there. Raise `ReleaseConflictError` for other content than was published, `AmbiguousReferenceError` for a name that
        belongs to another catalogue here.
        """
        from catalog.index.update import IndexUpdate
        from catalog.trust.own import note_own_releases

        catalogue = self.own_catalogue()
        if catalogue is None:
            raise CatalogueNotFoundError("this home has no catalogue of its own yet")

        def trust(connection: "Connection") -> None:
            note_own_releases(connection, catalogue, releases, self.time)

        self.commit(IndexUpdate(catalogue, releases=releases, changes=changes), trust)

    def commit(self, update: "IndexUpdate", trust: Callable[["Connection"], None], *, prepared: "Prepared | None" = None) -> None:
        """Change the trust store, then the index; the next opening of the home completes what a crash interrupts in between.

        ``trust`` runs in the trust store's transaction; when it raises, nothing is changed. ``prepared`` are the releases of a
        whole snapshot that the index holds already, not visible yet.
        """
        journal = self._journal(self.index)
        if self._is_behind:  # commits are applied in their order
            journal.finish()
        self._is_behind = not journal.commit(update, trust, prepared)

    def rebuild_index(self) -> Path:
        """Put a damaged index aside, build a new one, and return the path of the old one.

        No other command may be running in the home.
        """
        self.close_file("index")
        path = self.path / INDEX_FILE
        aside = path.with_name(f"{INDEX_FILE}.damaged")
        for ending in ("-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        path.replace(aside)
        self.index  # noqa: B018  # opening it builds a new one
        return aside

    def close_file(self, file: Literal["index", "trust", "blocks", "arriving"]) -> None:
        """Close one file if it is open; the next use opens it again."""
        if file in self.__dict__:
            self.__dict__.pop(file).close()

    def close(self) -> None:
        """Close what was opened."""
        self.close_file("index")
        self.close_file("trust")
        self.close_file("blocks")
        self.close_file("arriving")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _journal(self, index: Database) -> Journal:
        return Journal(self.trust, index, lambda: self.blocks, self.crash_point)


def open_home(
    path: Path, *, now: datetime, create: bool = True, read_only: bool = False, crash_point: CrashPoint = no_crash
) -> Home:
    """Open the home at ``path``; ``now`` is the time of the whole command.

    Without ``create``, raise `CatalogueNotFoundError` if the home does not exist. With ``read_only`` nothing is written, not even
    to complete what a crash interrupted; a directory that cannot be written is always opened read-only. Raise `StorageError`.
    """
    path = path.absolute()
    if not path.is_dir():
        if not create or read_only:
            raise CatalogueNotFoundError(f"there is no home at {path}", why="nothing was published or subscribed to yet")
        try:
            make_directory(path)
            keep_reserve(path)
        except OSError as error:
            raise StorageError(f"the home {path} cannot be created", why=error.strerror or str(error)) from error
    elif not read_only and not os.access(path, os.W_OK):
        read_only = True
    return Home(path, now=now, read_only=read_only, crash_point=crash_point)
