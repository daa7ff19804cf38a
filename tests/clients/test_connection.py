"""The parts of urllib3 that connections rely on although they are not public: a release that changes them fails here."""

import socket
from typing import Any

import pytest
from urllib3.connection import HTTPConnection, HTTPSConnection

from catalog.clients.http import HttpClient
from catalog.errors import UnavailableError
from tests.fakes.lying_source import LyingSource


@pytest.mark.parametrize("kind", [HTTPConnection, HTTPSConnection])
def test_urllib3_connects_by_the_method_that_is_overridden(monkeypatch: pytest.MonkeyPatch, kind: type[HTTPConnection]) -> None:
    called = []

    def refuse(self: HTTPConnection) -> socket.socket:
        called.append(self)
        raise ConnectionRefusedError

    monkeypatch.setattr(kind, "_new_conn", refuse)
    connection = kind("example.org", 8080)
    with pytest.raises(ConnectionRefusedError):
        connection.connect()
    assert called == [connection]
    assert connection._dns_host == "example.org"


def test_a_urllib3_that_connects_in_another_way_gets_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a source could lead a client to any address."""

    def connect(self: Any) -> None:
        self.sock = socket.create_connection((self.host, self.port))

    with LyingSource([]) as source:
        monkeypatch.setattr(HTTPConnection, "connect", connect)
        with pytest.raises(UnavailableError, match="cannot be reached") as caught:
            HttpClient(source.url).open("GET", "/")
        assert "check of addresses" in caught.value.why
        assert source.requests == []
