"""Names below localhost are this machine (RFC 6761): a gateway there redirects to one subdomain for each CID or name."""

import pytest

from catalog.clients.address import AddressRule, look_up
from catalog.clients.http import HttpClient
from catalog.clients.url import normalize_url
from catalog.errors import UnavailableError
from catalog.ipld.block import Block
from catalog.ipld.cid import cid_of
from tests.fakes.lying_source import LyingSource

BLOCK = Block(cid_of(b"block"), b"block")


@pytest.mark.parametrize("host", ["bafkqaaa.ipfs.localhost", "K51.IPNS.LOCALHOST", "a.localhost."])
def test_a_name_below_localhost_is_this_machine(host: str) -> None:
    assert {address.text for address in look_up(host, 80)} == {"127.0.0.1", "::1"}


def test_a_gateway_on_localhost_redirects_to_a_subdomain() -> None:
    with LyingSource([BLOCK]) as target, LyingSource([], behaviour="redirect-private") as gateway:
        gateway.target = f"http://{BLOCK.cid}.ipfs.localhost:{target.port}/ipfs/{BLOCK.cid}?format=raw"
        client = HttpClient(f"http://localhost:{gateway.port}")
        with client.open("GET", f"/ipfs/{BLOCK.cid}") as response:
            assert response.read_all(100) == BLOCK.data
        assert target.requests[0][2]["Host"] == f"{BLOCK.cid}.ipfs.localhost:{target.port}"


def test_no_other_host_leads_there() -> None:
    """docs/safety.md B6"""
    rule = AddressRule("gateway.example", look_up_host=lambda host, port: look_up("8.8.8.8" if "example" in host else host, port))
    rule.resolve("gateway.example", 80, 1)
    with pytest.raises(UnavailableError, match="loopback address"):
        rule.resolve("x.ipfs.localhost", 80, 1)


@pytest.mark.parametrize("url", ["HTTP://127.0.0.1:{port}", "Http://LOCALHOST:{port}/"])
def test_a_scheme_in_capitals(url: str) -> None:
    with LyingSource([BLOCK]) as source:
        client = HttpClient(url.format(port=source.port))
        with client.open("GET", f"/ipfs/{BLOCK.cid}", query=[("format", "raw")]) as response:
            assert response.read_all(100) == BLOCK.data


def test_urls_in_one_form() -> None:
    assert normalize_url("HTTPS://Host/Path/") == "https://Host/Path"
    assert normalize_url("unix:///run/x.sock") == "unix:///run/x.sock"
    assert normalize_url("no url") == "no url"
