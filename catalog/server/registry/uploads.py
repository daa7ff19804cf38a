"""Uploads of blobs that are under way: from requests in the event loop to the threads that read layers.

A small blob is gathered and read at once. A larger one waits for one of a few threads, and meanwhile its client is not read; then
it goes there piece by piece, with few pieces in between. A client that sends less than `MIN_READING` in `IDLE_TIMEOUT` is cut off.
"""

import asyncio
import queue
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic

from catalog.errors import InvalidInputError
from catalog.intake.inbox import Inbox
from catalog.intake.session import StoredBlob
from catalog.limits import (
    KIB,
    MAX_SMALL_BLOB,
    MAX_UPLOADS,
    MIN_READING,
    PUSH_CHECK_PERIOD,
    UPLOADS_AT_ONCE,
)
from catalog.server.response.streaming import Workers

_PIECE = 256 * KIB
_IN_BETWEEN = 8  # pieces
_POLL = 0.5
_END: list[bytes] = []


class UploadEndedError(Exception):
    """The upload was given up: its client left, was too slow, or the server stops."""


class _Pace:
    """Raises `UploadEndedError` where less than `MIN_READING` was counted in a time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since = monotonic()
        self._size = 0

    def count(self, size: int) -> None:
        self._size += size
        if monotonic() - self._since > self._seconds:
            if self._size < MIN_READING:
                raise UploadEndedError("too little was sent for too long")
            self._since, self._size = monotonic(), 0


class Upload:
    """The upload of one blob, over one or several requests, one at a time."""

    def __init__(self, name: str, inbox: Inbox, pool: ThreadPoolExecutor, workers: Workers, idle: float) -> None:
        self.upload_id = secrets.token_hex(16)
        self.name = name
        self.received = 0
        self.touched = monotonic()
        self.is_busy = False
        self.holds_home = False
        self._inbox = inbox
        self._pool = pool
        self._workers = workers
        self._idle = idle
        self._gathered: list[bytes] = []
        self._size = 0  # of what was gathered
        self._pieces: queue.SimpleQueue[list[bytes] | None] = queue.SimpleQueue()
        self._room = asyncio.Semaphore(_IN_BETWEEN)
        self._started = asyncio.Event()
        self._reading: Future[StoredBlob] | None = None
        self._loop = asyncio.get_running_loop()

    async def receive(self, pieces: AsyncIterator[bytes]) -> None:
        """Take what a request sends; raise `UploadEndedError`, or what is wrong with the blob."""
        most = MAX_SMALL_BLOB
        pace = _Pace(self._idle)
        while True:
            self.touched = monotonic()
            try:
                async with asyncio.timeout(self._idle):
                    piece = await anext(pieces, None)
            except TimeoutError as error:
                raise UploadEndedError("nothing was sent for too long") from error
            if piece is None:
                return
            self._gathered.append(piece)
            self._size += len(piece)
            self.received += len(piece)
            pace.count(len(piece))
            if self._size > most:
                await self._pass_on()
                pace = _Pace(self._idle)  # it was not the client that took the time
                most = _PIECE - 1

    async def finish(self) -> StoredBlob:
        """Return the blob, read to its end; raise as `receive`."""
        if self._reading is None:
            data = b"".join(self._gathered)
            return await self._workers.run(self._inbox.read_blob, "blob", len(data), [data])
        await self._pass_on()
        self._pieces.put(_END)
        return await asyncio.wrap_future(self._reading)

    def give_up(self) -> None:
        """End it; what its layer stored so far is garbage."""
        self._pieces.put(None)
        if self._reading is not None:
            self._reading.cancel()

    async def _pass_on(self) -> None:
        if self._reading is None:
            self._reading = self._pool.submit(self._read)
            self._reading.add_done_callback(lambda _: self._call(self._wake))
            await self._started.wait()
        if self._gathered:
            await self._room.acquire()
            if not self._reading.done():
                self._pieces.put(self._gathered)
        self._gathered, self._size = [], 0
        if self._reading.done():
            self._reading.result()  # raises

    def _read(self) -> StoredBlob:
        self._call(self._started.set)
        return self._inbox.read_blob("blob", None, self._take())

    def _take(self) -> Iterator[bytes]:
        pace = _Pace(self._idle)
        while (pieces := self._next_pieces()) != _END:
            if pieces is not None:
                self._call(self._room.release)
                yield from pieces
            pace.count(sum(map(len, pieces or ())))

    def _next_pieces(self) -> list[bytes] | None:
        """Return the next pieces, None where there are none yet."""
        try:
            pieces = self._pieces.get(timeout=_POLL)
        except queue.Empty:
            if self._workers.closed():
                raise UploadEndedError("the server stops") from None
            return None
        if pieces is None:
            raise UploadEndedError("the client left")
        return pieces

    def _wake(self) -> None:
        """Let a request go on whose blob is not read any more."""
        self._started.set()
        self._room.release()

    def _call(self, function: Callable[[], object]) -> None:
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:  # the loop has ended
            return


class Uploads:
    """The uploads of a server. All methods are called in the event loop."""

    def __init__(self, inbox: Inbox, workers: Workers, idle: float) -> None:
        self._inbox = inbox
        self._workers = workers
        self._idle = idle
        self._pool = workers.open_pool(UPLOADS_AT_ONCE)
        self._uploads: dict[str, Upload] = {}
        self._watching: asyncio.Task[None] | None = None

    async def start(self, name: str) -> Upload:
        """Begin an upload, in place of one that nobody continues where there are too many.

        Raise `InvalidInputError` where clients are sending all of them.
        """
        if len(self._uploads) >= MAX_UPLOADS:
            left = [upload for upload in self._uploads.values() if not upload.is_busy]
            if not left:
                raise InvalidInputError(
                    f"{MAX_UPLOADS} uploads are under way", why="no more are taken at once", hint="push again later"
                )
            await self.end(min(left, key=lambda upload: (upload.received > 0, upload.touched)))
        upload = Upload(name, self._inbox, self._pool, self._workers, self._idle)
        self._uploads[upload.upload_id] = upload
        return upload

    async def hold(self, upload: Upload) -> None:
        """Keep the home open for an upload from its first byte on: one that was only begun costs nothing."""
        if not upload.holds_home:
            await self._workers.run(self._inbox.begin)
            upload.holds_home = True

    def find(self, name: str, upload_id: str) -> Upload | None:
        """Return an upload under a name that no other request works on."""
        upload = self._uploads.get(upload_id)
        return None if upload is None or upload.name != name or upload.is_busy else upload

    async def end(self, upload: Upload) -> None:
        """Forget an upload, whole or not."""
        if self._uploads.pop(upload.upload_id, None) is not None:
            upload.give_up()
            if upload.holds_home:
                await self._workers.run(self._inbox.end)

    def watch(self) -> None:
        """Look every few seconds for what nobody continues, until nothing is left."""
        if self._watching is None:
            self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        try:
            while True:
                await asyncio.sleep(min(PUSH_CHECK_PERIOD, self._inbox.idle))
                await self._end_left()
                await self._workers.run(self._inbox.tidy)
                if not self._uploads and not self._inbox.is_open:
                    return
        finally:
            self._watching = None

    async def _end_left(self) -> None:
        limit = monotonic() - self._inbox.idle
        for upload in list(self._uploads.values()):
            if not upload.is_busy and upload.touched < limit:
                await self.end(upload)
