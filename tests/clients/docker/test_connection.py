"""HTTP to an engine: connections that are used again, and those that are not."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from catalog.clients.docker.connection import LOST, EngineConnector
from catalog.clients.docker.target import EngineTarget

TIMEOUTS = (60.0, 60.0)
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Listener:
    """Answers each request with the next of ``answers``; after one that is followed by None it ends the connection."""

    def __init__(self, path: Path, answers: list[bytes | None]) -> None:
        self.connections = 0
        self.received = b""
        self.ended = threading.Semaphore(0)
        self._answers = answers
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while self._answers:
            try:
                connection, _ = self._socket.accept()
            except OSError:  # closed
                return
            self.connections += 1
            with connection:
                self._serve(connection)
            self.ended.release()

    def _serve(self, connection: socket.socket) -> None:
        while self._answers:
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                piece = connection.recv(65536)
                if not piece:
                    return
                request += piece
            self.received += request
            connection.sendall(self._answers.pop(0) or b"")
            if self._answers and self._answers[0] is None:
                self._answers.pop(0)
                return
        while piece := connection.recv(65536):
            self.received += piece

    def close(self) -> None:
        self._answers.clear()
        self._socket.shutdown(socket.SHUT_RDWR)  # closing alone does not end a socket that another thread waits for
        self._thread.join(60)
        self._socket.close()


@contextmanager
def listening(folder: Path, *answers: bytes | None) -> Iterator[tuple[Listener, EngineConnector]]:
    listener = Listener(folder / "s", list(answers))
    connector = EngineConnector(EngineTarget(f"unix://{folder}/s", "given", folder))
    try:
        yield listener, connector
    finally:
        connector.close()
        listener.close()


def ask(connector: EngineConnector) -> bytes:
    with connector.request("GET", "/x", timeouts=TIMEOUTS) as answer:
        return b"".join(answer.stream(1024))


def test_a_connection_whose_answer_was_read_is_used_again(tmp_path: Path) -> None:
    with listening(tmp_path, WHOLE, WHOLE) as (listener, connector):
        assert [ask(connector), ask(connector)] == [b"ok", b"ok"]
        assert listener.connections == 1


def test_a_connection_whose_answer_was_not_read_is_not(tmp_path: Path) -> None:
    with listening(tmp_path, WHOLE, WHOLE) as (listener, connector):
        connector.request("GET", "/x", timeouts=TIMEOUTS).close()
        assert ask(connector) == b"ok"
        assert listener.connections == 2


def test_a_connection_that_the_engine_ended_is_not_used_again(tmp_path: Path) -> None:
    with listening(tmp_path, WHOLE, None, WHOLE) as (listener, connector):
        assert ask(connector) == b"ok"
        assert listener.ended.acquire(timeout=60)
        assert ask(connector) == b"ok"
        assert listener.connections == 2


@pytest.mark.parametrize(
    "short",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        b"HTTP/1.1 2\r\n\r\n",
        b"",
    ],
)
def test_an_answer_that_is_cut_short_is_an_error(tmp_path: Path, short: bytes) -> None:
    with listening(tmp_path, short, None) as (_, connector), pytest.raises(LOST):
        ask(connector)


def test_a_body_in_chunks_ends_where_its_source_fails(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"one"
        yield b""
        yield b"three"
        raise KeyError("source")

    with listening(tmp_path, b"") as (listener, connector):
        with pytest.raises(KeyError, match="source"):
            connector.request("POST", "/load", data=pieces(), timeouts=TIMEOUTS)
        assert listener.ended.acquire(timeout=60)
        assert not listener.received.endswith(b"0\r\n\r\n")


def test_parameters_are_quoted(tmp_path: Path) -> None:
    with listening(tmp_path, WHOLE) as (listener, connector):
        with connector.request("GET", "/x", params={"tag": "a b&c"}, headers={"X-Login": "me"}, timeouts=TIMEOUTS) as answer:
            assert (answer.status, answer.asked) == (200, "GET /x")
        assert listener.received.startswith(b"GET /x?tag=a+b%26c HTTP/1.1\r\n")
        assert b"X-Login: me\r\n" in listener.received


@pytest.mark.parametrize("host", ["tcp://h", "tcp://u:p@h:1", "fd://3", "tcp://[::1", "http://h:2375?x=1", "h"])
def test_addresses_that_are_not_those_of_engines(tmp_path: Path, host: str) -> None:
    with pytest.raises(ValueError, match=r"address|protocol|Invalid") as caught:
        EngineConnector(EngineTarget(host, "given", tmp_path))
    assert "p@h" not in str(caught.value)
