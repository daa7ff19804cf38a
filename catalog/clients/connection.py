"""HTTP connections to checked addresses only, which another thread can cut.

They override urllib3 where a connection is made and where an answer is awaited: Host, SNI and the check of the certificate use the
name, while the socket is connected to the checked address. ``_new_conn`` and ``_dns_host`` are not public, hence the upper bound of
urllib3 in ``pyproject.toml``; a urllib3 that no longer calls ``_new_conn`` gets no connection. Import this lazily: requests and
urllib3 take 90 ms.
"""

import contextlib
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from catalog.clients.address import Address, AddressRule
from catalog.clients.proxy import Proxy
from catalog.clients.socks import open_tunnel
from catalog.limits import MAX_CONNECTIONS_A_SOURCE

_BUFFER = 1 << 20
_UNIX = int(socket.AF_UNIX)
_LAST_CHUNK = b"0\r\n\r\n"


class Exchange:
    """One request and its answer. `cut` ends it from any thread: whatever waits for it fails at once."""

    def __init__(self) -> None:
        self.proxy: Proxy | None = None
        self.reused = True  # on a connection that was open before, which the other side may have closed since
        self.thread = threading.get_ident()
        self.cut_because: str | None = None
        self._cut = threading.Event()
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._timer: threading.Timer | None = None
        self._reading_since: float | None = None
        self._read = threading.Event()

    def cut(self, why: str) -> None:
        """End the exchange; ``why`` becomes part of its error."""
        with self._lock:
            if self.cut_because is None:
                self.cut_because = why
            self._cut.set()
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # of the socket itself, also under TLS

    def wait(self, seconds: float) -> bool:
        """Sleep; return whether the exchange was cut."""
        return self._cut.wait(seconds)

    def attach(self, sock: socket.socket) -> None:
        """Record the socket that is used from now on."""
        with self._lock:
            self._socket = sock
            if self.cut_because is not None:
                raise ConnectionAbortedError(self.cut_because)

    def detach(self) -> None:
        """Forget the socket, which returns to its pool: a later cut must not close it."""
        self._read.set()
        with self._lock:
            self._socket = None

    def set_read_timeout(self, seconds: float) -> None:
        """Set how long one read may wait."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.settimeout(seconds)

    def await_answer(self, seconds: float) -> None:
        """Cut the exchange unless `answered` is called in time. A timeout for each read would not bound headers that drip."""
        self._timer = threading.Timer(seconds, self.cut, (f"no answer within {seconds:g} s",))
        self._timer.daemon = True
        self._timer.start()

    def watch_reads(self, seconds: float) -> None:
        """Cut the exchange when one read takes longer than ``seconds``, from now until `detach`.

        A chunked body is taken apart by loops of the HTTP library, which drip or go on for ever where no data comes of them: the
        line of a chunk's size, and the trailer.
        """

        def run() -> None:
            while not self._read.wait(seconds / 4):
                since = self._reading_since
                if since is not None and monotonic() - since > seconds:
                    self.cut(f"no answer within {seconds:g} s")
                    return

        threading.Thread(target=run, name="read-watch", daemon=True).start()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Mark the time of one read for `watch_reads`."""
        self._reading_since = monotonic()
        try:
            yield
        finally:
            self._reading_since = None

    def answered(self) -> None:
        """Note that status and headers have arrived."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Guard(threading.local):
    """What the connections of one client refer to: the rule for addresses, and the exchange of the current thread."""

    exchange: Exchange | None = None

    def __init__(self, rule: AddressRule) -> None:
        self.rule = rule


class _GuardedConnection(HTTPConnection):
    guard: Guard
    _held: bytes | None = None  # the last piece of a chunked body, until it is known whether one follows
    _is_checked = False

    def connect(self) -> None:
        """Connect, and make sure that the address was checked."""
        self._is_checked = False
        if self.guard.exchange is not None:
            self.guard.exchange.reused = False
        super().connect()
        if not self._is_checked:
            self.close()
            why = "this release of urllib3 connects without the check of addresses"
            raise NewConnectionError(self, why) from ConnectionAbortedError(why)

    def _new_conn(self) -> socket.socket:
        timeout = self.timeout if isinstance(self.timeout, int | float) else 30.0
        host = self._dns_host.strip("[]")
        proxy = self.guard.exchange.proxy if self.guard.exchange is not None else None
        if proxy is None:
            return self._connect_to(self.guard.rule.resolve(host, self.port, timeout), timeout)
        sock = self._connect_to(AddressRule(proxy.host).resolve(proxy.host, proxy.port, timeout), timeout)
        if proxy.is_socks:
            try:
                target = host if proxy.scheme == "socks5h" else self.guard.rule.resolve(host, self.port, timeout)[0].text
                open_tunnel(sock, proxy, target, self.port)
            except TimeoutError as error:
                sock.close()
                raise ConnectTimeoutError(self, f"no connection to {self.host} within {timeout:g} s") from error
            except OSError as error:
                sock.close()
                raise NewConnectionError(self, f"{error}") from error
            except BaseException:
                sock.close()
                raise
        return sock

    def _connect_to(self, addresses: list[Address], timeout: float) -> socket.socket:
        failure: OSError | None = None
        for position, address in enumerate(addresses):
            sock = socket.socket(address.family, socket.SOCK_STREAM)
            try:
                sock.settimeout(timeout / (len(addresses) - position) if len(addresses) > 1 else timeout)
                for option in (self.socket_options or ()) if address.family != _UNIX else ():
                    sock.setsockopt(*option)
                sock.connect(address.sockaddr)
                sock.settimeout(timeout)
            except OSError as error:
                sock.close()
                failure = error
                continue
            sys.audit("http.client.connect", self, self.host, self.port)
            self._is_checked = True
            return sock
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, f"no connection to {self.host} within {timeout:g} s") from failure
        raise NewConnectionError(self, f"{failure}") from failure

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.guard.exchange is not None and self.sock is not None:
            self.guard.exchange.attach(self.sock)
        self._held = b"" if kwargs.get("chunked") else None
        super().request(*args, **kwargs)

    def send(self, data: Any) -> None:
        """Send; the last piece of a chunked body goes in one packet with the end.

        A server in Go notices that its client has gone only after it has read the whole body. When the end came in a later packet,
        Kubo had begun its work, never noticed, and worked on for ever, holding the lock of its GC.
        """
        if self._held is None:
            super().send(data)
        elif data == _LAST_CHUNK:
            super().send(self._held + data)
            self._held = None
        else:
            if self._held:
                super().send(self._held)
            self._held = data

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
        exchange = self.guard.exchange
        if exchange is None:
            return super().getresponse()
        exchange.attach(self.sock)
        exchange.await_answer(self.timeout if isinstance(self.timeout, int | float) else 30.0)
        try:
            return super().getresponse()
        finally:
            exchange.answered()


class _GuardedTlsConnection(_GuardedConnection, HTTPSConnection):
    pass


class GuardedAdapter(HTTPAdapter):
    """The adapter of requests over guarded connections, with one pool for each origin."""

    def __init__(self, guard: Guard, context: Callable[[], ssl.SSLContext], *, connections: int) -> None:
        self._context = context
        plain = type("PlainConnection", (_GuardedConnection,), {"guard": guard})
        tls = type("TlsConnection", (_GuardedTlsConnection,), {"guard": guard})
        self._pool_classes: dict[str, type[urllib3.HTTPConnectionPool]] = {
            "http": type("PlainPool", (urllib3.HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("TlsPool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": tls}),
        }
        super().__init__(pool_connections=8, pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, blocksize=_BUFFER, **options)
        self.poolmanager.pool_classes_by_scheme = self._pool_classes

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> tuple[Any, Any]:
        host, tls = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {**tls, "ssl_context": self._context()} if host["scheme"] == "https" else tls

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:  # noqa: ARG002
        """Leave the authorities to the context: requests would add its own to it."""
        conn.cert_reqs = "CERT_REQUIRED"

    def proxy_manager_for(self, proxy: str, **options: Any) -> urllib3.ProxyManager:
        if proxy.startswith("https:"):
            options["proxy_ssl_context"] = self._context()
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = self._pool_classes
        return manager


class Transport:
    """Sends requests, one at a time for each thread, and keeps connections open between them."""

    def __init__(self, rule: AddressRule, context: Callable[[], ssl.SSLContext]) -> None:
        """``context`` returns what servers are verified by; it is called for the first request over TLS."""
        self._guard = Guard(rule)
        self._adapter = GuardedAdapter(self._guard, context, connections=MAX_CONNECTIONS_A_SOURCE)

    def send(
        self,
        exchange: Exchange,
        request: requests.Request,
        *,
        connect: float,
        first_byte: float,
    ) -> requests.Response:
        """Send, through the exchange's proxy if it has one, and wait for status and headers.

        Raise one of `FAILURES`, or what the rule for addresses raises.
        """
        self._guard.exchange = exchange
        proxy = None if exchange.proxy is None or exchange.proxy.is_socks else exchange.proxy.url
        try:
            return self._adapter.send(
                request.prepare(),
                stream=True,
                timeout=(connect, first_byte),
                proxies={} if proxy is None else {"http": proxy, "https": proxy},
            )
        finally:
            self._guard.exchange = None

    def close(self) -> None:
        """Close the open connections."""
        for manager in (self._adapter.poolmanager, *self._adapter.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118  it is not a dictionary
                pool = manager.pools.get(key)
                if pool is not None:
                    pool.close()
        self._adapter.close()


FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)
