"""HTTP/1.1 to an engine: over a Unix socket, TCP or TLS.

Considered: docker-py's client, over requests. Both take as long to import as an engine needs to push an image that is known, and a
session of theirs may not be used by several threads. docker-py is left with the user's logins (`catalog.clients.docker.login`).
"""

import select
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from typing import Any, Final, Self
from urllib.parse import SplitResult, urlencode, urlsplit

from catalog.clients.docker.target import EngineTarget
from catalog.limits import KIB

LOST: Final = (HTTPException, OSError)
"""How a connection ends that should not."""
_SOCKET: Final = "/var/run/docker.sock"
_MOST_IDLE: Final = 4
_BUFFER: Final = 128 * KIB  # engines send chunks of 32 KiB


class Answer:
    """The answer to a request, with its body unread. Close it, or use it in a ``with`` statement.

    That ends the connection, unless the body was read to its end: then ``keep`` is called with the connection.
    """

    def __init__(
        self, asked: str, connection: HTTPConnection, response: HTTPResponse, keep: Callable[[HTTPConnection], None]
    ) -> None:
        self.asked = asked
        self.status = response.status
        self._connection = connection
        self._socket = connection.sock  # http.client forgets it where the engine ends the connection
        self._response = response
        self._keep = keep

    def stream(self, size: int) -> Iterator[bytes]:
        """Yield the body in pieces of at most ``size`` bytes, as they arrive; raise `LOST` where it ends too early."""
        while piece := self._response.read1(size):
            yield piece
        if self._response.length:
            raise IncompleteRead(b"", self._response.length)

    def fileno(self) -> int:
        """Return the descriptor of the connection; raise `OSError` where it is closed already."""
        return self._socket.fileno()

    def limit_silence(self, seconds: float) -> None:
        """Allow only so many seconds of silence from now on."""
        with suppress(OSError):  # closed: there is nothing to wait for
            self._socket.settimeout(seconds)

    def close(self) -> None:
        is_whole = self._response.length == 0 or (self._response.chunked and self._response.isclosed())
        self._response.close()
        if is_whole and self._connection.sock is not None:
            self._keep(self._connection)
        else:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class EngineConnector:
    """Sends requests to one engine, and keeps idle connections. Any thread may use it; close it at the end."""

    def __init__(self, target: EngineTarget) -> None:
        """Read the address and the files of TLS; raise `ValueError`, `OSError`. Nothing is connected yet."""
        self._idle: deque[HTTPConnection] = deque(maxlen=_MOST_IDLE)
        self._path = ""  # of a Unix socket
        self._url = SplitResult("", "", "", "", "")
        self._tls = None
        if target.host.startswith("unix://"):
            rest = target.host.removeprefix("unix://").strip("/")
            self._path = f"/{rest}" if rest else _SOCKET
            return
        self._url = _parse(target.host)
        if target.tls is not None or self._url.scheme == "https":
            from ssl import CERT_NONE, create_default_context

            files = target.tls
            self._tls = create_default_context(cafile=None if files is None else files.ca)
            if files is not None:
                self._tls.load_cert_chain(files.cert, files.key)
                if not files.verify:
                    self._tls.check_hostname = False
                    self._tls.verify_mode = CERT_NONE

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        data: Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        timeouts: tuple[float, float],
    ) -> Answer:
        """Send one request and return the answer, of any status. ``path`` is quoted already.

        ``timeouts`` are the seconds for connecting and for each write, and those of silence until the answer begins. Raise `LOST`,
        and what ``data`` raises: the connection then ends without the end of the body.
        """
        connection = self._take_idle(timeouts[0]) or self._open(timeouts[0])
        connection.response_class = _Response
        try:
            query = f"?{urlencode(params)}" if params else ""
            url = f"{self._url.path.rstrip('/')}{path}{query}"
            if data is None:
                connection.request(method, url, headers=dict(headers or {}))
            else:
                _send(connection, method, url, data, headers or {})
            connection.sock.settimeout(timeouts[1])
            return Answer(f"{method} {path}", connection, connection.getresponse(), self._idle.append)
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    def _take_idle(self, timeout: float) -> HTTPConnection | None:
        """Return a connection that the engine has not closed; None where there is none."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if not select.select([connection.sock], [], [], 0)[0]:  # what can be read is its end
                connection.sock.settimeout(timeout)
                return connection
            connection.close()

    def _open(self, timeout: float) -> HTTPConnection:
        if self._path:
            return _UnixConnection(self._path, timeout)
        host, port = self._url.hostname or "", self._url.port
        if self._tls is None:
            return HTTPConnection(host, port, timeout=timeout)
        from http.client import HTTPSConnection

        return HTTPSConnection(host, port, timeout=timeout, context=self._tls)


class _Response(HTTPResponse):
    """A response that is read in larger pieces than http.client's own of 8 KiB."""

    def __init__(self, sock: socket.socket, *arguments: Any, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        self.fp.close()
        larger: Any = sock.makefile("rb", _BUFFER)
        self.fp = larger


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(self.timeout)
            sock.connect(self._path)
        except BaseException:
            sock.close()
            raise
        self.sock = sock


def _parse(host: str) -> SplitResult:
    url = urlsplit(host if "://" in host else f"tcp://{host}")
    if url.scheme not in ("tcp", "http", "https"):
        raise ValueError(f"{url.scheme} is not a protocol that dcat speaks here")
    if url.password or url.query or url.fragment:
        raise ValueError("an address has no password, query or fragment")
    if not url.port:
        raise ValueError("the address needs a port")
    return url if url.hostname else url._replace(netloc=f"127.0.0.1:{url.port}")


def _send(connection: HTTPConnection, method: str, url: str, data: Iterable[bytes], headers: Mapping[str, str]) -> None:
    """Send a request with a body in chunks; an engine that answers before the end of it may close its side."""
    connection.putrequest(method, url)
    for name, value in {**headers, "Transfer-Encoding": "chunked"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    with suppress(BrokenPipeError, ConnectionResetError):
        before = b""
        for piece in data:
            if piece:
                connection.send(b"%b%x\r\n" % (before, len(piece)))
                connection.send(piece)
                before = b"\r\n"
        connection.send(before + b"0\r\n\r\n")
