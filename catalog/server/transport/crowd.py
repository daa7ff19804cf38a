"""Connections that cost memory without progress, and which of them are cut off when there are too many.

The longest wait goes first. So slow clients push each other out, and never a client that sends whole requests and reads answers.
"""

from typing import Protocol


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


class Stalled:
    """The connections whose answer is not read and stays in memory, with its bytes; the oldest stall first."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._sizes: dict[Connection, int] = {}
        self.bytes = 0

    def add(self, connection: Connection, size: int) -> None:
        """Add a connection that stalls; above the limit, the oldest stalls are cut off."""
        self.discard(connection)
        self._sizes[connection] = size
        self.bytes += size
        while self.bytes > self._most_bytes and len(self._sizes) > 1:
            oldest = next(iter(self._sizes))
            self.discard(oldest)
            oldest.cut_off()

    def discard(self, connection: Connection) -> None:
        self.bytes -= self._sizes.pop(connection, 0)
