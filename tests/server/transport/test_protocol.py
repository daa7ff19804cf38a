"""How requests are framed, and connections that are slow, many, or never end: limits of docs/safety.md E7 and E11."""

import contextlib
import http.client
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from catalog.limits import KIB, MIB
from catalog.server.settings import ServerLimits
from tests.server.serving import Blocks, Served, serving

QUICK = replace(ServerLimits(), header_timeout=1.0, body_timeout=1.0, idle_timeout=1.0)
GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /dcat/v1/blocks HTTP/1.1\r\nHost: localhost\r\n"
GOOD = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
NOTHING = b"bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
LAST = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

# Requests that two parsers could read differently, or that break the grammar: each gets one refusal, and whatever follows on the
# same connection is never taken for a request.
SMUGGLED = {
    "length and chunked": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
    "two equal lengths": POST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "list of lengths": POST + b"Content-Length: 0, 5\r\n\r\n",
    "signed length": POST + b"Content-Length: +0\r\n\r\n",
    "hexadecimal length": POST + b"Content-Length: 0x5\r\n\r\n",
    "endless length": POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "two encodings": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown encoding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "encoding before chunked": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "vertical tab in encoding": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked in 1.0": b"POST /dcat/v1/blocks HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bad chunk size": POST + b"Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
    "chunk longer than said": POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
    "bare line feed in chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n",
    "folded header": GET + b"X-A: b\r\n c\r\n\r\n",
    "folded length": POST + b"Content-Length:\r\n 5\r\n\r\n",
    "space before colon": b"GET /health HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "space in header name": GET + b"X A: b\r\n\r\n",
    "header without colon": GET + b"X-A\r\n\r\n",
    "header without name": GET + b": b\r\n\r\n",
    "NUL in header": GET + b"X-A: b\0c\r\n\r\n",
    "bare return in header": GET + b"X-A: b\rX-B: c\r\n\r\n",
    "bare line feeds": b"GET /health HTTP/1.1\nHost: localhost\n\n",
    "no Host": b"GET /health HTTP/1.1\r\n\r\n",
    "no Host in 1.0": b"GET /health HTTP/1.0\r\n\r\n",
    "two Hosts": GET + b"Host: localhost\r\n\r\n",
    "absolute target": b"GET http://localhost/health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "target of a proxy": b"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "bytes above ASCII in target": b"GET /\xc3\xa4 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "space in target": b"GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "NUL in target": b"GET /a\0b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no version": b"GET /health\r\nHost: localhost\r\n\r\n",
    "version 2": b"GET /health HTTP/2.0\r\nHost: localhost\r\n\r\n",
    "version 0.9": b"GET /health HTTP/0.9\r\nHost: localhost\r\n\r\n",
    "unknown method": b"SMUGGLE /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "body of a GET": GET + b"Content-Length: 5\r\n\r\nhello",
    "chunks of a GET": GET + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "upgrade with a body": POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\na",
    "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("name", SMUGGLED)
def test_what_parsers_read_differently_is_refused_and_ends_the_connection(name: str, served: Served) -> None:
    received = served.converse(SMUGGLED[name] + GOOD)
    assert received.count(b"HTTP/1.1 ") == 1, received
    assert received.split()[1] in (b"400", b"413", b"431", b"505", b"501"), received
    assert b"connection: close" in received


def test_requests_before_a_malformed_one_are_answered(served: Served) -> None:
    received = served.converse(GOOD + GOOD + b"nonsense\r\n\r\n" + GOOD)
    assert received.count(b"HTTP/1.1 200") in (1, 2)
    assert received.count(b"HTTP/1.1 ") == received.count(b"HTTP/1.1 200")


def test_a_request_in_any_pieces_is_one_request(served: Served) -> None:
    received = served.converse(*(LAST[at : at + 1] for at in range(len(LAST))))
    assert received.startswith(b"HTTP/1.1 200")
    assert received.count(b"HTTP/1.1 ") == 1


def test_pipelined_requests_are_answered_in_order_and_are_few(served: Served) -> None:
    received = served.converse(GOOD * 3 + b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n" + LAST)
    assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"200", b"200", b"200", b"404", b"200"]
    assert served.converse(GOOD * 200).count(b"HTTP/1.1 200") < 20


def test_what_follows_a_last_request_is_not_read(served: Served) -> None:
    assert served.converse(LAST + GOOD).count(b"HTTP/1.1 ") == 1


def test_an_upgrade_is_ignored(served: Served) -> None:
    asked = GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\r\n"
    received = served.converse(asked + GOOD)
    assert received.startswith(b"HTTP/1.1 200")
    assert received.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("pieces", [1, 7])
def test_a_head_has_at_most_16_kib(pieces: int, served: Served) -> None:
    def ask(size: int) -> bytes:
        filler = size - len(LAST) - len(b"X-A: \r\n")
        request = LAST[:-2] + b"X-A: " + b"a" * filler + b"\r\n\r\n"
        step = len(request) // pieces + 1
        return served.converse(*(request[at : at + step] for at in range(0, len(request), step)))

    assert ask(16 * KIB - 64).startswith(b"HTTP/1.1 200")
    assert ask(16 * KIB + 64).startswith(b"HTTP/1.1 431")
    assert ask(1024 * KIB).startswith((b"HTTP/1.1 431", b""))


def test_many_small_headers_count_as_one_large(served: Served) -> None:
    assert served.converse(LAST[:-2] + b"A: b\r\n" * 4000 + b"\r\n").startswith(b"HTTP/1.1 431")


def test_half_a_head_is_not_waited_for(quick: Served) -> None:
    assert quick.converse(b"GET /health HTTP/1.1\r\nHost: loc").startswith(b"HTTP/1.1 408")
    assert quick.converse(b"") == b""
    assert quick.converse(b"\r\n") == b""


def test_a_head_that_drips_is_not_waited_for(quick: Served) -> None:
    with quick.connect() as connection:
        received = b""
        with contextlib.suppress(ConnectionError):
            for byte in b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 1000:
                connection.sendall(bytes((byte,)))
                time.sleep(0.02)
        with contextlib.suppress(ConnectionError):
            received = connection.recv(4096)
    assert received.startswith((b"HTTP/1.1 408", b""))
    assert not any('"GET /health"' in line for line in quick.log)


def test_a_body_that_does_not_come_is_not_waited_for(quick: Served) -> None:
    asked = b"POST /dcat/v1/blocks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\nbafk"
    assert quick.converse(asked).startswith(b"HTTP/1.1 408")


def test_a_body_that_its_sender_takes_back_changes_nothing(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(b"POST /dcat/v1/blocks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\nbafk")
    assert served.ask("/health").status == 200


def test_a_body_has_a_limit(served: Served) -> None:
    head = b"POST /dcat/v1/blocks HTTP/1.1\r\nHost: localhost\r\n"
    assert served.converse(head + b"Content-Length: 1048577\r\n\r\n").startswith(b"HTTP/1.1 413")
    chunk = b"10000\r\n" + b"a" * 65536 + b"\r\n"
    assert served.converse(head + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 40).startswith((b"HTTP/1.1 413", b""))


@pytest.mark.parametrize("length", [8 * MIB, 0])
def test_a_client_that_sends_on_after_a_refusal_reads_it(served: Served, length: int) -> None:
    """A connection that is closed while its client sends is reset, and what the client did not read yet is lost."""
    piece = bytes(MIB)
    body: bytes | Iterator[bytes] = bytes(length) if length else iter([piece] * 8)
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)) as connection:
        connection.request("POST", "/dcat/v1/blocks", body, encode_chunked=not length)
        answer = connection.getresponse()
        assert (answer.status, b"at most" in answer.read()) == (413, True)


