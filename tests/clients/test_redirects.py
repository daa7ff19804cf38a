"""Redirects and credentials: docs/safety.md B6 and B7.

Sockets of this process connect to this machine only: whatever else a request would connect to is noted and refused.
"""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.clients.address import Address, look_up
from catalog.clients.http import HttpClient
from catalog.errors import UnavailableError
from catalog.ipld.block import Block
from catalog.ipld.cid import cid_of
from tests.fakes.lying_source import LyingSource

GATEWAY = "93.184.216.34"  # a public address that stands for the server of the test
BLOCK = Block(cid_of(b"data"), b"data")

NAMES = {
    "gateway.example": [[GATEWAY]],
    "other.example": [[GATEWAY]],
    "here.example": [["127.0.0.1"]],
    "here6.example": [["::1"]],
    "lan.example": [["192.168.1.1"]],
    "mapped.example": [["::ffff:10.0.0.1"]],
    "metadata.example": [["169.254.169.254"]],
    "nat64.example": [["64:ff9b::a9fe:a9fe"]],
    "ula.example": [["fd00::1"]],
    "two.example": [["10.0.0.1", "127.0.0.1"]],
    "rebound.example": [["10.0.0.1"], [GATEWAY], ["10.0.0.1"]],
}

BLOCKED = [
    *(
        f"http://{host}:PORT/"
        for host in ("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "127.255.1.2")
    ),
    *(f"http://{host}:PORT/" for host in ("localhost", "LOCALHOST", "localhost.", "here.example", "here6.example", "two.example")),
    *(
        f"http://{host}/"
        for host in ("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "167772161", "10.1")
    ),
    *(f"http://{host}/" for host in ("lan.example", "mapped.example", "metadata.example", "nat64.example", "ula.example")),
    *(f"http://{host}/latest/meta-data/" for host in ("169.254.169.254", "2852039166", "0xa9fea9fe", "169.254.1")),
    *(
        f"http://{host}/"
        for host in ("100.64.0.1", "100.127.255.255", "198.18.0.1", "192.0.2.1", "240.0.0.1", "0.0.0.0", "0", "224.0.0.1")
    ),
    "http://255.255.255.255/",
    *(f"http://[{host}]:PORT/" for host in ("::1", "::", "::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1", "64:ff9b::7f00:1")),
    *(
        f"http://[{host}]/"
        for host in ("::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::1")
    ),
    *(f"http://[{host}]/" for host in ("2002:a00:1::", "fe80::1", "fc00::1", "fdff::1", "fec0::1", "ff02::1", "2001:db8::1")),
    "http://rebound.example/",
    "//127.0.0.1:PORT/",
    "http://gateway.example@127.0.0.1:PORT/",
    "http://user:password@gateway.example/",
    "file:///etc/passwd",
    "ftp://gateway.example/",
    "gopher://127.0.0.1:PORT/",
    "https:///",
    "http://[::1/",
    "http://gateway.example:0/",
]


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Note where sockets connect to; the gateway's address leads to the port that was first in the list."""
    seen: list[tuple[str, int]] = []
    connect = socket.socket.connect

    def connect_noted(self: socket.socket, address: Any) -> None:
        host, port = address[:2]
        seen.append((host, port))
        if host == GATEWAY:
            connect(self, ("127.0.0.1", port))
            return
        raise ConnectionRefusedError(f"the test does not connect to {host}")

    monkeypatch.setattr(socket.socket, "connect", connect_noted)
    return seen


@pytest.fixture
def source() -> Iterator[LyingSource]:
    with LyingSource([BLOCK], behaviour="redirect-private") as source:
        yield source


def look_up_names(asked: dict[str, int]) -> Any:
    def answer(host: str, port: int) -> list[Address]:
        name = host.rstrip(".").lower()
        if name not in NAMES:
            return look_up(host, port)
        answers = NAMES[name]
        number = asked[name] = asked.get(name, -1) + 1
        return [
            Address(int(socket.AF_INET6 if ":" in text else socket.AF_INET), (text, port))
            for text in answers[min(number, len(answers) - 1)]
        ]

    return answer


def test_there_are_sixty_cases() -> None:
    assert len(BLOCKED) >= 60


@pytest.mark.parametrize("target", BLOCKED)
def test_a_public_host_leads_nowhere_inside(source: LyingSource, reached: list[tuple[str, int]], target: str) -> None:
    source.target = target.replace("PORT", str(source.port))
    client = HttpClient(f"http://gateway.example:{source.port}", look_up_host=look_up_names({}))
    with pytest.raises(UnavailableError):
        client.open("GET", f"/ipfs/{BLOCK.cid}")
    assert {host for host, _ in reached} <= {GATEWAY}
    assert len(source.requests) == 1
    client.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254"])
def test_the_configured_name_bound_anew(source: LyingSource, reached: list[tuple[str, int]], address: str) -> None:
    source.behaviour = "honest"
    names = [GATEWAY, address]

    def answer(host: str, port: int) -> list[Address]:
        return [Address(int(socket.AF_INET), (names.pop(0), port))]

    client = HttpClient(f"http://gateway.example:{source.port}", look_up_host=answer)
    with client.open("GET", f"/ipfs/{BLOCK.cid}"):
        pass  # unread: the connection is not kept
    with pytest.raises(UnavailableError):
        client.open("GET", f"/ipfs/{BLOCK.cid}")
    assert {host for host, _ in reached} == {GATEWAY}
    client.close()


def test_what_is_allowed_still_works(source: LyingSource, reached: list[tuple[str, int]]) -> None:
    with LyingSource([BLOCK]) as other:
        source.target = f"http://other.example:{other.port}/ipfs/{BLOCK.cid}"
        client = HttpClient(f"http://gateway.example:{source.port}", look_up_host=look_up_names({}))
        with client.open("GET", f"/ipfs/{BLOCK.cid}") as response:
            assert response.read_all(100) == b"data"
        client.close()
        assert other.requests[0][2]["Host"] == f"other.example:{other.port}"


def test_never_from_https_to_http(tmp_path: Path) -> None:
    from tests.fakes.certificates import make_certificates

    certificates = make_certificates(tmp_path)
    with LyingSource([BLOCK]) as plain, LyingSource([BLOCK], certificate=certificates.server) as source:
        source.behaviour, source.target = "redirect-private", f"{plain.url}/ipfs/{BLOCK.cid}"
        client = HttpClient(source.url, ca_file=certificates.ca)
        with pytest.raises(UnavailableError) as caught:
            client.open("GET", f"/ipfs/{BLOCK.cid}")
        assert caught.value.why == "it leads from https to http"
        assert not plain.requests


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("form", ["port", "name", "chain", "user"])
def test_the_token_goes_to_nobody_else(source: LyingSource, tmp_path: Path, status: int, method: str, form: str) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("canary")
    source.status = status
    with LyingSource([BLOCK], behaviour="redirect-private") as other, LyingSource([BLOCK]) as third:
        other.target = f"{third.url}/ipfs/{BLOCK.cid}"
        source.target = {
            "port": f"{other.url}/ipfs/{BLOCK.cid}",
            "name": f"http://localhost:{other.port}/ipfs/{BLOCK.cid}",
            "chain": f"{other.url}/dcat/v1/blocks",
            "user": f"http://canary@127.0.0.1:{other.port}/",
        }[form]
        client = HttpClient(source.url, token_file=token_file)
        body = f"{BLOCK.cid}\n".encode() if method == "POST" else None
        try:
            client.open(method, "/dcat/v1/blocks" if body else f"/ipfs/{BLOCK.cid}", body=body, answers=(200, 404, 405)).close()
        except UnavailableError:
            assert method == "POST" or form == "user"
        assert source.requests[0][2]["Authorization"] == "Bearer canary"
        for server in (other, third):
            assert "canary" not in str(server.requests)
        client.close()


def test_a_realm_elsewhere_is_not_asked(source: LyingSource, tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("canary")
    source.behaviour = "realm"
    with LyingSource() as other:
        source.target = f"{other.url}/token"
        client = HttpClient(source.url, token_file=token_file)
        with pytest.raises(UnavailableError):
            client.open("GET", f"/ipfs/{BLOCK.cid}")
        assert not other.requests
        client.close()
