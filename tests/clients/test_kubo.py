"""What is said of a Kubo node that cannot be used."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from catalog.clients.http import HttpClient
from catalog.clients.kubo import KuboClient
from catalog.clients.timeouts import Timeouts
from catalog.errors import BlockNotFoundError, SourceTimeoutError, UnavailableError
from catalog.ipld.block import Block
from catalog.ipld.cid import cid_of
from tests.fakes.timeouts import scaled

FAST = scaled(Timeouts(), 20)  # only where somebody makes dcat wait
PATIENT = Timeouts(retry=0.01)
BLOCK = Block(cid_of(b"data"), b"data")


class FakeKubo:
    """Answers each command with a status, a media type and a body."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, str, bytes]] = {"version": (200, "application/json", b'{"Version":"0.42.0"}\n')}
        self.bodies: dict[str, bytes] = {}
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                command = self.path.removeprefix("/api/v0/").partition("?")[0]
                body = b""
                if self.headers.get("Transfer-Encoding") == "chunked":
                    while size := int(self.rfile.readline(), 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                fake.bodies[command] = body
                status, media_type, answer = fake.answers.get(command, (404, "text/plain", b"404 page not found\n"))
                self.send_response_only(status)
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.client = KuboClient(HttpClient(f"http://127.0.0.1:{self.server.server_port}", timeouts=PATIENT))

    def refuse(self, command: str, message: str, status: int = 500) -> None:
        body = json.dumps({"Message": message, "Code": 0, "Type": "error"}).encode()
        self.answers[command] = (status, "application/json", body)

    def answer(self, command: str, *lines: object) -> None:
        self.answers[command] = (200, "application/json", b"".join(json.dumps(line).encode() + b"\n" for line in lines))


@pytest.fixture
def kubo_fake() -> Iterator[FakeKubo]:
    fake = FakeKubo()
    yield fake
    fake.client.close()
    fake.server.shutdown()
    fake.server.server_close()


def test_down() -> None:
    client = KuboClient(HttpClient("http://127.0.0.1:9", timeouts=FAST))
    with pytest.raises(UnavailableError, match="cannot be used") as caught:
        client.version()
    assert "refused" in caught.value.why
    assert "daemon" in caught.value.hint


@pytest.mark.parametrize("version", ["0.28.0", "0.4.23", "0.28.0-rc1"])
def test_too_old(kubo_fake: FakeKubo, version: str) -> None:
    kubo_fake.answer("version", {"Version": version})
    with pytest.raises(UnavailableError, match="too old") as caught:
        kubo_fake.client.find_pins("x")
    assert version in caught.value.why


@pytest.mark.parametrize("version", ["0.29.0", "0.43.1", "0.44.0-dev", "1.0.0"])
def test_new_enough(kubo_fake: FakeKubo, version: str) -> None:
    kubo_fake.answer("version", {"Version": version})
    assert kubo_fake.client.version() == version


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_is_needed(kubo_fake: FakeKubo, status: int) -> None:
    kubo_fake.answers["version"] = (status, "text/plain", b"Forbidden\n")
    with pytest.raises(UnavailableError, match="denies access") as caught:
        kubo_fake.client.version()
    assert "token" in caught.value.hint


@pytest.mark.parametrize(
    "answer",
    [
        (405, "text/plain", b"method not allowed"),
        (404, "text/plain", b"404 page not found"),
        (200, "text/html", b"<html>"),
        (200, "application/json", b"[" * 100_000),
        (200, "application/json", b'["Version"]'),
        (200, "application/json", b"{}"),
        (200, "application/json", b""),
    ],
)
def test_no_kubo_at_all(kubo_fake: FakeKubo, answer: tuple[int, str, bytes]) -> None:
    kubo_fake.answers["version"] = answer
    with pytest.raises(UnavailableError, match="is not a Kubo"):
        kubo_fake.client.version()


def test_read_only(kubo_fake: FakeKubo) -> None:
    kubo_fake.answers["dag/import"] = (403, "text/plain", b"403 - Forbidden")
    with pytest.raises(UnavailableError, match="denies access") as caught:
        kubo_fake.client.import_blocks([BLOCK])
    assert caught.value.why.startswith("dag/import")


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [{"Root": {"Cid": {"/": str(BLOCK.cid)}, "PinErrorMsg": "block was not found"}}],
        [{"Root": {"Cid": {"/": str(BLOCK.cid)}, "PinErrorMsg": ""}}],
        [{"Stats": {"BlockCount": 1}}],
        [{"Root": {"Cid": {"/": str(BLOCK.cid)}, "PinErrorMsg": ""}}, {"Stats": {"BlockCount": 0}}],
        [{"Message": "disk full", "Code": 0, "Type": "error"}],
        ["text", 5, None],
    ],
)
def test_an_import_that_was_not_is_not_believed(kubo_fake: FakeKubo, lines: list[object]) -> None:
    """Kubo says 200 before it knows; errors that come later are in lines, or in a trailer that nobody sees."""
    kubo_fake.answer("dag/import", *lines)
    with pytest.raises(UnavailableError):
        kubo_fake.client.import_blocks([], BLOCK)


