"""Requests that wait for what is being fetched have threads of their own, or they would hold up those for what is held."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from catalog.limits import MAX_FEEDER_WAITERS
from catalog.server.feeding.job import FeederBusyError
from catalog.server.response.streaming import Workers

P = ParamSpec("P")
T = TypeVar("T")
_THREADS = 64


class WaitingThreads:
    """The threads of requests that wait, and how many of these there may be. Its methods run in the event loop's thread."""

    def __init__(self, workers: Workers) -> None:
        self._opening = workers.branch(_THREADS)
        self._reading = workers.branch(_THREADS)
        self._waiting = 0  # for manifests

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``function``, which may wait, in a thread; raise `FeederBusyError` where too many wait."""
        self._check()
        self._waiting += 1
        try:
            return await self._opening.run(function, *args, **kwargs)
        finally:
            self._waiting -= 1

    def readers(self) -> Workers:
        """Return the threads that send what is being fetched; raise `FeederBusyError` where too many wait."""
        self._check()
        return self._reading

    def _check(self) -> None:
        """Raise `FeederBusyError` where so many wait that others would not find a slot."""
        if self._waiting + self._reading.downloads >= MAX_FEEDER_WAITERS:
            raise FeederBusyError
