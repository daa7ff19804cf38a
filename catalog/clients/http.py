"""HTTP with one configured host that is not trusted: time limits, size limits, redirects, credentials and cancelling.

- Connect 5 s, first byte 10 s, then 16 KiB/s averaged over 10 s (`catalog.clients.timeouts`); a slower answer is cut and raises
  `SourceTimeoutError`.
- At most 3 redirects are followed, never from https to http; each host is resolved anew, and its addresses are checked
  (`catalog.clients.address`). The token is sent to the configured scheme, host and port only.
- 429, 502 and 503 are retried when the server says, or soon, until the budget is used up.
- No cookies, no .netrc, no proxies other than those passed in.
"""

import re
import threading
from base64 import b64encode
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

from catalog import limits
from catalog.clients.address import AddressRule, LookUp, SocketRule, explain, look_up
from catalog.clients.proxy import Proxies, is_this_machine
from catalog.clients.response import PROXY_LOGIN_HINT, HttpResponse, read_failure
from catalog.clients.timeouts import Timeouts
from catalog.clients.url import follow_redirect, normalize_url, origin_of, split_url
from catalog.errors import InvalidConfigError, UnavailableError

if TYPE_CHECKING:
    from ssl import SSLContext

    from catalog.clients.authorities import Authorities
    from catalog.clients.connection import Exchange, Transport

Body = bytes | Callable[[], Iterator[bytes]]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({429, 502, 503})  # 502: a proxy, while the server behind it restarts
_MAX_TRIES = 4
_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    headers: dict[str, str]
    body: Body | None
    first_byte: float


class _StaleConnectionError(Exception):
    """A connection that was kept open was closed by the server in the meantime, which is not an error of the server."""


