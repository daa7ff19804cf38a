"""Fetching for clients (``serve --fetch``): releases of followed catalogues that are known and not held.

The first client that asks for an image starts a job in a thread of its own: by delta where an older image is held, from the sources
of the catalogue. Metadata comes first, so the manifest is answered at once; a layer is then read while it arrives, and a client
that reads faster than it comes waits. However many clients ask, there is one job for an image. What came so is pinned as
``fetched``: `gc` keeps it, and the oldest are let go of where all of them take too much. Nothing is fetched that is not the image
of a release in a followed catalogue.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass

from sqlalchemy import Connection

from catalog.delivery import fetch_archive, open_archive, open_store
from catalog.errors import BlockNotFoundError, DcatError, LockedError
from catalog.home.home import Home
from catalog.image.reader import ArchiveView
from catalog.index.releases import find_archive
from catalog.ipld.block import Block, BlockSource
from catalog.ipld.cid import Cid, parse_cid
from catalog.limits import FEEDER_JOBS, FEEDER_PATIENCE, FEEDER_RETRY, MAX_FETCHED_SIZE
from catalog.model.platform import Platform
from catalog.model.release import Image
from catalog.operations.gc import collect_garbage
from catalog.progress import Step
from catalog.sources.network import Network
from catalog.trust.store import Pin, delete_pin, list_pins, put_pin

FETCHED = "fetched"
"""The reason of the pins of what clients had fetched."""
_POLL = 0.1


class FeederBusyError(Exception):
    """As many images are being fetched as may be, or this one takes longer than a request waits."""


@dataclass(frozen=True, slots=True)
class Wish:
    """An image of a followed catalogue that a client asks for."""

    catalogue: str
    name: str
    version: str
    platform: Platform
    image: Image

    @property
    def label(self) -> str:
        return f"{self.name}@{self.version} ({self.platform})"


class _Job:
    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.view: ArchiveView | None = None
        self.error: Exception | None = None
        self.ended = 0.0
        self.changed = threading.Condition()

    def notify(self) -> None:
        with self.changed:
            self.changed.notify_all()


class Feeder:
    """The jobs of one server. ``open_home`` and ``open_network`` open a home, and what it may reach, for one job."""

    def __init__(
        self,
        open_home: Callable[[], AbstractContextManager[Home]],
        open_network: Callable[[Home], AbstractContextManager[Network]],
        log: Callable[[str, Exception | None], None],
    ) -> None:
        self._open_home = open_home
        self._open_network = open_network
        self._log = log
        self._pool = ThreadPoolExecutor(FEEDER_JOBS, thread_name_prefix="dcat-feed")
        self._lock = threading.Lock()
        self._jobs: dict[Cid, _Job] = {}

    def open(self, wish: Wish) -> ArchiveView | None:
        """Start fetching an image unless that is under way, and return its archive as soon as its metadata is here.

        Return None where it cannot be fetched, also for a while after that failed. Raise `FeederBusyError`.
        """
        job = self._start(wish)
        deadline = time.monotonic() + FEEDER_PATIENCE
        with job.changed:
            while job.view is None and not job.ended:
                if not job.changed.wait(deadline - time.monotonic()):
                    raise FeederBusyError
            return None if job.error is not None else job.view

    def look(self, wish: Wish) -> ArchiveView | None:
        """Fetch the metadata of an image, and no more; return None where that fails."""
        try:
            with self._open_home() as home, self._open_network(home) as network, home.lease(f"serve --fetch {wish.label}"):
                return open_archive(wish.image, wish.platform, open_store(home, network, wish.catalogue))
        except DcatError as error:
            self._log(f"looking at {wish.label}", error)
            return None

    def waiting(self, archive_cid: Cid, blocks: BlockSource) -> BlockSource:
        """Return a block source that waits for what is still being fetched of an image."""
        with self._lock:
            job = self._jobs.get(archive_cid)
        return blocks if job is None or job.ended else _WaitingBlocks(blocks, job)

    def close(self) -> None:
        """Start no more jobs."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _start(self, wish: Wish) -> _Job:
        key = wish.image.archive
        with self._lock:
            job = self._jobs.get(key)
            if job is not None and (not job.ended or (job.error is not None and time.monotonic() - job.ended < FEEDER_RETRY)):
                return job
            if sum(not other.ended for other in self._jobs.values()) >= FEEDER_JOBS:
                raise FeederBusyError
            self._jobs = {cid: other for cid, other in self._jobs.items() if not other.ended or other.error is not None}
            job = self._jobs[key] = _Job(wish)
        self._pool.submit(self._run, job)
        return job

    def _run(self, job: _Job) -> None:
        wish = job.wish
        try:
            with self._open_home() as home, self._open_network(home) as network, home.lease(f"serve --fetch {wish.label}"):
                store = open_store(home, network, wish.catalogue)
                view = open_archive(wish.image, wish.platform, store)
                with job.changed:
                    job.view = view
                    job.changed.notify_all()

                def report(_: Step) -> None:
                    job.notify()

                delivered = fetch_archive(home, view, store, progress=report, catalogue=wish.catalogue)
                let_go = _keep(home, wish)
            self._log(f"fetched {wish.label}: {delivered.size} bytes for {delivered.need.missing}", None)
            if let_go:
                with self._open_home() as home, suppress(LockedError):  # while another command runs, the next time is soon enough
                    collect_garbage(home, delete=True)
        except Exception as error:
            job.error = error
            self._log(f"fetching {wish.label}", error)
            if not isinstance(error, DcatError):
                raise
        finally:
            with job.changed:
                job.ended = time.monotonic()
                job.changed.notify_all()


class _WaitingBlocks:
    """Blocks of a home, of which some are on their way."""

    def __init__(self, blocks: BlockSource, job: _Job) -> None:
        self._blocks = blocks
        self._job = job

    def get(self, cid: Cid) -> bytes:
        while True:
            ended = self._job.ended  # read first: what came before the end is found then
            try:
                return self._blocks.get(cid)
            except BlockNotFoundError:
                if ended:
                    raise
            with self._job.changed:
                self._job.changed.wait(_POLL)

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        for cid in dict.fromkeys(cids):
            yield Block(cid, self.get(cid))


def _keep(home: Home, wish: Wish) -> bool:
    """Pin what was fetched, and unpin the oldest where all of that takes too much; return whether something was unpinned."""
    pin = Pin(str(wish.image.archive), wish.catalogue, wish.name, wish.version, str(wish.platform), FETCHED, home.time)
    with home.trust.write() as connection:
        put_pin(connection, pin)
        fetched = [entry for entry in list_pins(connection) if entry.reason == FETCHED]
    with home.index.read() as index:
        sizes = {entry.archive: _size_of(index, parse_cid(entry.archive)) for entry in fetched}
    total, old = sum(sizes.values()), []
    for entry in fetched:
        if total > MAX_FETCHED_SIZE and entry.archive != pin.archive:
            total -= sizes[entry.archive]
            old.append(entry.archive)
    if old:
        with home.trust.write() as connection:
            for archive in old:
                delete_pin(connection, archive)
    return bool(old)


def _size_of(connection: Connection, archive_cid: Cid) -> int:
    sizes = [
        image.size
        for _, release in find_archive(connection, archive_cid)
        for image in release.images.values()
        if image.archive == archive_cid
    ]
    return max(sizes, default=0)
