"""Limits on connections and on how requests are framed.

uvicorn with httptools answers 200 to a header of 1 MiB, to two Hosts and to none, and waits for half a header for ever. This
subclass refuses: a head above 16 KiB, or not whole after 10 s; no Host, or two; a body framed in two ways, or where none belongs; a
target that is not a path; versions other than 1.0 and 1.1; more than a few pipelined requests; a chunked body with much besides its
content. Trailer fields are dropped: they come after everything that was decided by the head. A client that takes less than
`MIN_READING` bytes of its response in 30 s is cut off, and a request is not started while the response before it is not taken.
What a client still sends after its request was refused is read and dropped, for a while: a close would reset the connection, and
the client would lose the response. Above the limit of connections, the one that has waited longest without a whole request is
closed (`catalog.server.transport.crowd`).
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from catalog.limits import MAX_PIPELINED_REQUESTS, MIN_READING
from catalog.server.settings import ServerLimits
from catalog.server.transport.body import SocketBody
from catalog.server.transport.crowd import Stalled, Waiting
from catalog.server.transport.unframed import unframe

_PIECE = 16 * 1024
_CLIENT_HELLO = b"\x16\x03"
_BODY_METHODS = frozenset({b"POST", b"PUT", b"PATCH", b"DELETE"})


class _RefusedError(Exception):
    """A request that is refused; raised inside the parser's callbacks, which end with it."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


