"""A scripted HTTP API: for answers that the real program cannot be brought to. Each request is noted with its credentials."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: ``what`` is its method and path, as in ``GET /id``."""

    what: str
    query: str
    authorization: str
    body: bytes


Answer = tuple[int, bytes] | tuple[int, bytes, dict[str, str]]


@dataclass(slots=True)
class ScriptedApi:
    """Answers by the longest of ``answers`` that ``METHOD /path`` begins with; a callable is asked each time."""

    answers: dict[str, Answer | Callable[[Asked], Answer]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def set(self, what: str, value: object, status: int = 200) -> None:
        """Answer with a value as JSON."""
        self.answers[what] = (status, json.dumps(value).encode() + b"\n")

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        found = max((known for known in self.answers if asked.what.startswith(known)), key=len, default="")
        if not found:
            return 404, b'{"code":404,"message":"not found"}'
        known = self.answers[found]
        return known(asked) if callable(known) else known


@contextmanager
def scripted_api() -> Iterator[ScriptedApi]:
    """Run the API on loopback."""
    api = ScriptedApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def do_DELETE(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            asked = Asked(f"{self.command} {parts.path}", parts.query, self.headers.get("Authorization", ""), body)
            status, reply, *headers = api.answer(asked)
            self.send_response_only(status)
            for name, value in ({"Content-Type": "application/json"} | (headers[0] if headers else {})).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            with suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
