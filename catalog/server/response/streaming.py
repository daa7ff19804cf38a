"""Bodies that are read while they are sent: in worker threads, by chunks, in bounded memory.

Reading a blockstore blocks, so it never happens in the event loop's thread. The thread that read a chunk also writes it to the
socket (`catalog.server.transport.body`) and goes on with the next, for `STREAM_TURN_SIZE` bytes or `STREAM_CHUNK_TIME`: then it
shows that a client left or that the server stops, and other responses get their turn. A chunk has at least `STREAM_CHUNK_SIZE`
bytes, or what could be read in `STREAM_CHUNK_TIME`; the next one is read only once it is sent. A body that cannot be completed
ends without its final chunk, after everything that could be read.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import Enum, auto
from time import monotonic
from typing import Any, ParamSpec, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from catalog.limits import STREAM_CHUNK_SIZE, STREAM_CHUNK_TIME, STREAM_TURN_SIZE
from catalog.server.guard.guard import ClientGoneError
from catalog.server.heap import trim_heap
from catalog.server.transport.body import SocketBody

P = ParamSpec("P")
T = TypeVar("T")
_THREADS = 4
_CROWD = 16  # downloads; blocks of so many streams leave free memory between them
_TRIM_PERIOD = 0.25  # seconds; each time takes 0.6 ms of a processor


class Workers:
    """The threads in which a server reads: some for requests, as many for bodies, which take longer turns."""

    def __init__(self, threads: int = _THREADS) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="dcat-serve")
        self._bodies = ThreadPoolExecutor(threads, thread_name_prefix="dcat-send")
        self._others: list[ThreadPoolExecutor] = []
        self._branches: list[Workers] = []
        self.downloads = 0  # under way, of clients that cannot resume
        self._trimmed = 0.0
        self._closed = threading.Event()

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``function`` in a worker thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: function(*args, **kwargs))

    async def send(self, function: Callable[[], T]) -> T:
        """Call ``function``, which sends a part of a body, in a thread for these."""
        if self.downloads > _CROWD and monotonic() - self._trimmed > _TRIM_PERIOD:
            self._trimmed = monotonic()
            self._bodies.submit(trim_heap)
        return await asyncio.get_running_loop().run_in_executor(self._bodies, function)

    def open_pool(self, threads: int) -> ThreadPoolExecutor:
        """Return a further pool for long work, which must ask `closed` now and then: a thread cannot be stopped."""
        pool = ThreadPoolExecutor(threads, thread_name_prefix="dcat-serve-long")
        self._others.append(pool)
        return pool

    def branch(self, threads: int) -> "Workers":
        """Return further workers, for requests that wait; they close with these."""
        other = Workers(threads)
        self._branches.append(other)
        return other

    def count_downloads(self) -> int:
        """Return how many downloads are under way."""
        return self.downloads + sum(other.downloads for other in self._branches)

    def closed(self) -> bool:
        """Return whether the server has ended."""
        return self._closed.is_set()

    def close(self) -> None:
        """Shut the pools down without waiting for what runs in them."""
        self._closed.set()
        for pool in (self._pool, self._bodies, *self._others):
            pool.shutdown(wait=False, cancel_futures=True)
        for other in self._branches:
            other.close()


class Pieces:
    """A body, read chunk by chunk. An error is raised by the read after the last bytes that came before it.

    The iterator yields pieces, or several at once. It may yield empty ones: where it works without output it does so now and then,
    so that it can be left.
    """

    def __init__(self, pieces: Iterator[bytes | Iterable[bytes]]) -> None:
        self._pieces = pieces
        self._error: Exception | None = None
        self.ended = False  # whether nothing is left to read

    def read(self) -> list[bytes]:
        """Return the pieces of the next chunk, none where there is none yet."""
        if self._error is not None:
            raise self._error
        chunk: list[bytes] = []
        size = 0
        try:
            deadline = monotonic() + STREAM_CHUNK_TIME
            while size < STREAM_CHUNK_SIZE:
                piece = next(self._pieces, None)
                if piece is None:
                    self.ended = True
                    break
                if not isinstance(piece, bytes):
                    several = [part for part in piece if part]
                    chunk += several
                    size += sum(map(len, several))
                elif piece:
                    chunk.append(piece)
                    size += len(piece)
                if monotonic() >= deadline:
                    break
        except Exception as error:
            if not chunk:
                raise
            self._error = error
        return chunk


class _Turn(Enum):
    """How the turn of a body ended."""

    OVER = auto()  # there is more
    FULL = auto()  # the socket takes no more for now
    COMPLETE = auto()


def _send_some(pieces: Pieces, body: SocketBody) -> _Turn:
    """Read and send chunks of a body until its turn is over."""
    stop = body.sent + STREAM_TURN_SIZE
    deadline = monotonic() + STREAM_CHUNK_TIME
    while True:
        if not body.flush():
            return _Turn.FULL
        if pieces.ended:
            return _Turn.COMPLETE
        if body.sent >= stop or monotonic() >= deadline:
            return _Turn.OVER
        if not body.takes_more():  # what was read would be kept until it does
            return _Turn.FULL
        if chunk := pieces.read():
            body.write(chunk)
            chunk.clear()
        elif not pieces.ended:
            return _Turn.OVER


class StreamedResponse(Response):
    """A response whose body is read while it is sent. Without a Content-Length among ``headers`` it is sent in chunks.

    A ``download`` may end when the server stops: its client cannot resume.
    """

    def __init__(
        self,
        workers: Workers,
        pieces: Iterator[bytes | Iterable[bytes]],
        status: int,
        headers: Mapping[str, str],
        *,
        download: bool = False,
    ) -> None:
        super().__init__(status_code=status, headers=headers)
        if "content-length" not in headers:
            del self.headers["content-length"]
        self._length = int(headers["content-length"]) if "content-length" in headers else None
        self._workers = workers
        self._pieces = Pieces(pieces)
        self._download = download

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI's signature
        if scope["method"] == "HEAD":
            await self._begin(send)
            await _end(send)
            return
        self._workers.downloads += self._download
        try:
            await self._stream(send, scope["extensions"]["dcat.transport"])
        finally:
            self._workers.downloads -= self._download

    async def _stream(self, send: Send, extension: dict[str, Any]) -> None:
        is_gone: Callable[[], bool] = extension["transport"].is_closing
        chunk = await self._workers.send(self._pieces.read)
        while not chunk and not self._pieces.ended:
            if is_gone():
                raise ClientGoneError
            chunk = await self._workers.send(self._pieces.read)
        await self._begin(send)
        if self._pieces.ended:  # a small body leaves with its end
            await _end(send, b"".join(chunk))
            return
        body: SocketBody = extension["open_body"](self._length)
        extension["body"] = body  # where the guard finds how much was sent
        try:
            await self._send_body(body, chunk, is_gone)
        except ConnectionError as error:
            raise ClientGoneError from error
        finally:
            body.close()
        body.finish()
        await _end(send)

    async def _send_body(self, body: SocketBody, chunk: list[bytes], is_gone: Callable[[], bool]) -> None:
        await body.open()
        body.write(chunk)
        chunk.clear()
        body.flush()  # the socket is empty, so this takes no time; in a thread it would wait behind others, and be kept
        while (turn := await self._workers.send(lambda: _send_some(self._pieces, body))) is not _Turn.COMPLETE:
            if turn is _Turn.FULL:
                await body.wait()
            if is_gone():
                raise ClientGoneError

    async def _begin(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})


async def _end(send: Send, rest: bytes = b"") -> None:
    await send({"type": "http.response.body", "body": rest, "more_body": False})
