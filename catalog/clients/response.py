"""An HTTP answer whose body is read up to a size limit, at a minimum rate, and to its stated end."""

import contextlib
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Self

from catalog import limits
from catalog.clients.address import explain
from catalog.clients.timeouts import Timeouts
from catalog.errors import DcatError, SourceTimeoutError, UnavailableError

if TYPE_CHECKING:
    import requests

    from catalog.clients.connection import Exchange

_PIECE = 64 * limits.KIB
_DRAIN_TIMEOUT = 0.2
_ENCODINGS = frozenset({"", "identity", "gzip", "x-gzip"})
PROXY_LOGIN_HINT = "write them into the proxy's URL: http://user:password@host:port"
WEB_PAGES = frozenset({"text/html", "application/xhtml+xml"})
"""Pages for people: of a captive portal, or of a host that sends one with 200 for what is not there."""


class HttpResponse:
    """A response whose body has not been read yet. Close it (a context manager). ``name`` is the host that was asked."""

    def __init__(
        self,
        reply: "requests.Response",
        exchange: "Exchange",
        *,
        name: str,
        timeouts: Timeouts,
        on_close: "Callable[[Exchange], None]",
    ) -> None:
        self.name = name
        self.status: int = reply.status_code
        self.reason: str = (reply.reason or "")[:100]
        self._reply = reply
        self._exchange = exchange
        self._timeouts = timeouts
        self._on_close = on_close
        self._pending = b""
        self._body: Iterator[bytes] | None = None

    def header(self, name: str) -> str | None:
        """Return a header's value."""
        value: str | None = self._reply.headers.get(name)
        return value

    @property
    def media_type(self) -> str:
        """The media type in lower case, without parameters; empty if there is none."""
        return (self.header("Content-Type") or "").partition(";")[0].strip().lower()

    def require_media_type(self, *wanted: str) -> None:
        """Raise `UnavailableError` unless the media type is one of ``wanted``."""
        if self.media_type in wanted:
            return
        raise UnavailableError(
            f"{self.name} answered with {self.media_type or 'no media type'} instead of {wanted[0]}",
            why="it sent a web page" if self.media_type in WEB_PAGES else "it sent something else",
            hint="it may be the login page of your network (captive portal): open any page in a browser, log in, try again"
            if self.media_type in WEB_PAGES
            else "",
        )

    def retry_after(self, default: float) -> float:
        """Return the seconds that the server asks to wait; a date counts from the server's own ``Date``."""
        text = (self.header("Retry-After") or "").strip()
        if text.isascii() and text.isdecimal():
            return float(text[:9])
        try:
            return max(0.0, (parsedate_to_datetime(text) - parsedate_to_datetime(self.header("Date") or "")).total_seconds())
        except (ValueError, TypeError):
            return default

    def chunks(self, limit: int, *, paced: bool = True) -> Iterator[bytes]:
        """Yield the decoded body as it arrives; with ``paced`` the minimum rate applies (reports of progress may be slower).

        Raise `UnavailableError` after ``limit`` bytes and if the body is cut short, `SourceTimeoutError` if it is too slow. The
        time that the caller takes between two pieces does not count.
        """
        length = self.header("Content-Length") or ""
        if length.isdecimal() and int(length) > limit:
            raise self._too_long(limit)
        encoding = (self.header("Content-Encoding") or "").strip().lower()
        if encoding not in _ENCODINGS:
            raise UnavailableError(f"{self.name} compressed its answer, which was not asked for", why=f"with {encoding[:40]}")
        self._exchange.set_read_timeout(self._timeouts.rate_window)
        if self.header("Transfer-Encoding"):
            self._exchange.watch_reads(2 * self._timeouts.rate_window)
        received = in_window = 0
        waited = 0.0
        while True:
            began = monotonic()
            piece = self._read_piece()
            waited += monotonic() - began
            if not piece:
                return
            received += len(piece)
            in_window += len(piece)
            if received > limit:
                raise self._too_long(limit)
            if waited >= self._timeouts.rate_window:
                if paced and in_window < self._timeouts.min_rate * waited:
                    raise SourceTimeoutError(f"{self.name} is too slow", why=f"{in_window} bytes in {waited:.1f} s")
                in_window, waited = 0, 0.0
            yield piece

    def read_all(self, limit: int) -> bytes:
        """Return the whole body."""
        return b"".join(self.chunks(limit))

    def start_reading(self, limit: int) -> None:
        """Make `read` return the body, at most ``limit`` bytes of it: for readers that take a stream."""
        self._body = self.chunks(limit)

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes, none at the end; call `start_reading` first."""
        if not self._pending:
            self._pending = next(self._body, b"") if self._body is not None else b""
        piece, self._pending = self._pending[:size], self._pending[size:]
        return piece

    def close(self) -> None:
        """End the exchange. The connection stays open if the body was read, or is the short one of a refusal."""
        if self.status >= 300 and self._exchange.cut_because is None:
            self._exchange.set_read_timeout(_DRAIN_TIMEOUT)
            with contextlib.suppress(DcatError):
                for _ in range(4):
                    if not self._read_piece():
                        break
        self._exchange.detach()
        self._reply.close()
        self._on_close(self._exchange)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _read_piece(self) -> bytes:
        from catalog.clients.connection import FAILURES

        try:
            with self._exchange.reading():
                piece: bytes = self._reply.raw.read1(_PIECE, decode_content=True)
        except FAILURES as error:
            raise read_failure(self.name, self._exchange, error) from error
        if not piece and self._exchange.cut_because is not None:
            raise UnavailableError(f"{self.name} was cut off", why=self._exchange.cut_because)
        if not piece and self._reply.raw.length_remaining:
            raise UnavailableError(f"{self.name} ended too early", why=f"{self._reply.raw.length_remaining} bytes are missing")
        return piece

    def _too_long(self, limit: int) -> UnavailableError:
        return UnavailableError(f"{self.name} sent more than was asked for", why=f"at most {limit} bytes were expected")


def read_failure(name: str, exchange: "Exchange", error: Exception) -> DcatError:
    """Return the error that an exception of the HTTP libraries stands for."""
    import requests
    import urllib3

    why = _innermost(error)
    if exchange.cut_because is not None:
        kind = SourceTimeoutError if exchange.cut_because.startswith("no answer") else UnavailableError
        return kind(f"{name} was given up", why=exchange.cut_because)
    timeouts = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
    if isinstance(error, timeouts) or isinstance(why, timeouts):
        return SourceTimeoutError(
            f"{name} does not answer in time", why="no connection" if "onnect" in type(error).__name__ else "silent"
        )
    if isinstance(error, requests.exceptions.SSLError):
        if "WRONG_VERSION_NUMBER" in str(why) or "record layer failure" in str(why).lower():
            return UnavailableError(
                f"{name} does not speak TLS", why=f"TLS: {explain(why)}", hint="begin its URL with http: where it has no TLS"
            )
        return UnavailableError(f"{name} cannot be trusted", why=f"TLS: {explain(why)}", hint="name its CA with ca-file")
    if isinstance(error, requests.ConnectionError):
        hint = PROXY_LOGIN_HINT if str(why).startswith("Tunnel connection failed: 407") else ""
        return UnavailableError(f"{name} cannot be reached", why=explain(why), hint=hint)
    return UnavailableError(f"{name} broke off", why=explain(why))


def _innermost(error: BaseException) -> BaseException:
    """Return the innermost exception: the libraries wrap it up to four times, with addresses of objects in the text."""
    seen = error
    for _ in range(10):
        inner = getattr(seen, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((entry for entry in seen.args if isinstance(entry, BaseException)), seen.__cause__)
        if not isinstance(inner, BaseException):
            break
        seen = inner
    return seen
