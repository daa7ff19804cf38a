"""The connections that cost without getting on: who must make room when there are too many of them.

Slow clients are told apart by nothing but how long they have been where they are, so they push each other out, and never those who
send whole requests and read their answers.
"""

from typing import Protocol


class Connection(Protocol):
    """What can be cut off."""

    def cut_off(self) -> None: ...


class Waiting:
    """The connections that have no whole request, those that wait longest first."""

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
    """The connections whose answer lies in memory because it is not read, and how many bytes; the oldest stall first."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._sizes: dict[Connection, int] = {}
        self.bytes = 0

    def add(self, connection: Connection, size: int) -> None:
        """Count a connection that stalls; above the limit, those that stall longest are cut off."""
        self.discard(connection)
        self._sizes[connection] = size
        self.bytes += size
        while self.bytes > self._most_bytes and len(self._sizes) > 1:
            oldest = next(iter(self._sizes))
            self.discard(oldest)
            oldest.cut_off()

    def discard(self, connection: Connection) -> None:
        self.bytes -= self._sizes.pop(connection, 0)
