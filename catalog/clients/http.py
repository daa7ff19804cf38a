"""HTTP with one configured host that is not trusted: timeouts, caps, redirects, credentials and cancelling in one place.

- Connect 5 s, first byte 10 s, then 16 KiB/s averaged over 10 s (`catalog.clients.timeouts`): what is slower is cut with
  `SourceTimeoutError`.
- Redirects are followed by hand: at most 3, never from https to http, each hop resolved anew and only to addresses that the
  configured host may lead to (`catalog.clients.address`). The token goes to the configured scheme, host and port and to nobody
  else.
- 429 and 503 are tried again when the server says, or soon, as long as the budget lasts.
- No cookies, no .netrc, no proxies but those handed in.
"""

import re
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote, urlencode, urljoin, urlsplit

from catalog import limits
from catalog.clients.address import AddressRule, LookUp, SocketRule, look_up
from catalog.clients.proxy import Proxies
from catalog.clients.response import HttpResponse, read_failure
from catalog.clients.timeouts import Timeouts
from catalog.errors import InvalidConfigError, UnavailableError

if TYPE_CHECKING:
    from catalog.clients.connection import Exchange, Transport

Body = bytes | Callable[[], Iterator[bytes]]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({429, 503})
_MAX_TRIES = 4
_PRINTABLE = re.compile(r"[\x21-\x7e]+", re.ASCII)
_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    headers: dict[str, str]
    body: Body | None
    first_byte: float


class _StaleConnectionError(Exception):
    """A connection that was kept turned out to be closed when it was used again: no fault of the server's."""


