"""How many requests are in flight, in all and for one client, and how many bytes of bodies wait to become whole."""

from collections.abc import Iterator
from contextlib import contextmanager

from catalog.server.settings import ServerLimits, is_loopback


class BusyError(Exception):
    """There is no free place; trying again in a second may help."""


class Places:
    """The places of one server. Not for several threads: all requests begin and end in one loop."""

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._by_client: dict[str, int] = {}
        self.in_flight = 0
        self.buffered = 0

    @contextmanager
    def take(self, client: str) -> Iterator[None]:
        """Hold one place for a request of ``client``, an address; raise `BusyError` where there is none."""
        mine = self._by_client.get(client, 0)
        if self.in_flight >= self._limits.in_flight or (mine >= self._limits.per_client and not is_loopback(client)):
            raise BusyError
        self.in_flight += 1
        self._by_client[client] = mine + 1
        try:
            yield
        finally:
            self.in_flight -= 1
            if self._by_client[client] == 1:
                del self._by_client[client]
            else:
                self._by_client[client] -= 1

    @contextmanager
    def buffer(self) -> Iterator["Buffer"]:
        """Hold the bytes of one body while it comes in."""
        buffer = Buffer(self)
        try:
            yield buffer
        finally:
            self.buffered -= len(buffer.data)

    def reserve(self, size: int) -> None:
        """Count ``size`` more bytes of bodies that are not whole; raise `BusyError` above the limit."""
        if self.buffered + size > self._limits.buffered_bodies:
            raise BusyError
        self.buffered += size


class Buffer:
    """A body that is coming in."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self.data = bytearray()

    def add(self, piece: bytes) -> None:
        self._places.reserve(len(piece))
        self.data += piece
