"""Where a node's RPC is said to be."""

from pathlib import Path

import pytest

from catalog.clients.http import HttpClient
from catalog.clients.kubo_address import DEFAULT_RPC, find_rpc, parse_rpc_address
from catalog.errors import InvalidConfigError, UnavailableError


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://127.0.0.1:5001", "http://127.0.0.1:5001"),
        ("/ip4/127.0.0.1/tcp/5001", "http://127.0.0.1:5001"),
        ("/ip4/127.0.0.1/tcp/5001/http", "http://127.0.0.1:5001"),
        ("/ip6/::1/tcp/5001", "http://[::1]:5001"),
        ("/dns4/node.lan/tcp/443/https", "https://node.lan:443"),
        ("/dns/node.lan/tcp/443/tls/http", "https://node.lan:443"),
        ("/unix/run/ipfs/api.sock", "unix:///run/ipfs/api.sock"),
    ],
)
def test_addresses(text: str, url: str) -> None:
    assert parse_rpc_address(text) == url
    HttpClient(url)  # it takes what is given


@pytest.mark.parametrize(
    "text", ["/", "/unix", "/unix/", "/ip4/127.0.0.1/udp/5001", "/ip4/127.0.0.1/tcp/", "/ip4//tcp/1", "/p2p/12D3"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InvalidConfigError, match="not the address of an RPC"):
        parse_rpc_address(text)


def test_what_a_repository_says(tmp_path: Path) -> None:
    assert find_rpc(tmp_path) == DEFAULT_RPC
    for content, url in (
        (b"/ip4/127.0.0.1/tcp/5002\n", "http://127.0.0.1:5002"),
        (b"/unix/run/api.sock", "unix:///run/api.sock"),
        (b"\xff\xfe", DEFAULT_RPC),
        (b"", DEFAULT_RPC),
    ):
        (tmp_path / "api").write_bytes(content)
        assert find_rpc(tmp_path) == url


def test_a_socket_that_nobody_listens_at(tmp_path: Path) -> None:
    client = HttpClient(f"unix://{tmp_path}/api.sock")
    assert client.name == f"{tmp_path}/api.sock"
    with pytest.raises(UnavailableError, match=r"api\.sock"):
        client.open("POST", "/api/v0/version")