def test_a_client_that_sends_nothing_more_after_a_refusal_is_let_go_of(quick: Served) -> None:
    with quick.connect() as connection:
        connection.sendall(POST + b"Content-Length: 1048577\r\n\r\n")
        received = b"".join(iter(lambda: connection.recv(4096), b""))
        assert received.startswith(b"HTTP/1.1 413")
        deadline = time.monotonic() + 60
        with contextlib.suppress(ConnectionError):
            while True:  # its socket is gone: what is sent now comes back as a reset
                connection.sendall(b"a")
                assert time.monotonic() < deadline
                time.sleep(0.1)


def test_trailers_are_neither_headers_nor_kept(served: Served) -> None:
    """A proxy checks the head, not the trailer; and a trailer could be endless."""
    body = b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n"
    for trailer in (b"Origin: http://evil.example", b"Service-Worker: script", b"Authorization: Bearer a", b"X-Any: thing"):
        assert served.converse(POST + body + trailer + b"\r\n\r\n").startswith(b"HTTP/1.1 200"), trailer
    line = b"X-A: " + b"a" * 1000 + b"\r\n"
    assert served.converse(POST + body, *[line] * 2000).startswith((b"HTTP/1.1 400", b""))
    with served.connect() as connection:
        sent = 0
        with contextlib.suppress(ConnectionError):
            connection.sendall(POST + body)
            while sent < 64 * MIB:
                connection.sendall(line * 64)
                sent += 64 * len(line)
    assert sent < 64 * MIB


