"""The threads that make pages: few, apart from each other for quick and for slow pages, and none for a client that left."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from starlette.requests import Request

from catalog.limits import MAX_SLOW_PAGES
from catalog.server.guard.guard import ClientGoneError
from catalog.server.response.streaming import Workers

T = TypeVar("T")
_THREADS: Final = 2  # more of them only wait for each other


class PagesBusyError(Exception):
    """Too many pages that take long are being made."""


class PageThreads:
    """The threads of one server's pages. Its methods are called in the event loop."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._quick = workers.open_pool(_THREADS)
        self._slow = workers.open_pool(_THREADS)
        self._slow_ones = 0  # that are made, or wait

    async def run(self, request: Request, make: Callable[[Callable[[], bool]], T], *, is_slow: bool) -> T:
        """Call ``make`` in a thread, with a function that returns whether nobody waits for it any more.

        Raise `PagesBusyError` where too much slow work waits, `ClientGoneError` for a client that left before its turn.
        """
        is_gone: Callable[[], bool] = request.scope["extensions"]["dcat.transport"]["transport"].is_closing

        def make_if_wanted() -> T:
            if is_gone():
                raise ClientGoneError
            return make(lambda: is_gone() or self._workers.closed())

        if is_slow and self._slow_ones >= MAX_SLOW_PAGES:
            raise PagesBusyError
        self._slow_ones += is_slow
        try:
            return await asyncio.get_running_loop().run_in_executor(self._slow if is_slow else self._quick, make_if_wanted)
        finally:
            self._slow_ones -= is_slow
