"""An IPFS Cluster's proxy in front of a Kubo node, as it answers: pins are the cluster's, all else is passed on to the node."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_TAKEN_OVER = ("add", "pin/add", "pin/rm", "pin/ls", "pin/update", "repo/stat", "repo/gc")


@contextmanager
def cluster_proxy(node: str) -> Iterator[str]:
    """Run the proxy of the node at this URL; yield the proxy's URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self._read_body()
            command = urlsplit(self.path).path.removeprefix("/api/v0/")
            if command in _TAKEN_OVER:
                self._answer(200, "ipfs-cluster/ipfsproxy/1.1.6", json.dumps({"Keys": {}, "Pins": []}).encode())
                return
            connection = HTTPConnection(urlsplit(node).netloc, timeout=60)
            connection.request("POST", self.path, body, {"Content-Type": self.headers.get("Content-Type", "")})
            answer = connection.getresponse()
            self._answer(answer.status, "kubo/0.42.0/", answer.read(), answer.headers.get("Content-Type", ""))
            connection.close()

        def _answer(self, status: int, server: str, body: bytes, kind: str = "application/json") -> None:
            self.send_response_only(status)
            for name, value in (("Server", server), ("Content-Type", kind), ("Content-Length", str(len(body)))):
                self.send_header(name, value)
            self.end_headers()
            with suppress(BrokenPipeError):  # the client has what it wanted
                self.wfile.write(body)

        def _read_body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            pieces = []
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