def test_an_import_is_two_cars_in_one_form(kubo_fake: FakeKubo) -> None:
    kubo_fake.answer("dag/import", {"Root": {"Cid": {"/": str(BLOCK.cid)}, "PinErrorMsg": ""}}, {"Stats": {"BlockCount": 2}})
    kubo_fake.client.import_blocks([BLOCK], BLOCK)
    body = kubo_fake.bodies["dag/import"]
    assert body.count(b"Content-Disposition: form-data") == 2
    assert body.index(b'filename="blocks.car"') < body.index(b'filename="root.car"')


def test_refusals_are_told_apart(kubo_fake: FakeKubo) -> None:
    kubo_fake.refuse("block/get", "block was not found locally (offline): ipld: could not find x")
    with pytest.raises(BlockNotFoundError):
        kubo_fake.client.get_block(BLOCK.cid, offline=True, timeout=1)
    kubo_fake.refuse("block/get", "context deadline exceeded")
    with pytest.raises(SourceTimeoutError):
        kubo_fake.client.get_block(BLOCK.cid, offline=True, timeout=1)
    kubo_fake.refuse("block/get", "something else")
    with pytest.raises(UnavailableError, match="refuses block/get") as caught:
        kubo_fake.client.get_block(BLOCK.cid, offline=True, timeout=1)
    assert caught.value.why == "something else"


def test_records_on_an_older_node(kubo_fake: FakeKubo) -> None:
    kubo_fake.answer("routing/get", {"Type": 1, "Extra": ""}, {"Type": 5, "Extra": "cmVjb3Jk"})
    assert kubo_fake.client.get_record("k51", timeout=1) == b"record"
    kubo_fake.answer("routing/put", {"Type": 0})
    kubo_fake.client.put_record("k51", b"record", allow_offline=True, timeout=1)
    assert b"record" in kubo_fake.bodies["routing/put"]
    kubo_fake.refuse("routing/put", "can't replace a newer value with an older value")
    kubo_fake.client.put_record("k51", b"record", allow_offline=True, timeout=1)
    kubo_fake.refuse("routing/put", "no peers")
    with pytest.raises(UnavailableError):
        kubo_fake.client.put_record("k51", b"record", allow_offline=True, timeout=1)


def test_no_record(kubo_fake: FakeKubo) -> None:
    kubo_fake.refuse("name/get", "routing: not found")
    assert kubo_fake.client.get_record("k51", timeout=1) is None


def test_a_node_that_answers_for_ever() -> None:
    """A wait for a node has a bound, and its end names the node and the command."""
    stopped = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.send_response_only(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            with contextlib.suppress(OSError):
                while not stopped.wait(0.02):
                    self.wfile.write(b'c\r\n{"Keys":{}}\n\r\n')

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        client = KuboClient(HttpClient(f"http://127.0.0.1:{server.server_port}", timeouts=FAST))
        started = time.monotonic()
        with pytest.raises(SourceTimeoutError, match=r"did not end (version|pin/update) in time"):
            client.update_pin(str(BLOCK.cid), BLOCK.cid, timeout=0.3)
        assert time.monotonic() - started < 60
        stopped.set()
        server.shutdown()
        client.close()