class HttpClient:
    """Requests to one configured URL; safe to use from several threads. ``name`` is its host and port, for messages.

    A URL ``unix:///path`` means HTTP over that Unix socket, and ``name`` is the path.
    """

    def __init__(
        self,
        url: str,
        *,
        token_file: Path | None = None,
        ca_file: Path | None = None,
        timeouts: Timeouts | None = None,
        proxies: Proxies | None = None,
        look_up_host: LookUp = look_up,
    ) -> None:
        parts = _check_url(url)
        self.url = url.rstrip("/")
        self.name = parts.netloc or parts.path
        is_socket = parts.scheme == "unix"
        self._base = "http://localhost" if is_socket else self.url
        self.timeouts = timeouts or Timeouts()
        self._origin = _origin(urlsplit(self._base))
        self._token_file = token_file
        self._ca_file = ca_file
        self._proxies = proxies or Proxies()
        self._rule = SocketRule(parts.path) if is_socket else AddressRule(self._origin[1], look_up_host=look_up_host)
        self._lock = threading.Lock()
        self._exchanges: set[Exchange] = set()
        self._transport: Transport | None = None

    def open(
        self,
        method: str,
        path: str,
        *,
        query: Iterable[tuple[str, str]] = (),
        accept: str = "*/*",
        body: Body | None = None,
        content_type: str | None = None,
        answers: Iterable[int] = (200,),
        first_byte: float | None = None,
    ) -> HttpResponse:
        """Send a request and give the response, whose status is one of ``answers``; close it (a context manager).

        ``path`` stands below the configured URL. A body that is a callable is asked for its pieces once for each time it is sent;
        then nothing is tried twice. ``first_byte`` is how long the answer may take from when the request is sent. Raises
        `UnavailableError` for any other status and for whatever goes wrong on the way, `SourceTimeoutError` for what is too slow.
        """
        from catalog.clients.connection import Exchange

        url = self._base + quote(path, safe="/:@!$&'()*+,;=~") + (f"?{urlencode(list(query))}" if query else "")
        headers = {"Accept": accept, "Accept-Encoding": "identity", "User-Agent": _user_agent()}
        if content_type is not None:
            headers["Content-Type"] = content_type
        exchange = Exchange()
        with self._lock:
            self._exchanges.add(exchange)
        request = _Request(method, headers, body, first_byte or self.timeouts.first_byte)
        try:
            response = self._send_until_answered(exchange, request, url)
            if response.status in set(answers):
                return response
            with response:
                raise self._refusal(response)
        except BaseException:
            self._forget(exchange)
            raise

    def abort(self, threads: Collection[int] | None = None) -> None:
        """Cut the requests of the threads of these identifiers, or all: each raises `UnavailableError` where it runs."""
        with self._lock:
            exchanges = list(self._exchanges)
        for exchange in exchanges:
            if threads is None or exchange.thread in threads:
                exchange.cut("it was stopped")

    def close(self) -> None:
        """Abort, and let go of the connections."""
        self.abort()
        with self._lock:
            transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def _send_until_answered(self, exchange: "Exchange", request: "_Request", url: str) -> HttpResponse:
        """Send, and send again while the server is busy or where an old connection turns out to be closed."""
        end = monotonic() + self.timeouts.budget
        tries = 1 if callable(request.body) else _MAX_TRIES
        for left in reversed(range(tries)):
            try:
                response = self._follow(exchange, request, url)
            except _StaleConnectionError as error:
                if left == 0:
                    raise UnavailableError(f"{self.name} closed the connection", why=str(error)) from error
                continue
            if response.status not in _BUSY or left == 0:
                return response
            wait = response.retry_after(default=self.timeouts.retry * (tries - left))
            response.close()
            if monotonic() + wait > end:
                raise UnavailableError(f"{self.name} is busy", why=f"it answers {response.status} and asks to wait {wait:g} s")
            if exchange.wait(wait):
                raise UnavailableError(f"{self.name} was not asked again", why=exchange.cut_because or "")
        raise AssertionError("the last try returns or raises")

    def _follow(self, exchange: "Exchange", request: "_Request", url: str) -> HttpResponse:
        """Send along redirects."""
        for _ in range(limits.MAX_REDIRECTS + 1):
            response = self._send(exchange, request, url)
            target = response.header("Location")
            if response.status not in _REDIRECTS or target is None:
                return response
            response.close()
            url = self._check_redirect(request, response.status, url, target)
        raise UnavailableError(f"{self.name} redirects more than {limits.MAX_REDIRECTS} times")

    def _check_redirect(self, request: "_Request", status: int, url: str, target: str) -> str:
        refused = f"{self.name} redirects to where dcat does not follow"
        if request.method not in {"GET", "HEAD"} and (status not in {307, 308} or callable(request.body)):
            raise UnavailableError(refused, why=f"a {request.method} was answered with {status}")
        try:
            joined = urljoin(url, target)
            parts = urlsplit(joined)
            port = parts.port
        except ValueError as error:
            raise UnavailableError(refused, why="its address cannot be read") from error
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None or port == 0:
            raise UnavailableError(refused, why="only http and https addresses without a user name are followed")
        if url.startswith("https:") and parts.scheme == "http":
            raise UnavailableError(refused, why="from https to http")
        return joined

    def _send(self, exchange: "Exchange", request: "_Request", url: str) -> HttpResponse:
        import requests

        from catalog.clients.connection import FAILURES

        origin = _origin(urlsplit(url))
        headers = dict(request.headers)
        if origin == self._origin and (token := self._read_token()) is not None:
            headers["Authorization"] = f"Bearer {token}"
        proxy = self._proxies.find(*origin)
        if proxy is not None:
            self._rule.check_behind_proxy(origin[1], origin[2], self.timeouts.connect)
        body = request.body() if callable(request.body) else request.body
        try:
            reply = self._open_transport().send(
                exchange,
                requests.Request(request.method, url, headers, data=body),
                proxy=proxy,
                verify=True if self._ca_file is None else str(self._ca_file),
                connect=self.timeouts.connect,
                first_byte=request.first_byte,
            )
        except FAILURES as error:
            if exchange.reused and exchange.cut_because is None and not callable(request.body):
                raise _StaleConnectionError(type(error).__name__) from error
            raise read_failure(self.name, exchange, error) from error
        if exchange.cut_because is not None:  # headers that end early count as whole in http.client
            reply.close()
            raise read_failure(self.name, exchange, ConnectionAbortedError())
        return HttpResponse(reply, exchange, name=self.name, timeouts=self.timeouts, on_close=self._forget)

    def _open_transport(self) -> "Transport":
        with self._lock:
            if self._transport is None:
                from catalog.clients.connection import Transport

                self._transport = Transport(self._rule)
            return self._transport

    def _forget(self, exchange: "Exchange") -> None:
        with self._lock:
            self._exchanges.discard(exchange)

    def _refusal(self, response: HttpResponse) -> UnavailableError:
        why = f"it answers {response.status} {response.reason}".rstrip()
        if response.status in {401, 403}:
            return UnavailableError(f"{self.name} does not let us in", why=why, hint="it wants a token, or another one")
        return UnavailableError(f"{self.name} does not answer as it should", why=why)

    def _read_token(self) -> str | None:
        if self._token_file is None:
            return None
        try:
            with self._token_file.open(encoding="ascii") as file:
                token = file.read(8192).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidConfigError(f"the token file {self._token_file} cannot be read", why=str(error)) from error
        if not _TOKEN.fullmatch(token):
            raise InvalidConfigError(f"the token file {self._token_file} holds no token", why="one line of printable ASCII is read")
        return token


def _check_url(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidConfigError(f'"{url[:200]}" is no URL', why=str(error)) from error
    if parts.scheme == "unix" and not parts.netloc and parts.path.startswith("/") and not parts.query and not parts.fragment:
        return parts
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise InvalidConfigError(f'"{url[:200]}" is no http or https URL', hint="for example http://bob-pc.lan:5078")
    if parts.username is not None or parts.query or parts.fragment or not _PRINTABLE.fullmatch(url):
        raise InvalidConfigError(
            f"the URL of {parts.hostname} holds more than a scheme, a host, a port and a path",
            hint="a token stands in a file of its own, named beside the URL",
        )
    return parts


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, (parts.hostname or "").rstrip("."), parts.port or (443 if parts.scheme == "https" else 80)


@cache
def _user_agent() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"dcat/{version('dcat-ipfs')}"
    except PackageNotFoundError:
        return "dcat/0"
