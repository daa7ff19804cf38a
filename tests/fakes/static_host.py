"""A web server of plain files, as clumsy or hostile as they come. It notes each request and counts the bytes of bodies.

`StaticHost.behaviour` is one of `BEHAVIOURS` and may change while it runs; ``only`` restricts it to paths that contain this text.
``types`` are media types by a part of the path, ``apply`` reads headers out of the folder's ``_headers``.
"""

import gzip
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote

from tests.fakes.header_rules import Apply

CLUMSY = (
    "plain",
    "no-ranges",  # 200 and the whole file, whatever is asked for
    "multipart",  # an answer of several parts, of one
    "several",  # all ranges that were asked for, as several parts
    "several-turned",  # the same, the last one first
    "several-shifted",  # the same, each from one byte later
    "off-by-one",  # one byte more at the end, and it says so
    "shifted",  # says the right range and sends the one beside it
    "416",  # for every range
    "compress",  # gzip on the fly, asked for or not
    "text",  # text/plain for every file
    "no-type",
    "listing",  # folders are listed, and missing files are pages
    "redirect",  # to the same file, elsewhere
    "close",  # the connection, after each answer
)
HOSTILE = (
    "lie",  # one bit of each file
    "cut",  # half of each answer, under the whole length
    "page",  # 200 and HTML for everything
    "empty",  # 200 and nothing
    "forbidden",
    "error",
)
BEHAVIOURS = CLUMSY + HOSTILE


@dataclass
class StaticHost:
    """The server; start it with ``with``."""

    folder: Path
    behaviour: str = "plain"
    only: str = ""
    requests: list[str] = field(default_factory=list)
    sent: int = 0
    types: dict[str, str] = field(default_factory=dict)
    apply: Apply | None = None

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"host": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]  # a client that went away
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def count(self, text: str) -> int:
        """Return the number of requests whose line contains a text."""
        return sum(text in line for line in self.requests)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.1"  # docker and BuildKit try TLS first: the answer to that has to begin with "HTTP/"
    disable_nagle_algorithm = True
    host: StaticHost

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.host.requests.append(f"POST {self.path}")
        self._send(405, b"no\n", {"Content-Type": "text/plain"})

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.host.requests.append(f"{self.command} {self.path} {wanted}".rstrip())
        how = self.host.behaviour if self.host.only in self.path else "plain"
        path = unquote(self.path.partition("?")[0]).lstrip("/")
        if how == "redirect" and not path.startswith("elsewhere/"):
            self._send(307, b"", {"Location": f"/elsewhere/{path}"})
            return
        if how in ("forbidden", "error"):
            self._send(403 if how == "forbidden" else 500, b"no\n", {"Content-Type": "text/plain"})
            return
        file = self.host.folder / path.removeprefix("elsewhere/")
        if path.endswith("/") and (file / "index.html").is_file():
            file /= "index.html"
        if how == "page" or (how == "listing" and not file.is_file()):
            self._send(200, b"<!DOCTYPE html><title>Files</title>\n", {"Content-Type": "text/html"})
            return
        if not file.is_file():
            self._send(404, b"<h1>404</h1>\n", {"Content-Type": "text/html"})
            return
        data = b"" if how == "empty" else file.read_bytes()
        if how == "lie" and data:
            middle = len(data) // 2
            data = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        self._answer(data, wanted, how)

    def _answer(self, data: bytes, wanted: str, how: str) -> None:
        kind = next((kind for part, kind in self.host.types.items() if part in self.path), "application/octet-stream")
        headers = {"content-type": kind}
        if self.host.apply is not None:
            headers |= self.host.apply((self.host.folder / "_headers").read_text(), unquote(self.path.partition("?")[0]))
        if how == "text":
            headers["content-type"] = "text/plain"
        if how == "no-type":
            del headers["content-type"]
        if how == "compress":
            data, headers["Content-Encoding"] = gzip.compress(data), "gzip"
        if how == "close":
            headers["Connection"] = "close"
        if "," in wanted and how.startswith("several"):
            self._send(206, *_several(data, wanted, how))
            return
        if not wanted or "," in wanted or how in ("no-ranges", "compress"):
            self._send(200, data, headers, cut=how == "cut")
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, end = int(first), int(last or len(data) - 1)
        if how == "416":
            self._send(416, b"", {"Content-Range": f"bytes */{len(data)}"})
            return
        if how == "off-by-one":
            end = min(end + 1, len(data))
        headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
        part = data[start + 1 : end + 2].ljust(end + 1 - start, b"\0") if how == "shifted" else data[start : end + 1]
        if how == "multipart":
            part = b"--x\r\nContent-Range: bytes %d-%d/%d\r\n\r\n%s\r\n--x--\r\n" % (start, end, len(data), part)
            headers = {"Content-Type": "multipart/byteranges; boundary=x"}
        self._send(206, part, headers, cut=how == "cut")

    def _send(self, status: int, body: bytes, headers: dict[str, str], *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        body = body[: len(body) // 2] if cut else body
        self.wfile.write(body)
        self.host.sent += len(body)
        self.close_connection = self.close_connection or cut


def _several(data: bytes, wanted: str, how: str) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of an answer of several parts."""
    body = b""
    asked = wanted.removeprefix("bytes=").split(",")
    for text in reversed(asked) if how == "several-turned" else asked:
        start, end = map(int, text.split("-"))
        part = data[start + 1 : end + 2].ljust(end + 1 - start) if how == "several-shifted" else data[start : end + 1]
        body += b"\r\n--abc\r\nContent-Type: application/octet-stream\r\n"
        body += b"Content-Range: bytes %d-%d/%d\r\n\r\n" % (start, end, len(data)) + part
    return body + b"\r\n--abc--\r\n", {"Content-Type": "multipart/byteranges; boundary=abc"}
