"""The jobs of one server: one for an image that is asked for, started, waited for, and ended when the server stops."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

from catalog.delivery import fetch_archive, open_archive, open_store
from catalog.errors import DcatError, EncoderError, LockedError
from catalog.home.home import Home
from catalog.image.encoder import check_encoder
from catalog.image.reader import ArchiveView
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import Cid
from catalog.limits import FEEDER_JOBS
from catalog.operations.gc import collect_garbage
from catalog.progress import Step
from catalog.server.feeding.job import FeederBusyError, Job, Wish
from catalog.server.feeding.pins import pin_fetched, unpin_fetched
from catalog.server.feeding.waiting import WaitingBlocks
from catalog.sources.network import Network

_GOODBYE = 0.5  # seconds in which jobs may end by themselves when the server stops


class _StoppedError(LockedError):
    """The server stops."""

    def __init__(self) -> None:
        super().__init__("not fetched: the server stops")


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
        self._jobs: dict[tuple[Cid, bool], Job] = {}
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
        return self._start(wish, whole=True).wait_for_end(patience, stopped)

    def is_fetching(self, archive_cid: Cid) -> bool:
        """Return whether an image is being fetched."""
        return self._find_running(archive_cid) is not None

    def find_arriving(self, wish: Wish) -> ArchiveView | None:
        """Return the archive of an image that is being fetched, once its metadata is here, if ``wish`` states the same of it."""
        job = self._find_running(wish.image.archive)
        return job.view if job is not None and job.wish.states_the_same(wish) else None

    def waiting(self, archive_cid: Cid, blocks: BlockSource) -> BlockSource:
        """Return a block source that waits for what is still being fetched of an image."""
        job = self._find_running(archive_cid)
        return blocks if job is None else WaitingBlocks(blocks, job)

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
        with self._lock:  # in which threads are started: one that was not cannot be joined
            threads, jobs = list(self._threads), list(self._jobs.values())
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0))
        for job in jobs:
            if not job.has_ended:
                job.end(_StoppedError())

    def _find_running(self, archive_cid: Cid) -> Job | None:
        """Return the job that fetches an image; None where there is none, or it has ended."""
        with self._lock:
            job = self._jobs.get((archive_cid, True))
        return None if job is None or job.has_ended else job

    def _run_for(self, wish: Wish, *, whole: bool) -> ArchiveView | None:
        job = self._start(wish, whole=whole)
        view = job.wait_for_view()
        if view is None and not job.wish.states_the_same(wish):  # what failed was what another release states of the archive
            view = self._start(wish, whole=whole).wait_for_view()
        return view

    def _start(self, wish: Wish, *, whole: bool) -> Job:
        key = wish.image.archive, whole
        with self._lock:
            job = self._jobs.get(key)
            if job is not None and (not job.has_ended or (job.is_remembered() and job.wish.states_the_same(wish))):
                return job
            running = sum(not other.has_ended for other in self._jobs.values() if other.whole == whole)
            if running >= FEEDER_JOBS or self._stopped.is_set():
                raise FeederBusyError
            self._jobs = {other: known for other, known in self._jobs.items() if not known.has_ended or known.is_remembered()}
            job = self._jobs[key] = Job(wish, whole=whole)
            thread = threading.Thread(target=self._run, args=(job,), name="dcat-feed", daemon=True)
            self._threads = [*(other for other in self._threads if other.is_alive()), thread]
            thread.start()
        return job

    def _run(self, job: Job) -> None:
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
            job.end(error)

    def _unpin(self, archive_cid: Cid) -> None:
        job = self._find_running(archive_cid)
        while job is not None and not job.has_ended:
            job.wait_for_progress(job.progressed)
        try:
            with self._open_home() as home:
                unpin_fetched(home, archive_cid)
        except DcatError as error:
            self._log(f"letting go of {archive_cid}", error)

    def _fetch(self, job: Job) -> bool:
        """Do a job; return whether older images were let go of for it."""
        wish = job.wish
        threading.Thread(target=_warm_up, name="dcat-warm-up", daemon=True).start()
        with self._open_home() as home, self._open_network(home) as network, home.lease(f"serve --fetch {wish.label}"):
            store = open_store(home, network, wish.catalogue)
            view = open_archive(wish.image, wish.platform, store)
            job.show(view)
            if not job.whole:
                return False

            def report(_: Step) -> None:
                if self._stopped.is_set():
                    raise _StoppedError
                job.notify()

            delivered = fetch_archive(home, view, store, progress=report, catalogue=wish.catalogue)
            let_go = pin_fetched(home, wish)
        self._listener(wish.image.archive, delivered.size)
        self._log(f"fetched {wish.label}: {delivered.size} bytes for {delivered.need.missing}", None)
        return let_go


def _warm_up() -> None:
    """Do what a delta needs once in a process, while the first answers of a source travel."""
    with suppress(EncoderError):  # it is raised again where the encoder is needed
        check_encoder()
