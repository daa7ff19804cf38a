import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from catalog.clients.http import HttpClient
from catalog.errors import UnavailableError
from catalog.ipns.key import IpnsKey
from catalog.limits import MAX_RECORD_SIZE
from catalog.sources.http_records import HttpRouting
from catalog.sources.protocol import RECORD_TYPE

NAME = IpnsKey(b"h" * 32).name
ROUTER, GATEWAY = f"/routing/v1/ipns/{NAME}", f"/ipns/{NAME}?format=ipns-record"


class Server:
    """Answers by path: (status, media type, body); what is not set is 404."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, str, bytes]] = {}
        self.asked: list[str] = []
        self.put: list[tuple[str, str | None, bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                self._answer(outer.answers.get(self.path, (404, "text/plain", b"no")))

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.put.append((self.path, self.headers["Content-Type"], body))
                self._answer(outer.answers.get(f"PUT {self.path}", (200, "", b"")))

            def _answer(self, answer: tuple[int, str, bytes]) -> None:
                status, media_type, body = answer
                self.send_response(status)
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.client = HttpClient(f"http://127.0.0.1:{self._server.server_port}")
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        self.client.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


def test_a_router_gives_its_record(server: Server) -> None:
    server.answers[ROUTER] = (200, RECORD_TYPE, b"record")
    routing = HttpRouting(server.client)
    assert routing.get(NAME) == routing.get(NAME) == b"record"
    assert server.asked == [ROUTER, ROUTER]


def test_a_router_without_the_record_says_so_in_two_ways(server: Server) -> None:
    routing = HttpRouting(server.client)
    assert routing.get(NAME) is None
    server.answers[ROUTER] = (200, "text/plain; charset=utf-8", b"delegate error: routing: not found")
    assert routing.get(NAME) is None
    server.answers[ROUTER] = (404, "text/plain", b"")
    server.asked.clear()
    assert routing.get(NAME) is None
    assert server.asked == [ROUTER]


def test_a_gateway_is_asked_as_one(server: Server) -> None:
    server.answers[ROUTER] = (501, "text/plain", b"")
    server.answers[GATEWAY] = (200, RECORD_TYPE, b"record")
    routing = HttpRouting(server.client)
    assert routing.get(NAME) == routing.get(NAME) == b"record"
    assert server.asked == [ROUTER, GATEWAY, GATEWAY]


def test_a_page_is_no_record(server: Server) -> None:
    server.answers[ROUTER] = (200, "text/html", b"<html>log in</html>")
    with pytest.raises(UnavailableError) as caught:
        HttpRouting(server.client).get(NAME)
    assert "captive portal" in caught.value.hint


def test_more_than_a_record_is_not_read(server: Server) -> None:
    server.answers[ROUTER] = (200, RECORD_TYPE, b"x" * (MAX_RECORD_SIZE + 1))
    with pytest.raises(UnavailableError):
        HttpRouting(server.client).get(NAME)


def test_a_server_that_gives_no_records_is_named(server: Server) -> None:
    server.answers[ROUTER] = server.answers[GATEWAY] = (400, "text/plain", b"")
    with pytest.raises(UnavailableError, match="has no records"):
        HttpRouting(server.client).get(NAME)


def test_a_record_is_put_with_its_type(server: Server) -> None:
    HttpRouting(server.client).put(NAME, b"record")
    assert server.put == [(ROUTER, RECORD_TYPE, b"record")]
    server.answers[f"PUT {ROUTER}"] = (403, "text/plain", b"not followed here")
    with pytest.raises(UnavailableError):
        HttpRouting(server.client).put(NAME, b"record")
