"""Bodies that are read while they are sent: in worker threads, by chunks, in bounded memory.

Reading a blockstore blocks, so it never happens in the event loop's thread. The cost is in hops between threads, so a chunk has at
least `STREAM_CHUNK_SIZE` bytes, or what could be read in `STREAM_CHUNK_TIME`: between chunks it shows that a client left or that
the server stops, and other requests get their turn. A body that cannot be completed ends without its final chunk, after everything
that could be read.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import ParamSpec, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from catalog.limits import STREAM_CHUNK_SIZE, STREAM_CHUNK_TIME
from catalog.server.guard.guard import ClientGoneError

P = ParamSpec("P")
T = TypeVar("T")
_THREADS = 8


class Workers:
    """The threads in which a server reads. ``in_hand`` bounds the chunks that are read and not sent: reading is faster."""

    def __init__(self, threads: int = _THREADS) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="dcat-serve")
        self._others: list[ThreadPoolExecutor] = []
        self._branches: list[Workers] = []
        self.downloads = 0  # under way, of clients that cannot resume
        self._closed = threading.Event()
        self.in_hand = asyncio.Semaphore(2 * threads)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``function`` in a worker thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: function(*args, **kwargs))

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
        for pool in (self._pool, *self._others):
            pool.shutdown(wait=False, cancel_futures=True)
        for other in self._branches:
            other.close()


class Pieces:
    """A body, read chunk by chunk. An error is raised by the read after the last bytes that came before it.

    Pieces may be empty: an iterator that works without output yields them now and then, so that it can be left.
    """

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._error: Exception | None = None

    def read(self) -> bytes | None:
        """Return the next chunk, empty where there is none yet; None at the end."""
        if self._error is not None:
            raise self._error
        chunk: list[bytes] = []
        size = 0
        try:
            deadline = monotonic() + STREAM_CHUNK_TIME
            while size < STREAM_CHUNK_SIZE:
                piece = next(self._pieces, None)
                if piece is None:
                    return b"".join(chunk) if size else None
                if piece:
                    chunk.append(piece)
                    size += len(piece)
                if monotonic() >= deadline:
                    break
        except Exception as error:
            if not chunk:
                raise
            self._error = error
        return chunk[0] if len(chunk) == 1 else b"".join(chunk)


class StreamedResponse(Response):
    """A response whose body is read while it is sent. Without a Content-Length among ``headers`` it is sent in chunks.

    A ``download`` may end when the server stops: its client cannot resume.
    """

    def __init__(
        self, workers: Workers, pieces: Iterator[bytes], status: int, headers: Mapping[str, str], *, download: bool = False
    ) -> None:
        super().__init__(status_code=status, headers=headers)
        if "content-length" not in headers:
            del self.headers["content-length"]
        self._workers = workers
        self._pieces = Pieces(pieces)
        self._download = download

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI's signature
        if scope["method"] == "HEAD":
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        self._workers.downloads += self._download
        try:
            await self._stream(send, scope["extensions"]["dcat.transport"]["transport"].is_closing)
        finally:
            self._workers.downloads -= self._download

    async def _stream(self, send: Send, is_gone: Callable[[], bool]) -> None:
        began = False
        more = True
        while more:
            async with self._workers.in_hand:
                chunk = await self._workers.run(self._pieces.read)
                more = chunk is not None
                if not began and chunk != b"":
                    await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                    began = True
                if chunk != b"":
                    await send({"type": "http.response.body", "body": chunk or b"", "more_body": more})
                del chunk
            if began and more:
                # An empty send waits until what was sent is taken: only then is the next chunk worth its memory.
                await send({"type": "http.response.body", "body": b"", "more_body": True})
            elif more and is_gone():
                raise ClientGoneError