class HttpClient:
    """Sends requests to one configured URL, from any thread. ``name`` is its host and port, for messages.

    A URL ``unix:///path`` means HTTP over that Unix socket; ``name`` is then the path. What a token file holds is sent as Bearer;
    with ``basic_logins``, USER:PASSWORD is sent as Basic.
    """

    def __init__(
        self,
        url: str,
        *,
        token_file: Path | None = None,
        ca_file: Path | None = None,
        timeouts: Timeouts | None = None,
        proxies: Proxies | None = None,
        authorities: "Authorities | None" = None,
        look_up_host: LookUp = look_up,
        basic_logins: bool = False,
    ) -> None:
        parts = split_url(url)
        self.url = normalize_url(url)
        self.name = parts.netloc or parts.path
        is_socket = parts.scheme == "unix"
        self._base = "http://localhost" if is_socket else self.url
        self.timeouts = timeouts or Timeouts()
        self._origin = origin_of(self._base)
        self._token_file = token_file
        self._ca_file = ca_file
        self._basic_logins = basic_logins
        self._proxies = proxies or Proxies()
        self._authorities = authorities
        self._rule = SocketRule(parts.path) if is_socket else AddressRule(self._origin.host, look_up_host=look_up_host)
        self._lock = threading.Lock()
        self._exchanges: set[Exchange] = set()
        self._transport: Transport | None = None

    @property
    def exposes_login(self) -> bool:
        """Whether the token goes to another machine without encryption."""
        return self._token_file is not None and self._origin.scheme == "http" and not is_this_machine(self._origin.host)

    def open(
        self,
        method: str,
        path: str,
        *,
        query: Iterable[tuple[str, str]] = (),
        accept: str = "*/*",
        body: Body | None = None,
        content_type: str | None = None,
        byte_ranges: Sequence[tuple[int, int]] = (),
        answers: Iterable[int] = (200,),
        first_byte: float | None = None,
    ) -> HttpResponse:
        """Send a request and return the response, whose status is one of ``answers``. Close it (a context manager).

        ``path`` is relative to the configured URL. A callable body yields its pieces anew each time it is sent; such a request is
        not retried. ``byte_ranges`` ask for the bytes from one offset to another (exclusive): what the server makes of that, 206
        first of all, has to be among the ``answers``. ``first_byte`` is how long the answer may take after the request
        was sent. Raise `UnavailableError` for any other status and any failure on the way, `SourceTimeoutError` for an answer that
        is too slow.
        """
        from catalog.clients.connection import Exchange

        url = self._base + quote(path, safe="/:@!$&'()*+,;=~") + (f"?{urlencode(list(query))}" if query else "")
        headers = {"Accept": accept, "Accept-Encoding": "identity", "User-Agent": _user_agent()}
        if content_type is not None:
            headers["Content-Type"] = content_type
        if byte_ranges:
            headers["Range"] = "bytes=" + ",".join(f"{start}-{end - 1}" for start, end in byte_ranges)
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
        """Cut the requests of these threads (by identifier), or all; each raises `UnavailableError` in its thread."""
        with self._lock:
            exchanges = list(self._exchanges)
        for exchange in exchanges:
            if threads is None or exchange.thread in threads:
                exchange.cut("it was stopped")

    def close(self) -> None:
        """Abort all requests and close the connections."""
        self.abort()
        with self._lock:
            transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def _send_until_answered(self, exchange: "Exchange", request: "_Request", url: str) -> HttpResponse:
        """Send, and send again while the server is busy, or if a connection that was kept open has been closed."""
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
                raise UnavailableError(f"{self.name} is busy", why=f"it answered {response.status} and asks to wait {wait:g} s")
            if exchange.wait(wait):
                raise UnavailableError(f"{self.name} was not asked again", why=exchange.cut_because or "")
        raise AssertionError("the last try returns or raises")

    def _follow(self, exchange: "Exchange", request: "_Request", url: str) -> HttpResponse:
        """Send, and follow redirects."""
        for _ in range(limits.MAX_REDIRECTS + 1):
            response = self._send(exchange, request, url)
            target = response.header("Location")
            if response.status not in _REDIRECTS or target is None:
                return response
            response.close()
            url = follow_redirect(
                self.name, url, target, method=request.method, status=response.status, streamed=callable(request.body)
            )
        raise UnavailableError(f"{self.name} redirects more than {limits.MAX_REDIRECTS} times")

    def _send(self, exchange: "Exchange", request: "_Request", url: str) -> HttpResponse:
        import requests

        from catalog.clients.connection import FAILURES

        origin = origin_of(url)
        headers = dict(request.headers)
        if origin == self._origin and (token := self._read_token()) is not None:
            headers["Authorization"] = self._as_credentials(token)
        proxy = exchange.proxy = self._proxies.find(*origin)
        name = self.name if proxy is None else f"{self.name} (by the proxy {proxy.name})"
        if proxy is not None:
            self._rule.check_behind_proxy(origin.host, origin.port, self.timeouts.connect)
        body = request.body() if callable(request.body) else request.body
        try:
            reply = self._open_transport().send(
                exchange,
                requests.Request(request.method, url, headers, data=body),
                connect=self.timeouts.connect,
                first_byte=request.first_byte,
            )
        except FAILURES as error:
            if exchange.reused and exchange.cut_because is None and not callable(request.body):
                raise _StaleConnectionError(type(error).__name__) from error
            raise read_failure(name, exchange, error) from error
        if exchange.cut_because is not None:  # http.client takes headers that end early for whole ones
            reply.close()
            raise read_failure(name, exchange, ConnectionAbortedError())
        return HttpResponse(reply, exchange, name=name, timeouts=self.timeouts, on_close=self._forget)

    def _open_transport(self) -> "Transport":
        with self._lock:
            if self._transport is None:
                from catalog.clients.connection import Transport

                self._transport = Transport(self._rule, self._make_context)
            return self._transport

    def _make_context(self) -> "SSLContext":
        from catalog.clients.authorities import Authorities, make_context

        return make_context(self._authorities or Authorities(), self._ca_file)

    def _forget(self, exchange: "Exchange") -> None:
        with self._lock:
            self._exchanges.discard(exchange)

    def _refusal(self, response: HttpResponse) -> UnavailableError:
        why = f"it answered {response.status} {response.reason}".rstrip()
        if response.status == 407:
            return UnavailableError(f"{response.name} requires a user name and password", why=why, hint=PROXY_LOGIN_HINT)
        if response.status in {401, 403}:
            return UnavailableError(f"{response.name} denies access", why=why, hint="it requires a token, or a different one")
        if response.status == 421:
            hint = f"it must allow the name: dcat serve --allowed-host {urlsplit(f'//{response.name}').hostname}"
            return UnavailableError(f"{response.name} does not answer to this name", why=why, hint=hint)
        return UnavailableError(f"{response.name} did not answer as expected", why=why)

    def _read_token(self) -> str | None:
        if self._token_file is None:
            return None
        try:
            with self._token_file.open(encoding="ascii") as file:
                token = file.read(8192).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidConfigError(f"the token file {self._token_file} cannot be read", why=explain(error)) from error
        if not _TOKEN.fullmatch(token):
            raise InvalidConfigError(
                f"the token file {self._token_file} holds no token", why="one line of printable ASCII is expected"
            )
        return token

    def _as_credentials(self, token: str) -> str:
        if self._basic_logins and ":" in token:
            return f"Basic {b64encode(token.encode()).decode()}"
        return f"Bearer {token}"


@cache
def _user_agent() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"dcat/{version('dcat-ipfs')}"
    except PackageNotFoundError:
        return "dcat/0"
