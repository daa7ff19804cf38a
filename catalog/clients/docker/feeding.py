"""Loading an archive into an engine: fed by a thread, so that an interrupt can wait for the end of a blob.

An engine whose connection is cut in the middle of a blob may keep the blob locked, and later loads of it hang (moby #51623). So
after an interrupt feeding continues to the end of a member, for a short time at most. The connection ends there without the end of
the body, so that the engine registers nothing.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from time import monotonic
from typing import Any, TypeAlias

from catalog.clients.docker.api import EngineApi
from catalog.errors import DcatError, EngineUnavailableError
from catalog.limits import ENGINE_LOAD_TIME, ENGINE_STAGING_RATE, ENGINE_STOP_GRACE, ENGINE_UPLOAD_PIECE

_BLOCK = 512
_MAX_WAITING = 1000  # events that wait for the caller
_POLL = 0.5
_MARGIN = 10.0  # after which a thread that nobody waits for ends by itself
_Event: TypeAlias = dict[str, Any]


class MemberTracker:
    """Finds the boundaries between members of a tar that is being sent. It expects a canonical archive, and reads only sizes."""

    def __init__(self) -> None:
        self._left = 0  # of the member's data, padding included
        self._header = bytearray()
        self._extended: bytearray | None = None  # the data of a PAX header, which states the size of the next member
        self._size: int | None = None

    def first_boundary(self, data: bytes) -> int | None:
        """Advance over ``data`` and return the first position in it at which a member ends, if there is one."""
        position, boundary = 0, None
        while position < len(data):
            wanted = self._left or _BLOCK - len(self._header)
            step = min(wanted, len(data) - position)
            if self._left:
                if self._extended is not None:
                    self._extended += data[position : position + step]
                self._left -= step
            else:
                self._header += data[position : position + step]
                if len(self._header) == _BLOCK:
                    self._enter()
            position += step
            if not self._left and not self._header:
                if self._extended is not None:
                    self._size = _stated_size(bytes(self._extended))
                    self._extended = None
                elif boundary is None:
                    boundary = position
        return boundary

    def _enter(self) -> None:
        header, self._header = bytes(self._header), bytearray()
        digits = header[124:136].rstrip(b"\0 ")
        size = int(digits, 8) if digits.isdigit() else 0
        if self._size is not None:
            size, self._size = self._size, None
        self._left = -(-size // _BLOCK) * _BLOCK
        self._extended = bytearray() if header[156:157] == b"x" else None


def _stated_size(records: bytes) -> int | None:
    _, found, rest = records.partition(b" size=")
    digits = rest.partition(b"\n")[0]
    return int(digits) if found and digits.isdigit() else None


class Feeding:
    """One load: a thread sends the archive and reads the engine's events."""

    def __init__(self, api: EngineApi, chunks: Iterable[bytes], size: int | None, load_time: float = ENGINE_LOAD_TIME) -> None:
        """``size`` is the length of all ``chunks``; ``load_time`` is how long the engine may report after it has them all."""
        self._api = api
        self._load_time = load_time
        self._chunks = chunks
        self._patience = (size or 0) / ENGINE_STAGING_RATE
        self._said: queue.Queue[_Event | None] = queue.Queue(_MAX_WAITING)
        self._is_fed = threading.Event()  # the engine has the whole archive
        self._failure: BaseException | None = None
        self._stop = threading.Event()
        self._abort = threading.Event()
        self._deadline: float | None = None
        self._thread = threading.Thread(target=self._run, name="engine-load", daemon=True)

    def run(self, listen: Callable[[_Event], None]) -> None:
        """Send everything and call ``listen`` in this thread for each event; raise the failure of either side."""
        self._thread.start()
        try:
            while (event := self._next_event()) is not None:
                listen(event)
        except BaseException:
            self._stop.set()
            self._thread.join(ENGINE_STOP_GRACE)
            self._abort.set()
            raise
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            self._exchange()
        except BaseException as error:
            # An exception of the archive's source takes precedence over the broken connection that it caused.
            self._failure = self._failure or error
        finally:
            self._tell(None)

    def _exchange(self) -> None:
        headers = {"Content-Type": "application/x-tar"}
        params = {"quiet": "0"}
        response = self._api.open(
            "POST", "/images/load", params=params, data=self._pieces(), headers=headers, patience=self._patience
        )
        with response:
            if response.status != 200:
                self._tell({"errorDetail": {"message": self._api.read(response).message}})  # podman
                return
            for event in self._api.events(response, self._load_limit + _MARGIN):
                if self._stop.is_set():
                    return
                self._tell(event)

    @property
    def _load_limit(self) -> float:
        return self._load_time + 2 * self._patience

    def _next_event(self) -> _Event | None:
        """Return the next event, None at the end; raise if the engine has had the whole archive for too long.

        This is measured here: an answer that drips never returns to the thread that reads it.
        """
        while True:
            if self._is_fed.is_set():
                self._deadline = self._deadline or monotonic() + self._load_limit
                if monotonic() > self._deadline:
                    raise EngineUnavailableError(
                        f"the engine at {self._api.target.address} did not finish a load",
                        why=f"it has had the whole image for {self._load_limit:.0f} s",
                        hint="look at the engine's log and its disk",
                    )
            with suppress(queue.Empty):
                return self._said.get(timeout=_POLL)

    def _tell(self, event: _Event | None) -> None:
        """Hand an event to the caller, unless it stopped."""
        while not self._stop.is_set():
            with suppress(queue.Full):
                self._said.put(event, timeout=_POLL)
                return

    def _pieces(self) -> Iterator[bytes]:
        tracker = MemberTracker()
        for piece in _joined(self._source(), ENGINE_UPLOAD_PIECE):
            stopping = self._stop.is_set()
            boundary = tracker.first_boundary(piece)
            if self._abort.is_set():
                raise _StoppedError("stopped in the middle of a blob")
            if stopping and boundary is not None:
                yield piece[:boundary]
                raise _StoppedError("stopped at the end of a blob")
            yield piece
        self._is_fed.set()

    def _source(self) -> Iterator[bytes]:
        try:
            yield from self._chunks
        except Exception as error:
            self._failure = error
            raise


class _StoppedError(DcatError):
    """Ends the connection; nothing waits for it any more."""


def _joined(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Yield the same bytes in pieces of ``size``."""
    pending: list[bytes] = []
    held = 0
    for chunk in chunks:
        view = memoryview(chunk)
        while held + len(view) >= size:
            taken = size - held
            yield b"".join([*pending, view[:taken]])
            view, pending, held = view[taken:], [], 0
        if view:
            pending.append(bytes(view))
            held += len(view)
    if pending:
        yield b"".join(pending)
