"""An engine that misbehaves: it answers who it is, then stalls, breaks off or lies as it was told."""

import json
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TypeAlias

Behaviour: TypeAlias = Callable[["Request"], None]

_VERSION = {"Version": "0.fake", "ApiVersion": "1.41", "MinAPIVersion": "1.24", "Os": "linux", "Arch": "amd64", "Components": []}
_INFO = {"DriverStatus": [], "OSType": "linux", "Architecture": "x86_64"}


class FakeEngine:
    """What a test tells the engine to do: ``behaviours`` by the end of the path; and what it saw (``received``: bodies' bytes)."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.behaviours: dict[str, Behaviour] = {}
        self.received = bytearray()
        self.body_ended = threading.Event()  # the body came with its end
        self.released = threading.Event()  # the test is over: whoever stalls may go
        self.paths: list[str] = []
        self.remove: Behaviour | None = None  # what a DELETE does


class Request(BaseHTTPRequestHandler):
    """One request; behaviours use the methods below."""

    protocol_version = "HTTP/1.1"
    fake: FakeEngine

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        if self.fake.remove is not None:
            self.fake.remove(self)
        else:
            self._answer()

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def stall(self) -> None:
        """Neither read nor write until the test ends."""
        self.fake.released.wait(60)
        self.close_connection = True

    def json(self, value: object, status: int = 200) -> None:
        """Answer with JSON."""
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def begin(self) -> None:
        """Begin an answer in chunks."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data: bytes) -> None:
        """Send one chunk; an empty one ends the answer."""
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def read_body(self, limit: int | None = None) -> None:
        """Read the request's chunks into `FakeEngine.received`, all of them or until there are ``limit`` bytes."""
        while limit is None or len(self.fake.received) < limit:
            line = self.rfile.readline()
            if not line:
                return
            size = int(line, 16)
            self.fake.received += self.rfile.read(size)
            self.rfile.readline()
            if not size:
                self.fake.body_ended.set()
                return

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        self.fake.paths.append(self.path)
        try:
            for end, behaviour in self.fake.behaviours.items():
                if path.endswith(end):
                    behaviour(self)
                    return
            if path.endswith("/version"):
                self.json(_VERSION)
            elif path.endswith("/info"):
                self.json(_INFO)
            elif path.endswith("/images/json"):
                self.json([])
            else:
                self.json({"message": "no such image"}, 404)
        except OSError:
            self.close_connection = True


class _Quiet:
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_: object) -> None:
        """Log nothing: connections that break are the point."""


class _UnixServer(_Quiet, socketserver.ThreadingUnixStreamServer):
    pass


class _TcpServer(_Quiet, socketserver.ThreadingTCPServer):
    pass


@contextmanager
def fake_engine(folder: Path, *, tcp: bool = False, tls: ssl.SSLContext | None = None) -> Iterator[FakeEngine]:
    """Run a fake engine on a Unix socket in ``folder``, or on loopback over TCP, in TLS where a context is given."""
    fake = FakeEngine(f"unix://{folder / 'engine.sock'}")
    handler = type("BoundRequest", (Request,), {"fake": fake})
    server: socketserver.BaseServer
    if tcp or tls:
        server = _TcpServer(("127.0.0.1", 0), handler)
        fake.host = f"tcp://127.0.0.1:{server.server_address[1]}"
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
    else:
        server = _UnixServer(str(folder / "engine.sock"), handler)
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield fake
        finally:
            fake.released.set()
            server.shutdown()
            thread.join()
