"""Bodies of responses that leave from the thread that read them, by the socket itself.

Through the event loop every chunk would cost two changes of threads, a copy to join its pieces and up to two more in the loop's
buffer: a third of the processor time of a download. Here the reading thread writes the pieces as they are, until the socket takes
no more; only then the loop waits for it. The socket is a duplicate, so that nothing is written to another connection that got the
number of this one after it was closed.
"""

import asyncio
import select
import socket
from collections import deque
from collections.abc import Sequence
from threading import Lock
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from catalog.server.transport.crowd import Connection, Stalled

_MAX_BUFFERS = 512  # in one call; Linux takes 1024
_SMALL = 2048  # pieces of fewer bytes are cheaper to join than to send one by one


class Flow(Protocol):
    """Whether the transport holds bytes that were not sent."""

    async def drain(self) -> None: ...


class SocketBody:
    """The body of one response whose head was sent.

    `write` and `flush` are called in one thread at a time, all else in the event loop's.
    """

    def __init__(
        self,
        connection: Connection,
        transport: Any,
        cycle: RequestResponseCycle,
        flow: Flow,
        stalled: Stalled,
        idle_timeout: float,
        length: int | None,
    ) -> None:
        self._connection = connection
        self._transport = transport
        self._cycle = cycle
        self._flow = flow
        self._stalled = stalled
        self._idle_timeout = idle_timeout
        self._length = length
        self._left: deque[memoryview] = deque()
        self._lock = Lock()  # while the socket is used: closing it must wait
        self._socket: socket.socket | None = None
        self._room = select.poll()
        self._waiter: asyncio.Future[None] | None = None
        self.sent = 0

    async def open(self) -> None:
        """Wait until the head is on its way; raise `ConnectionError` where the client left."""
        if self._transport.get_write_buffer_size():
            self._transport.set_write_buffer_limits(0)
            await self._flow.drain()
            if not self._transport.is_closing():
                self._transport.set_write_buffer_limits()
        if self._transport.is_closing():
            raise ConnectionResetError
        self._socket = self._transport.get_extra_info("socket").dup()
        self._socket.setblocking(False)
        self._room.register(self._socket, select.POLLOUT)

    def write(self, pieces: Sequence[bytes]) -> None:
        """Take the next pieces of the body, to be sent by `flush`."""
        size = sum(map(len, pieces))
        self.sent += size
        if self._length is not None and self.sent > self._length:
            raise RuntimeError("the body is longer than its Content-Length")
        if size < len(pieces) * _SMALL:
            pieces = [b"".join(pieces)]
        views = [memoryview(piece) for piece in pieces]
        if self._cycle.chunked_encoding:
            self._left.append(memoryview(b"%x\r\n" % size))
            self._left.extend(views)
            self._left.append(memoryview(b"\r\n"))
        else:
            self._left.extend(views)

    def flush(self) -> bool:
        """Send what was taken, and return whether all of it is sent: else the socket takes no more for now.

        Raise `ConnectionError` where the client left or the body was closed.
        """
        left = self._left
        while left:
            with self._lock:
                if self._socket is None or self._transport.is_closing():
                    raise ConnectionResetError
                try:
                    count = self._socket.sendmsg([left[place] for place in range(min(len(left), _MAX_BUFFERS))])
                except (BlockingIOError, InterruptedError):
                    return False
            while left and count >= len(left[0]):
                count -= len(left.popleft())
            if count:
                left[0] = left[0][count:]
        return True

    def takes_more(self) -> bool:
        """Return whether the socket has room for some of the next pieces, or the connection is gone."""
        with self._lock:
            return self._socket is None or bool(self._room.poll(0))

    async def wait(self) -> None:
        """Return once the socket takes more, or the connection is gone; cut off a client that takes nothing for too long."""
        loop = asyncio.get_running_loop()
        if self._socket is None or self._transport.is_closing():
            return
        number = self._socket.fileno()
        self._waiter = loop.create_future()
        loop.add_writer(number, self.wake)
        self._stalled.add(self._connection, sum(map(len, self._left)))
        try:
            await asyncio.wait_for(self._waiter, self._idle_timeout)
        except TimeoutError:
            self._connection.cut_off()
        finally:
            self._waiter = None
            loop.remove_writer(number)
            self._stalled.discard(self._connection)

    def wake(self) -> None:
        """End `wait`."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def finish(self) -> None:
        """Note in the response how much of its Content-Length is left: none, or it is an error that ends the connection."""
        if self._length is not None:
            self._cycle.expected_content_length = self._length - self.sent

    def close(self) -> None:
        """Let go of the socket."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None
        self._left.clear()
