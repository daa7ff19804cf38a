"""Making deltas for requests: at most one for each core, none that no client waits for, none twice that failed.

All methods run in the event loop's thread; a delta is made in a thread of its own.
"""

import asyncio
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from catalog import limits
from catalog.errors import DeltaError, UnavailableError, VerificationError
from catalog.home.deltas import KeptDelta
from catalog.ipld.cid import Cid
from catalog.limits import MAX_DELTA_JOBS
from catalog.server.counters import Counters
from catalog.server.response.streaming import Workers
from catalog.server.site.site import OfferedDeltas

_POLL = 0.2  # seconds between two looks whether a client left
_MAX_REMEMBERED = 4096

Pair = tuple[Cid, Cid]


class Failure(NamedTuple):
    """A pair whose delta could not be made: until when it is not tried again, and how long that pause was."""

    until: float
    pause: float


class _Job:
    """A delta that is being made. ``waiting`` counts clients that wait, ``promised`` is until when one may come back for it."""

    def __init__(self) -> None:
        self.waiting = 0
        self.promised = 0.0
        self.abandoned = threading.Event()
        self.future: asyncio.Future[KeptDelta]


class DeltaJobs:
    """The deltas that one server makes."""

    def __init__(self, deltas: OfferedDeltas, workers: Workers, counters: Counters) -> None:
        self._deltas = deltas
        self._workers = workers
        self._counters = counters
        self._max_jobs = min(os.cpu_count() or 1, MAX_DELTA_JOBS)
        self._makers = workers.open_pool(self._max_jobs)
        self._jobs: dict[Pair, _Job] = {}
        self._running = 0
        self._failures: OrderedDict[Pair, Failure] = OrderedDict()

    def has_failed(self, pair: Pair) -> bool:
        """Return whether making the pair's delta failed and is not to be tried again yet."""
        failure = self._failures.get(pair)
        return failure is not None and time.monotonic() < failure.until

    def start(self, pair: Pair) -> bool:
        """Start making a pair's delta unless that is under way; return False where too many are."""
        if pair in self._jobs:
            return True
        if self._running >= self._max_jobs:
            return False
        job = _Job()
        job.future = asyncio.get_running_loop().run_in_executor(
            self._makers, self._deltas.make, *pair, lambda: job.abandoned.is_set() or self._workers.closed()
        )
        self._jobs[pair] = job
        self._running += 1
        job.future.add_done_callback(lambda _: self._end(pair, job))
        return True

    def is_crowded(self, pair: Pair) -> bool:
        """Return whether too many wait for a delta that was started; then it is made on for one who is told to come back."""
        job = self._jobs[pair]
        if job.waiting < limits.MAX_DELTA_WAITERS:
            return False
        job.promised = time.monotonic() + limits.DELTA_PROMISE
        return True

    async def wait(self, pair: Pair, is_gone: Callable[[], bool]) -> KeptDelta | None:
        """Wait for a delta that was started; return None where it takes longer than a request should.

        Raise what making it raised, and `ConnectionAbortedError` once ``is_gone()``: the last client that leaves ends the job,
        unless another one was told to come back for it.
        """
        job = self._jobs[pair]
        deadline = time.monotonic() + limits.DELTA_WAIT
        job.waiting += 1
        try:
            while not job.future.done() and (left := deadline - time.monotonic()) > 0:
                await asyncio.wait({job.future}, timeout=min(left, _POLL))
                if is_gone():
                    raise ConnectionAbortedError
            if job.future.done():
                return job.future.result()
            job.promised = time.monotonic() + limits.DELTA_PROMISE
            return None
        finally:
            job.waiting -= 1
            if not job.waiting and time.monotonic() >= job.promised and not job.future.done():
                job.abandoned.set()
                self._jobs.pop(pair, None)

    def _end(self, pair: Pair, job: _Job) -> None:
        self._running -= 1
        if self._jobs.get(pair) is job:
            del self._jobs[pair]
        error = None if job.future.cancelled() else job.future.exception()
        if error is None:
            if not job.future.cancelled():
                self._counters.add("deltas_made_total")
                self._failures.pop(pair, None)
        elif not job.abandoned.is_set() and isinstance(error, UnavailableError | DeltaError | VerificationError):
            self._remember(pair, error)

    def _remember(self, pair: Pair, error: BaseException) -> None:
        """Remember a failure: for good where the two archives are the reason, else for ever longer, since blocks may arrive."""
        before = self._failures.pop(pair, None)
        pause = limits.DELTA_RETRY if before is None else min(before.pause * 4, limits.DELTA_MAX_RETRY)
        is_lasting = isinstance(error, DeltaError)
        self._failures[pair] = Failure(float("inf") if is_lasting else time.monotonic() + pause, pause)
        if len(self._failures) > _MAX_REMEMBERED:
            self._failures.popitem(last=False)
