"""Limits on requests in flight, in all and for each client, and on the bytes of request bodies that are not whole.

Where there is no room, those that are slow make it: the oldest response that its client does not read, the oldest body that its
client does not send. So they push each other out, and never a client that sends whole requests and reads its responses.
"""

import asyncio
import ipaddress
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from catalog.limits import MAX_WAITING_REQUESTS, ROOM_PATIENCE
from catalog.server.settings import ServerLimits, is_loopback

_IPV6_CLIENT = 64  # bits of an address: whoever has one address has the whole network


class BusyError(Exception):
    """There is no free slot; a retry after a second may find one."""


class Slots:
    """The slots of one server. Not thread-safe: all requests begin and end in one event loop.

    ``make_room`` ends a response that its client does not read, and returns whether there was one.
    """

    def __init__(self, limits: ServerLimits, make_room: Callable[[], bool] = lambda: False) -> None:
        self._limits = limits
        self._make_room = make_room
        self._by_client: dict[str, int] = {}
        self._waiting: dict[object, tuple[asyncio.Future[None], str]] = {}  # in the order in which they came
        self._bodies: dict[Buffer, Callable[[], None]] = {}
        self.in_flight = 0
        self.buffered = 0

    @contextmanager
    def take(self, client: str) -> Iterator[None]:
        """Hold a slot for a request of ``client``, an address; raise `BusyError` where none is free."""
        if not self._is_free(client):
            raise BusyError
        key = _key_of(client)
        self.in_flight += 1
        self._by_client[key] = self._by_client.get(key, 0) + 1
        try:
            yield
        finally:
            self.in_flight -= 1
            if self._by_client[key] == 1:
                del self._by_client[key]
            else:
                self._by_client[key] -= 1
            self._wake_next()

    async def wait(self, client: str, seconds: float) -> None:
        """Wait until a slot is free for ``client``, or for ``seconds``; do not wait behind too many others.

        A slot that is made free is waited for in any case.
        """
        if self.in_flight >= self._limits.in_flight and self._make_room():
            seconds = max(seconds, ROOM_PATIENCE)
        deadline = time.monotonic() + seconds
        if self._is_free(client) or len(self._waiting) >= MAX_WAITING_REQUESTS:
            return
        place = object()
        try:
            while not self._is_free(client) and (left := deadline - time.monotonic()) > 0:
                turn = asyncio.get_running_loop().create_future()
                self._waiting[place] = turn, client  # its place stays the same where another request was quicker
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await turn
        finally:
            self._waiting.pop(place, None)

    def pass_on(self) -> None:
        """Let the next request have the slot that a request waited for and does not take."""
        self._wake_next()

    def _wake_next(self) -> None:
        for turn, client in self._waiting.values():
            if not turn.done() and self._is_free(client):
                turn.set_result(None)
                return

    def _is_free(self, client: str) -> bool:
        mine = self._by_client.get(_key_of(client), 0)
        return self.in_flight < self._limits.in_flight and (mine < self._limits.per_client or is_loopback(client))

    @contextmanager
    def buffer(self, cut_off: Callable[[], None]) -> Iterator["Buffer"]:
        """Hold the bytes of one body while it arrives; ``cut_off`` ends its connection."""
        buffer = Buffer(self)
        self._bodies[buffer] = cut_off
        try:
            yield buffer
        finally:
            self._bodies.pop(buffer, None)
            self.buffered -= len(buffer.data)

    def reserve(self, buffer: "Buffer", size: int) -> None:
        """Add ``size`` bytes of a body that is not whole; above the limit, the oldest bodies are cut off, or it is refused.

        Raise `BusyError` where there is nothing left to cut off.
        """
        while self.buffered + size > self._limits.buffered_bodies:
            oldest = next(iter(self._bodies))
            if oldest is buffer:
                raise BusyError
            self._bodies.pop(oldest)()
            self.buffered -= len(oldest.data)
            oldest.data.clear()
        self.buffered += size


class Buffer:
    """A request body that is arriving."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self.data = bytearray()

    def add(self, piece: bytes) -> None:
        self._slots.reserve(self, len(piece))
        self.data += piece


def _key_of(client: str) -> str:
    """Return what counts as one client: an IPv4 address, or the network of an IPv6 address."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv4Address):
        return client
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, _IPV6_CLIENT), strict=False))