class LimitedProtocol(HttpToolsProtocol):
    """One connection. ``on_refusal`` is called with the status of every request that is refused here."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: ServerLimits,
        waiting: Waiting,
        stalled: Stalled,
        on_refusal: Callable[[int], None],
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        self._waiting = waiting
        self._stalled = stalled
        self._on_refusal = on_refusal
        self._head_size = 0
        self._heads = 0  # that have begun
        self._completed = 0  # whole requests
        self._in_head = True  # or between requests
        self._framing_size = 0  # of a body: chunk sizes, extensions, trailers
        self._body_size = 0
        self._length = 0  # of a body, where it was stated
        self._message_complete = True
        self._done = False  # whatever still arrives is not read
        self._running: RequestResponseCycle | None = None
        self._body: SocketBody | None = None  # the last one that was opened
        self._held_back: tuple[RequestResponseCycle, Any] | None = None  # until the response before it is taken
        self._head_timer: asyncio.TimerHandle | None = None
        self._reading_timer: asyncio.TimerHandle | None = None
        self._linger_timer: asyncio.TimerHandle | None = None

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # asyncio sets this only for sockets created with protocol TCP, which `socket.create_server` does not do; without it each
        # small answer waits 40 ms for an acknowledgement.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._waiting.add(self)
        self._head_timer = self.loop.call_later(self._limits.header_timeout, self._head_is_late)
        if len(self.connections) > self._limits.connections:
            self._waiting.drop_longest()

    def connection_lost(self, exc: Exception | None) -> None:
        self._done = True
        self._waiting.discard(self)
        self._stalled.discard(self)
        self._unset_keepalive_if_required()
        if self._body is not None:
            self._body.wake()
        for timer in (self._head_timer, self._reading_timer, self._linger_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def cut_off(self) -> None:
        """Close the connection at once; what was not sent is lost."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        completed, start = self._completed, 0
        while start < len(data):
            if self._done:
                return
            size = _PIECE if self._in_head else max(_PIECE, self._length - self._body_size)  # no head is in the rest of a body
            self._feed(data[start : start + size])
            start += size
        # Half a head arrived, or only the empty lines that may precede one.
        waits = self._in_head and (not self._message_complete or completed == self._completed)
        if waits and self._head_timer is None and not self._done:
            self._head_timer = self.loop.call_later(self._limits.header_timeout, self._head_is_late)

    def _feed(self, piece: bytes) -> None:
        heads, in_head, body_size = self._heads, self._in_head, self._body_size
        try:
            self.parser.feed_data(piece)
            if not in_head and heads == self._heads:  # what began within this piece counts from the next one on
                self._framing_size += len(piece) - (self._body_size - body_size)
                self._check_framing_size()
            if self._in_head:
                # A head that began within this piece counts from the next piece on: at most a piece too little.
                self._head_size = self._head_size + len(piece) if heads == self._heads else 0
                self._check_head_size()
        except httptools.HttpParserUpgrade:
            self._done = True  # answered as if no upgrade was requested; what follows is unknown
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, _RefusedError) else _RefusedError(400, "malformed request"))
        except httptools.HttpParserError:
            is_hello = not self._completed and piece.startswith(_CLIENT_HELLO)
            self._refuse(
                _RefusedError(400, "this port speaks HTTP, not TLS" if is_hello else "malformed request"), is_hello=is_hello
            )
        except _RefusedError as refused:
            self._refuse(refused)

    def _refuse(self, refused: _RefusedError, *, is_hello: bool = False) -> None:
        self._done = True
        if not is_hello:  # engines try TLS first, and go on in plain HTTP if the answer is HTTP
            self._on_refusal(refused.status)
        running = self._running
        if running is not None and not running.response_complete:
            unread = self.cycle is running and not self._message_complete and not running.response_started
            if not unread:  # an earlier request is being answered: close after it
                running.keep_alive = False
                self.pipeline.clear()
                return
            running.disconnected = True
            running.message_event.set()
        text = refused.why.encode("ascii") + b"\n"
        self.transport.write(
            STATUS_LINE[refused.status]
            + b"content-type: text/plain; charset=utf-8\r\nx-content-type-options: nosniff\r\nconnection: close\r\n"
            + b"content-length: %d\r\n\r\n" % len(text)
            + text
        )
        self._close()

    def _close(self) -> None:
        """Close once what was written is taken, or after the idle time-out."""
        self.transport.close()
        if self.transport.get_write_buffer_size():
            self.loop.call_later(self._limits.idle_timeout, self.transport.abort)

    def _linger(self) -> None:
        """Send nothing more, and close once the client does, or after a time; until then it may be cut off to make room."""
        self.transport.write_eof()
        self._waiting.add(self)
        self._linger_timer = self.loop.call_later(self._limits.body_timeout, self._close)

    def timeout_keep_alive_handler(self) -> None:
        self.transport.abort() if self.transport.get_write_buffer_size() else self.transport.close()

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._running is not None and not self._running.response_complete:
            self._head_timer = self.loop.call_later(self._limits.header_timeout, self._head_is_late)
        elif not self._message_complete:
            self._refuse(_RefusedError(408, "the head of the request took too long"))
        else:
            self.transport.close()

    def open_body(self, length: int | None) -> SocketBody:
        """Return the body of the response whose head is being sent; ``length`` is its Content-Length, None where it has none."""
        if self._running is None:
            raise RuntimeError("no request is being answered")
        timeout = self._limits.idle_timeout
        self._body = SocketBody(self, self.transport, self._running, self.flow, self._stalled, timeout, length)
        return self._body

    # A client that does not read

    def pause_writing(self) -> None:
        super().pause_writing()
        size = self.transport.get_write_buffer_size()
        self._watch_reading(size)
        self._stalled.add(self, size)

    def resume_writing(self) -> None:
        self._stalled.discard(self)
        if self._reading_timer is not None:
            self._reading_timer.cancel()
            self._reading_timer = None
        super().resume_writing()
        if self._held_back is not None:
            held_back, self._held_back = self._held_back, None
            super()._start_asgi_task(*held_back)

    def _watch_reading(self, size: int) -> None:
        def check() -> None:
            left = self.transport.get_write_buffer_size()
            if size - left < MIN_READING:
                self.transport.abort()
            else:
                self._watch_reading(left)

        self._reading_timer = self.loop.call_later(self._limits.idle_timeout, check)

    # What the parser finds

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._heads += 1
        self._head_size = 0
        self._in_head = True
        self._message_complete = False
        if self._running is None or self._running.response_complete:
            self._waiting.add(self)
        self.scope["extensions"] = {"dcat.transport": {"transport": self.transport, "open_body": self.open_body}}

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # else it is a trailer field
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        self._body_size += len(body)
        cycle: RequestResponseCycle = self.cycle
        if len(body) >= _PIECE and not cycle.body:
            cycle.body = body  # type: ignore[assignment]  # bytes: uvicorn would copy large bodies twice
            body = b""
        super().on_body(body)

    def on_headers_complete(self) -> None:
        self._head_size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        self._check_head_size()
        self._check_head()
        if len(self.pipeline) >= MAX_PIPELINED_REQUESTS:
            raise _RefusedError(400, "too many pipelined requests")
        self._in_head = False
        self._framing_size = self._body_size = 0
        self._length = int(next((value for name, value in self.headers if name == b"content-length"), b"0"))
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        super().on_headers_complete()
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self._in_head = True
        self._head_size = 0
        self._message_complete = True
        self._completed += 1
        self._waiting.discard(self)
        if not self.cycle.keep_alive:
            self._done = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._done = True
            self._close()
        elif not self._message_complete:  # answered before the body was whole: the rest is dropped
            self._done = True
            self._linger()
        elif not self.pipeline:
            self._waiting.add(self)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        if cycle.scope["http_version"] == "1.0":
            app = unframe(app, cycle)
        if self.flow.write_paused:  # it would hold a slot, and what it read, while nobody reads its response
            self._held_back = cycle, app
        else:
            super()._start_asgi_task(cycle, app)

    def _check_head_size(self) -> None:
        if self._head_size > self._limits.header_size:
            raise _RefusedError(431, f"the head of a request may have at most {self._limits.header_size} bytes")

    def _check_framing_size(self) -> None:
        """Refuse a chunked body with much besides its content; chunks of one byte are still served."""
        if self._framing_size > self._limits.header_size + 8 * self._body_size:
            raise _RefusedError(400, "the chunks of a body must be content")

    def _check_head(self) -> None:
        method, version = self.parser.get_method(), self.parser.get_http_version()
        if version not in ("1.0", "1.1"):
            raise _RefusedError(505, "only HTTP 1.0 and 1.1 are supported")
        if not self.url.startswith(b"/") or not self.url.isascii():
            raise _RefusedError(400, "the target of a request must be a path")
        names = [name for name, _ in self.headers]
        if names.count(b"host") != 1:
            raise _RefusedError(400, "a request must have one Host")
        lengths, encodings = names.count(b"content-length"), names.count(b"transfer-encoding")
        if lengths + encodings > 1 or (encodings and version == "1.0"):
            raise _RefusedError(400, "a body must have one length")
        if method not in _BODY_METHODS and (encodings or any(v != b"0" for n, v in self.headers if n == b"content-length")):
            raise _RefusedError(400, "this method takes no body")
        if self.parser.should_upgrade() and method in (*_BODY_METHODS, b"CONNECT"):
            raise _RefusedError(400, "no upgrade is supported")