@pytest.mark.parametrize("piece", [b"1;" + b"a" * 9000 + b"\r\na\r\n", b"000000000000001;a=b;c=d\r\na\r\n" * 100])
def test_the_chunks_of_a_body_are_content(piece: bytes, served: Served) -> None:
    head = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    assert served.converse(head, *[piece] * 1000).startswith((b"HTTP/1.1 400", b""))


def test_chunks_of_one_byte_are_content(served: Served) -> None:
    body = b"".join(b"1\r\n%c\r\n" % byte for byte in b"\n".join([NOTHING] * 1000))
    assert served.converse(POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n", body, b"0\r\n\r\n").startswith(
        b"HTTP/1.1 200"
    )


def test_a_request_waits_until_the_response_before_it_is_taken() -> None:
    """Else each of a few connections could hold what bounds the chunks in memory, and no other response would go on."""
    blocks = Blocks()
    large = blocks.add(b"a" * (1 << 20))
    requests = [f"GET /ipfs/{large}?format={form} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for form in ("raw", "car")]
    with serving(blocks) as served, contextlib.ExitStack() as stack:
        for number in range(96):  # the response that the kernel does not take any more differs
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", served.port))
            connection.sendall(requests[0] * (number % 6 + 1) + requests[1])
        deadline = time.monotonic() + 60
        while sum("format" in line or "/ipfs/" in line for line in served.log) < 96:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        for _ in range(3):
            assert served.ask(f"/ipfs/{large}?format=car").status == 200


def test_bodies_that_are_not_whole_have_a_limit_together() -> None:
    """The one that is owed for longest makes room, so slow senders keep nobody out who sends a whole request."""
    limits = replace(ServerLimits(), buffered_bodies=100 * KIB)
    head = b"POST /dcat/v1/blocks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 90000\r\n\r\n"
    with serving(limits=limits) as served, served.connect() as first, served.connect() as second:
        first.sendall(head + b"a" * 60000)
        second.sendall(head + b"a" * 60000)
        with contextlib.suppress(ConnectionResetError):
            assert first.recv(1) == b""
        assert served.converse(head + b"a" * 90000).startswith(b"HTTP/1.1 400")
        with contextlib.suppress(ConnectionResetError):
            assert second.recv(1) == b""
    with serving(limits=replace(limits, buffered_bodies=50 * KIB)) as served:
        assert served.converse(head + b"a" * 90000).startswith(b"HTTP/1.1 429")


def test_an_idle_connection_is_closed(quick: Served) -> None:
    received = quick.converse(GOOD)
    assert received.startswith(b"HTTP/1.1 200")


def test_a_client_that_does_not_read_is_cut_off() -> None:
    blocks = Blocks()
    cids = [blocks.add(bytes((number,)) * 1024 * KIB) for number in range(40)]
    with serving(blocks, limits=QUICK) as served, served.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        body = "\n".join(map(str, cids)).encode()
        connection.sendall(b"POST /dcat/v1/blocks HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        served.wait_for_log("the client left")


def test_the_connection_that_waits_longest_makes_room() -> None:
    with serving(limits=replace(ServerLimits(), connections=16)) as served, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(served.connect()) for _ in range(40)]
        for connection in slow:
            with contextlib.suppress(ConnectionError):
                connection.sendall(b"GET /he")
        assert served.ask("/health").status == 200
        slow[0].settimeout(60)
        with contextlib.suppress(ConnectionResetError):
            assert slow[0].recv(1) == b""
