"""Fetching for clients (``serve --fetch``): releases of followed catalogues that are known and not held.

The first client that asks for an image starts a job in a thread of its own: by delta where an older image is held, from the sources
of the catalogue. Metadata comes first, so the manifest is answered at once; a layer is then read while it arrives, and a client
that reads faster than it comes waits. However many clients ask, there is one job for an image. What came so is pinned as
``fetched``: `gc` keeps it, and the oldest are let go of where all of them take too much. Nothing is fetched that is not the image
of a release in a followed catalogue. An index needs the metadata of all its images: looking at one is a job too, with the same
bounds.

When the server stops, its jobs end with their next block; a thread that a source keeps waiting does not keep the process.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass

from sqlalchemy import Connection

from catalog.delivery import fetch_archive, open_archive, open_store
from catalog.errors import BlockNotFoundError, DcatError, EncoderError, LockedError
from catalog.home.home import Home
from catalog.image.encoder import check_encoder
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
_GOODBYE = 0.5  # seconds in which jobs may end by themselves when the server stops


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


class _StoppedError(LockedError):
    """The server stops."""

    def __init__(self) -> None:
        super().__init__("not fetched: the server stops")


class _Job:
    """What is done for a wish: its image is fetched, or with ``whole`` False only its metadata."""

    def __init__(self, wish: Wish, *, whole: bool) -> None:
        self.wish = wish
        self.whole = whole
        self.view: ArchiveView | None = None
        self.error: Exception | None = None
        self.ended = 0.0
        self.progressed = 0
        self.changed = threading.Condition()

    def notify(self) -> None:
        """Wake those who wait: blocks may have come."""
        with self.changed:
            self.progressed += 1
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
        self._lock = threading.Lock()
        self._jobs: dict[tuple[Cid, bool], _Job] = {}
        self._threads: list[threading.Thread] = []
        self._stopped = threading.Event()
        self._listener: Callable[[Cid, int], None] = lambda _, __: None

    def listen(self, listener: Callable[[Cid, int], None]) -> None:
        """Call ``listener`` with each archive that was fetched, and the bytes that travelled for it."""
        self._listener = listener

    def open(self, wish: Wish) -> ArchiveView | None:
        """Start fetching an image unless that is under way, and return its archive as soon as its metadata is here.

        Return None where it cannot be fetched, also for a while after that failed. Raise `FeederBusyError`.
        """
        return self._run_for(wish, whole=True)

    def look(self, wish: Wish) -> ArchiveView | None:
        """Fetch the metadata of an image, and no more; return and raise as `open` does."""
        return self._run_for(wish, whole=False)

    def bring(self, wish: Wish, patience: float, stopped: Callable[[], bool]) -> bool:
        """Fetch an image, and return whether all of it came.

        Raise `FeederBusyError` after ``patience`` seconds or if ``stopped()``; the fetch goes on then.
        """
        job = self._start(wish, whole=True)
        deadline = time.monotonic() + patience
        with job.changed:
            while not job.ended:
                if stopped() or time.monotonic() >= deadline:
                    raise FeederBusyError
                job.changed.wait(_POLL)
        return job.error is None

    def is_fetching(self, archive_cid: Cid) -> bool:
        """Return whether an image is being fetched."""
        with self._lock:
            job = self._jobs.get((archive_cid, True))
        return job is not None and not job.ended

    def find_arriving(self, wish: Wish) -> ArchiveView | None:
        """Return the archive of an image that is being fetched, once its metadata is here, if ``wish`` states the same of it."""
        with self._lock:
            job = self._jobs.get((wish.image.archive, True))
        return None if job is None or job.ended or not _states_the_same(job.wish, wish) else job.view

    def waiting(self, archive_cid: Cid, blocks: BlockSource) -> BlockSource:
        """Return a block source that waits for what is still being fetched of an image."""
        with self._lock:
            job = self._jobs.get((archive_cid, True))
        return blocks if job is None or job.ended else _WaitingBlocks(blocks, job)

    def let_go(self, archive_cid: Cid) -> None:
        """Unpin an archive that was fetched for clients, and turned out to have a layer that is not what its digest says.

        Return at once: it may still be fetched, and is pinned at the end of that.
        """
        thread = threading.Thread(target=self._unpin, args=(archive_cid,), name="dcat-unpin", daemon=True)
        with self._lock:
            self._threads = [*(other for other in self._threads if other.is_alive()), thread]
        thread.start()

    def close(self) -> None:
        """End all jobs; those that do not end soon are left to their threads, which end with the process."""
        self._stopped.set()
        deadline = time.monotonic() + _GOODBYE
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))
        with self._lock:
            jobs = list(self._jobs.values())
        for job in jobs:
            if not job.ended:
                _end(job, _StoppedError())

    def _run_for(self, wish: Wish, *, whole: bool) -> ArchiveView | None:
        job = self._start(wish, whole=whole)
        view = self._wait(job)
        if view is None and not _states_the_same(job.wish, wish):  # what failed was what another release states of the archive
            view = self._wait(self._start(wish, whole=whole))
        return view

    def _wait(self, job: _Job) -> ArchiveView | None:
        deadline = time.monotonic() + FEEDER_PATIENCE
        with job.changed:
            while job.view is None and not job.ended:
                if not job.changed.wait(deadline - time.monotonic()):
                    raise FeederBusyError
            return None if job.error is not None else job.view

    def _start(self, wish: Wish, *, whole: bool) -> _Job:
        key = wish.image.archive, whole
        with self._lock:
            job = self._jobs.get(key)
            if job is not None and (not job.ended or (_is_remembered(job) and _states_the_same(job.wish, wish))):
                return job
            running = sum(not other.ended for other in self._jobs.values() if other.whole == whole)
            if running >= FEEDER_JOBS or self._stopped.is_set():
                raise FeederBusyError
            self._jobs = {other: known for other, known in self._jobs.items() if not known.ended or _is_remembered(known)}
            job = self._jobs[key] = _Job(wish, whole=whole)
            thread = threading.Thread(target=self._run, args=(job,), name="dcat-feed", daemon=True)
            self._threads = [*(other for other in self._threads if other.is_alive()), thread]
            thread.start()
        return job

    def _run(self, job: _Job) -> None:
        wish = job.wish
        doing = "fetching" if job.whole else "looking at"
        error: Exception | None = None
        try:
            let_go = self._fetch(job)
            if let_go:
                with self._open_home() as home, suppress(LockedError):  # while another command runs, the next time is soon enough
                    collect_garbage(home, delete=True)
        except Exception as raised:
            error = raised
            self._log(f"{doing} {wish.label}", error)
            if not isinstance(error, DcatError):
                raise
        finally:
            _end(job, error)

    def _unpin(self, archive_cid: Cid) -> None:
        with self._lock:
            job = self._jobs.get((archive_cid, True))
        while job is not None and not job.ended:
            with job.changed:
                job.changed.wait(_POLL)
        try:
            with self._open_home() as home, home.trust.write() as connection:
                if any(pin.archive == str(archive_cid) and pin.reason == FETCHED for pin in list_pins(connection)):
                    delete_pin(connection, str(archive_cid))
        except DcatError as error:
            self._log(f"letting go of {archive_cid}", error)

    def _fetch(self, job: _Job) -> bool:
        """Do a job; return whether older images were let go of for it."""
        wish = job.wish
        threading.Thread(target=_warm_up, name="dcat-warm-up", daemon=True).start()
        with self._open_home() as home, self._open_network(home) as network, home.lease(f"serve --fetch {wish.label}"):
            store = open_store(home, network, wish.catalogue)
            view = open_archive(wish.image, wish.platform, store)
            with job.changed:
                job.view = view
                job.changed.notify_all()
            if not job.whole:
                return False

            def report(_: Step) -> None:
                if self._stopped.is_set():
                    raise _StoppedError
                job.notify()

            delivered = fetch_archive(home, view, store, progress=report, catalogue=wish.catalogue)
            let_go = _keep(home, wish)
        self._listener(wish.image.archive, delivered.size)
        self._log(f"fetched {wish.label}: {delivered.size} bytes for {delivered.need.missing}", None)
        return let_go


def _states_the_same(one: Wish, other: Wish) -> bool:
    """Return whether two releases state the same of an archive, and lead to the same sources."""
    first, second = one.image, other.image
    return (one.catalogue, first.config, first.manifest) == (other.catalogue, second.config, second.manifest)


def _is_remembered(job: _Job) -> bool:
    return job.error is not None and time.monotonic() - job.ended < FEEDER_RETRY


def _end(job: _Job, error: Exception | None) -> None:
    with job.changed:
        if not job.ended:
            job.error = error
            job.ended = time.monotonic()
        job.changed.notify_all()


def _warm_up() -> None:
    """Do what a delta needs once in a process, while the first answers of a source travel."""
    with suppress(EncoderError):  # it is raised again where the encoder is needed
        check_encoder()


class _WaitingBlocks:
    """Blocks of a home, of which some are on their way."""

    def __init__(self, blocks: BlockSource, job: _Job) -> None:
        self._blocks = blocks
        self._job = job

    def get(self, cid: Cid) -> bytes:
        job = self._job
        while True:
            ended, progressed = job.ended, job.progressed  # read first: what came before is found then
            try:
                return self._blocks.get(cid)
            except BlockNotFoundError:
                if ended:
                    raise
            with job.changed:
                if job.progressed == progressed and not job.ended:
                    job.changed.wait(_POLL)  # another command may bring the block, too

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        """Yield those that are here, by few queries, then each of the others once it is."""
        absent = dict.fromkeys(cids)
        for block in self._blocks.get_many(list(absent)):
            absent.pop(block.cid, None)
            yield block
        for cid in absent:
            yield Block(cid, self.get(cid))


def _keep(home: Home, wish: Wish) -> bool:
    """Pin what was fetched, and unpin the oldest where all of that takes too much; return whether something was unpinned."""
    pin = Pin(str(wish.image.archive), wish.catalogue, wish.name, wish.version, str(wish.platform), FETCHED, home.time)
    with home.trust.write() as connection:
        put_pin(connection, pin)
        fetched = [entry for entry in list_pins(connection) if entry.reason == FETCHED]
    with home.index.read() as index:
        sizes = {entry.archive: _size_of(index, entry) for entry in fetched}
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


def _size_of(connection: Connection, pin: Pin) -> int:
    """Return the size that the catalogue states from which it was fetched: what others say of it does not count."""
    archive_cid = parse_cid(pin.archive)
    sizes = [
        image.size
        for _, release in find_archive(connection, archive_cid, catalogue=pin.catalogue)
        for image in release.images.values()
        if image.archive == archive_cid
    ]
    return max(sizes, default=0)
