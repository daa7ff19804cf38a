"""Limits on requests in flight, in all and for each client, and on the bytes of request bodies that are not whole."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from catalog.server.settings import ServerLimits, is_loopback

_POLL = 0.05


class BusyError(Exception):
    """There is no free slot; a retry after a second may find one."""


class Slots:
    """The slots of one server. Not thread-safe: all requests begin and end in one event loop."""

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._by_client: dict[str, int] = {}
        self.in_flight = 0
        self.buffered = 0

    @contextmanager
    def take(self, client: str) -> Iterator[None]:
        """Hold a slot for a request of ``client``, an address; raise `BusyError` where none is free."""
        if not self._is_free(client):
            raise BusyError
        self.in_flight += 1
        self._by_client[client] = self._by_client.get(client, 0) + 1
        try:
            yield
        finally:
            self.in_flight -= 1
            if self._by_client[client] == 1:
                del self._by_client[client]
            else:
                self._by_client[client] -= 1

    async def wait(self, client: str, seconds: float, is_gone: Callable[[], bool]) -> None:
        """Wait until a slot is free for ``client``, or for ``seconds``, or until it left."""
        deadline = time.monotonic() + seconds
        while not self._is_free(client) and time.monotonic() < deadline and not is_gone():
            await asyncio.sleep(_POLL)

    def _is_free(self, client: str) -> bool:
        mine = self._by_client.get(client, 0)
        return self.in_flight < self._limits.in_flight and (mine < self._limits.per_client or is_loopback(client))

    @contextmanager
    def buffer(self) -> Iterator["Buffer"]:
        """Hold the bytes of one body while it arrives."""
        buffer = Buffer(self)
        try:
            yield buffer
        finally:
            self.buffered -= len(buffer.data)

    def reserve(self, size: int) -> None:
        """Add ``size`` bytes of a body that is not whole; raise `BusyError` above the limit."""
        if self.buffered + size > self._limits.buffered_bodies:
            raise BusyError
        self.buffered += size


class Buffer:
    """A request body that is arriving."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self.data = bytearray()

    def add(self, piece: bytes) -> None:
        self._slots.reserve(len(piece))
        self.data += piece
