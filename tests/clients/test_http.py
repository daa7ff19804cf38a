"""HTTP with hosts that are not trusted: docs/safety.md B4 to B9, for one request."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.clients.http import HttpClient
from catalog.clients.proxy import Proxies
from catalog.clients.timeouts import Timeouts
from catalog.errors import DcatError, InvalidConfigError, SourceTimeoutError, UnavailableError
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid, cid_of
from catalog.limits import MIB
from tests.fakes.certificates import Certificates
from tests.fakes.lying_source import LyingSource
from tests.fakes.timeouts import scaled
from tests.needs import ROOT

FAST = scaled(Timeouts(), 20)  # only where somebody makes dcat wait: a busy machine must not look like that
PATIENT = Timeouts(retry=0.01)
DATA = bytes(range(256)) * 400
BLOCK = Block(cid_of(DATA), DATA)


@pytest.fixture
def source() -> Iterator[LyingSource]:
    with LyingSource([BLOCK]) as source:
        yield source


def read_block(client: HttpClient, cid: Cid = BLOCK.cid, limit: int = MIB) -> bytes:
    with client.open("GET", f"/ipfs/{cid}", query=[("format", "raw")], accept="application/vnd.ipld.raw") as response:
        return response.read_all(limit)


def test_a_body_and_what_was_asked_for(source: LyingSource) -> None:
    client = HttpClient(source.url + "/", timeouts=PATIENT)
    assert read_block(client) == DATA
    method, target, headers = source.requests[0]
    assert (method, target) == ("GET", f"/ipfs/{BLOCK.cid}?format=raw")
    assert headers["Accept-Encoding"] == "identity"
    assert headers["User-Agent"].startswith("dcat/")
    assert "Cookie" not in headers
    assert "Authorization" not in headers


def test_connections_are_kept(source: LyingSource, monkeypatch: pytest.MonkeyPatch) -> None:
    client = HttpClient(source.url, timeouts=PATIENT)
    connected = []
    connect = socket.socket.connect

    def count(self: socket.socket, address: tuple[str, int]) -> None:
        connected.append(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", count)
    for cid in (BLOCK.cid, cid_of(b"absent"), BLOCK.cid):
        with client.open("GET", f"/ipfs/{cid}", answers=(200, 404)) as response:
            if response.status == 200:
                response.read_all(MIB)
    assert len(connected) == 1
    client.close()


@pytest.mark.parametrize("behaviour", ["stall", "stall-inside", "drip", "drip-headers"])
def test_whoever_is_silent_or_drips_is_cut(source: LyingSource, behaviour: str) -> None:
    source.behaviour = behaviour
    with pytest.raises(SourceTimeoutError):
        read_block(HttpClient(source.url, timeouts=FAST))


@pytest.mark.parametrize("behaviour", ["truncate", "reset"])
def test_a_body_that_breaks_off(source: LyingSource, behaviour: str) -> None:
    source.behaviour = behaviour
    with pytest.raises(UnavailableError):
        read_block(HttpClient(source.url, timeouts=PATIENT))


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("behaviour", ["endless", "gzip-bomb"])
def test_an_endless_body_ends_at_the_cap(source: LyingSource, behaviour: str) -> None:
    source.behaviour = behaviour
    client = HttpClient(source.url, timeouts=PATIENT)
    received = 0
    with client.open("GET", f"/ipfs/{BLOCK.cid}") as response, pytest.raises(UnavailableError, match="more than was asked for"):  # noqa: PT012
        chunks = response.chunks(2 * MIB)
        before = resident()
        for piece in chunks:
            received += len(piece)
    assert received <= 2 * MIB
    assert resident() - before <= 16 * MIB


def test_a_stated_length_above_the_cap_is_refused_unread(source: LyingSource) -> None:
    client = HttpClient(source.url, timeouts=PATIENT)
    with client.open("GET", f"/ipfs/{BLOCK.cid}") as response, pytest.raises(UnavailableError):
        next(response.chunks(1000))


def test_a_page_in_place_of_data_names_the_captive_portal(source: LyingSource) -> None:
    source.behaviour = "page"
    client = HttpClient(source.url, timeouts=PATIENT)
    with client.open("GET", f"/ipfs/{BLOCK.cid}") as response, pytest.raises(UnavailableError) as caught:
        response.require_media_type("application/vnd.ipld.raw")
    assert "captive portal" in caught.value.hint


@pytest.mark.parametrize("status", [429, 502, 503])
def test_busy_is_tried_again_when_the_server_says(source: LyingSource, status: int) -> None:
    source.behaviour, source.busy = "busy-once", status
    assert read_block(HttpClient(source.url, timeouts=PATIENT)) == DATA
    assert len(source.requests) == 2


def test_a_wait_beyond_the_budget_is_not_waited(source: LyingSource) -> None:
    source.behaviour = "busy"
    with pytest.raises(UnavailableError, match="busy"):
        read_block(HttpClient(source.url, timeouts=PATIENT))
    assert len(source.requests) == 1


def test_redirects_end(source: LyingSource) -> None:
    source.behaviour = "redirect-loop"
    with pytest.raises(UnavailableError, match="more than 3 times"):
        read_block(HttpClient(source.url, timeouts=PATIENT))
    assert len(source.requests) == 4


def test_a_connection_that_is_closed_when_it_is_used_again_is_no_failure() -> None:
    answers_left = [1, 1]

    def serve(listener: socket.socket) -> None:
        for allowed in answers_left:
            connection, _ = listener.accept()
            with connection:
                for _ in range(allowed):
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                connection.recv(65536)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        client = HttpClient(f"http://127.0.0.1:{listener.getsockname()[1]}", timeouts=PATIENT)
        assert [read_block(client), read_block(client)] == [b"ok", b"ok"]
        client.close()
        server.join()


def test_the_token_goes_along_and_is_read_when_used(source: LyingSource, tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    client = HttpClient(source.url, token_file=token_file, timeouts=PATIENT)
    source.token = "secret-1"
    with pytest.raises(InvalidConfigError, match="cannot be read"):
        read_block(client)
    token_file.write_text("secret-1\n")
    assert read_block(client) == DATA
    source.token = "secret-2"
    with pytest.raises(UnavailableError) as caught:
        read_block(client)
    assert "401" in caught.value.why
    assert "token" in caught.value.hint
    token_file.write_text("two\nlines")
    with pytest.raises(InvalidConfigError, match="holds no token"):
        read_block(client)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gw.example.org",
        "ftp://gw.example.org",
        "http://",
        "http://user:pass@host",
        "http://host/?q",
        "http://host:99999",
        "http://h h",
    ],
)
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(InvalidConfigError):
        HttpClient(url)


def test_a_server_without_tls_is_said_to_have_none() -> None:
    with LyingSource([BLOCK]) as source, pytest.raises(UnavailableError, match="does not speak TLS") as caught:
        read_block(HttpClient(source.url.replace("http:", "https:"), timeouts=PATIENT))
    assert "http:" in caught.value.hint


def test_own_ca(certificates: Certificates) -> None:
    with LyingSource([BLOCK], certificate=certificates.server) as source:
        with pytest.raises(UnavailableError, match="cannot be trusted"):
            read_block(HttpClient(source.url, timeouts=PATIENT))
        assert not source.requests
        assert read_block(HttpClient(source.url, ca_file=certificates.ca, timeouts=PATIENT)) == DATA
        named = HttpClient(source.url.replace("127.0.0.1", "localhost"), ca_file=certificates.ca, timeouts=PATIENT)
        assert read_block(named) == DATA  # the certificate is checked for the name, the socket goes to the address


def test_a_handshake_that_stalls(certificates: Certificates) -> None:
    with (
        LyingSource([BLOCK], certificate=certificates.server, behaviour="slow-tls") as source,
        pytest.raises(SourceTimeoutError),
    ):
        read_block(HttpClient(source.url, ca_file=certificates.ca, timeouts=FAST))


def test_nothing_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(UnavailableError, match="cannot be reached") as caught:
        read_block(HttpClient(f"http://127.0.0.1:{port}", timeouts=PATIENT))
    assert "refused" in caught.value.why


def test_abort_ends_what_other_threads_wait_for(source: LyingSource) -> None:
    source.behaviour = "stall"
    client = HttpClient(source.url)
    failures: list[DcatError] = []

    def ask() -> None:
        try:
            read_block(client)
        except DcatError as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    while len(source.requests) < 3:
        pass
    client.abort()
    for thread in threads:
        thread.join(60)
    assert len(failures) == 3


def test_ctrl_c_ends_a_request(source: LyingSource) -> None:
    source.behaviour = "stall"
    program = f"from catalog.clients.http import HttpClient\nHttpClient({source.url!r}).open('GET', '/ipfs/{BLOCK.cid}')"
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stderr=subprocess.PIPE)
    while not source.requests:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert b"KeyboardInterrupt" in errors


def test_a_proxy_is_asked_for_what_is_not_here(source: LyingSource) -> None:
    client = HttpClient("http://gateway.invalid/base", proxies=Proxies(http=source.url), timeouts=PATIENT)
    with client.open("GET", f"/ipfs/{BLOCK.cid}", answers=(404,)):
        pass
    assert source.requests[0][1] == f"http://gateway.invalid/base/ipfs/{BLOCK.cid}"


@pytest.mark.parametrize("rest", [b"0\r\n", b"1;"], ids=["trailer", "size of a chunk"])
def test_a_chunked_body_that_goes_on_without_data(rest: bytes) -> None:
    """The HTTP library reads lines without end there; the time between two of them is short, and no data comes."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client, contextlib.suppress(OSError):
                client.recv(65536)
                client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n" + rest)
                while not ended.wait(0.02):
                    client.sendall(b"X: y\r\n" if rest[:1] == b"0" else b"x")

        thread = threading.Thread(target=serve)
        thread.start()
        client = HttpClient(f"http://127.0.0.1:{server.getsockname()[1]}", timeouts=FAST)
        with pytest.raises((SourceTimeoutError, UnavailableError)), client.open("GET", "/x") as response:
            response.read_all(MIB)
        ended.set()
        thread.join()
