"""Connections that cost memory without progress, and which of them are cut off when there are too many.

The longest wait goes first. So slow clients push each other out, and never a client that sends whole requests and reads answers.
"""

from collections.abc import Callable
from time import monotonic
from typing import NamedTuple, Protocol


class Connection(Protocol):
    """A connection that can be cut off."""

    def cut_off(self) -> None: ...


class Waiting:
    """The connections without a whole request, the longest wait first."""

    def __init__(self) -> None:
        self._connections: dict[Connection, None] = {}

    def add(self, connection: Connection) -> None:
        self._connections[connection] = None

    def discard(self, connection: Connection) -> None:
        self._connections.pop(connection, None)

    def drop_longest(self) -> None:
        if self._connections:
            connection = next(iter(self._connections))
            self.discard(connection)
            connection.cut_off()


class _Stall(NamedTuple):
    since: float
    size: int


class Stalled:
    """The connections whose answer is not read and stays in memory, with its bytes; the oldest stall first.

    A client that reads as fast as its line lets it stalls for moments; one that only keeps its slot stalls for long.
    """

    def __init__(self, most_bytes: int, now: Callable[[], float] = monotonic) -> None:
        self._most_bytes = most_bytes
        self._now = now
        self._stalls: dict[Connection, _Stall] = {}
        self.bytes = 0

    def add(self, connection: Connection, size: int) -> None:
        """Add a connection that stalls; above the limit, the oldest stalls are cut off."""
        self.discard(connection)
        self._stalls[connection] = _Stall(self._now(), size)
        self.bytes += size
        while self.bytes > self._most_bytes and len(self._stalls) > 1:
            self._drop_oldest()

    def discard(self, connection: Connection) -> None:
        stall = self._stalls.pop(connection, None)
        if stall is not None:
            self.bytes -= stall.size

    def make_room(self, seconds: float) -> bool:
        """Cut off the oldest stall if it lasts at least ``seconds``; return whether there was one."""
        oldest = next(iter(self._stalls.values()), None)
        if oldest is None or self._now() - oldest.since < seconds:
            return False
        self._drop_oldest()
        return True

    def _drop_oldest(self) -> None:
        oldest = next(iter(self._stalls))
        self.discard(oldest)
        oldest.cut_off()
