"""Which requests go through a proxy, and what is said where it fails."""

import socket
from collections.abc import Iterator

import pytest

from catalog.clients.address import Address
from catalog.clients.http import HttpClient
from catalog.clients.proxy import Proxies
from catalog.clients.timeouts import Timeouts
from catalog.errors import InvalidConfigError, SourceTimeoutError, UnavailableError
from catalog.ipld.block import Block
from catalog.ipld.cid import cid_of
from tests.fakes.certificates import Certificates
from tests.fakes.lying_source import LyingSource
from tests.fakes.proxies import LOGIN, http_proxy, socks_proxy
from tests.fakes.timeouts import scaled

BLOCK = Block(cid_of(b"block"), b"block")


@pytest.mark.parametrize(
    ("host", "port", "no_proxy", "bypassed"),
    [
        ("gw.example.org", 443, "", False),
        ("gw.example.org", 443, "*", True),
        ("gw.example.org", 443, "example.org", True),
        ("gw.example.org", 443, ".example.org", True),
        ("gw.example.org", 443, "*.example.org", True),
        ("GW.Example.org", 443, "gw.EXAMPLE.org", True),
        ("notexample.org", 443, "example.org", False),
        ("gw.example.org", 443, "gw.example.org:443", True),
        ("gw.example.org", 8443, "gw.example.org:443", False),
        ("10.1.2.3", 80, "10.0.0.0/8", True),
        ("11.1.2.3", 80, "10.0.0.0/8", False),
        ("10.1.2.3", 80, "10.1.2.3:80", True),
        ("2001:db8::1", 80, "2001:db8::/32", True),
        ("2001:db8::1", 80, "[2001:db8::1]:80", True),
        ("2001:db8::1", 81, "[2001:db8::1]:80", False),
        ("10.1.2.3", 80, "example.org", False),
        ("localhost", 5001, "", True),
        ("127.0.0.1", 5001, "", True),
        ("::1", 5001, "", True),
    ],
)
def test_no_proxy(host: str, port: int, no_proxy: str, bypassed: bool) -> None:
    proxies = Proxies(http="http://proxy:3128", https="http://proxy:3128", no_proxy=no_proxy)
    assert (proxies.find("https", host, port) is None) == bypassed


def test_each_scheme_has_its_own_proxy() -> None:
    proxies = Proxies(http="proxy:3128")
    proxy = proxies.find("http", "example.org", 80)
    assert proxy is not None
    assert proxy.url == "http://proxy:3128"
    assert proxies.find("https", "example.org", 443) is None


@pytest.mark.parametrize(
    ("host", "no_proxy", "bypassed"),
    [
        ("gw.example.org", "localhost, example.org", True),
        ("gw.example.org", "localhost example.org\t", True),
        ("gw.example.org", " , ", False),
        ("gw.example.org", "example.org.", True),
        ("gw.example.org", ".", False),
        ("gw.example.org", "org", True),
        ("10.1.2.3", "192.168.0.0/16, 10.0.0.0/8", True),
        ("10.1.2.3", "10.0.0.0/99", False),
        ("k51.ipns.localhost", "", True),
        ("localhost.example.org", "", False),
    ],
)
def test_lists_as_people_write_them(host: str, no_proxy: str, bypassed: bool) -> None:
    assert (Proxies(all="socks5://proxy", no_proxy=no_proxy).find("https", host, 443) is None) == bypassed


@pytest.mark.parametrize(
    ("variables", "http", "https"),
    [
        ({"ALL_PROXY": "socks5h://p:1"}, "p:1", "p:1"),
        ({"all_proxy": "p:1", "https_proxy": "p:2"}, "p:1", "p:2"),
        ({"HTTP_PROXY": "p:1", "http_proxy": "p:2"}, "p:2", None),
        ({"HTTPS_PROXY": "http://user:secret@p:3/"}, None, "p:3"),
        ({"http_proxy": "p"}, "p:1080", None),
        ({"http_proxy": "HTTP://[::1]:80"}, "[::1]:80", None),
        ({"http_proxy": ""}, None, None),
    ],
)
def test_variables(variables: dict[str, str], http: str | None, https: str | None) -> None:
    proxies = Proxies.of_variables(variables)
    found = [proxies.find(scheme, "example.org", 80) for scheme in ("http", "https")]
    assert [proxy.name if proxy else None for proxy in found] == [http, https]


@pytest.mark.parametrize(
    "url", ["ftp://u:secret@p:1", "socks4://p:1", "http://", "http://u:secret@p:99999", "http://u:secret@[::1", "//p"]
)
def test_a_malformed_proxy_is_named_without_its_password(url: str) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        Proxies(http=url).find("http", "example.org", 80)
    assert "secret" not in f"{caught.value.message} {caught.value.why} {caught.value.hint}"


@pytest.fixture
def source() -> Iterator[LyingSource]:
    with LyingSource([BLOCK]) as running:
        yield running


def read(client: HttpClient) -> bytes:
    with client.open("GET", f"/ipfs/{BLOCK.cid}") as response:
        return response.read_all(len(BLOCK.data))


def public(host: str, port: int) -> list[Address]:
    return [Address(int(socket.AF_INET), ("8.8.8.8", port))]


@pytest.mark.parametrize(("scheme", "asked"), [("socks5h", "gateway.example"), ("socks5", "8.8.8.8")])
def test_socks(source: LyingSource, scheme: str, asked: str) -> None:
    with socks_proxy(("127.0.0.1", source.port)) as proxy:
        proxies = Proxies(all=f"{scheme}://{proxy.address}")
        assert read(HttpClient("http://gateway.example", proxies=proxies, look_up_host=public)) == BLOCK.data
        assert proxy.hosts == [asked]
    assert source.requests[0][2]["Host"] == "gateway.example"


def test_socks_with_a_login(source: LyingSource) -> None:
    with socks_proxy(("127.0.0.1", source.port)) as proxy:
        proxy.wants_login = True
        url = f"socks5h://user:pass%20word@{proxy.address}"
        assert read(HttpClient("http://gateway.example", proxies=Proxies(all=url), look_up_host=public)) == BLOCK.data
        assert proxy.logins == [LOGIN]
        for login in ("", "user:wrong@"):
            client = HttpClient(
                "http://gateway.example", proxies=Proxies(all=f"socks5h://{login}{proxy.address}"), look_up_host=public
            )
            with pytest.raises(UnavailableError, match=f"by the proxy {proxy.address}"):
                read(client)


def test_socks_over_tls(certificates: Certificates) -> None:
    with (
        LyingSource([BLOCK], certificate=certificates.server) as source,
        socks_proxy(("127.0.0.1", source.port)) as proxy,
    ):
        client = HttpClient(
            "https://tls.example", ca_file=certificates.ca, proxies=Proxies(https=f"socks5h://{proxy.address}"), look_up_host=public
        )
        with pytest.raises(UnavailableError, match="cannot be trusted"):
            read(client)  # its certificate is for localhost: what is checked is the name of the host, not the proxy's
        assert proxy.hosts == ["tls.example"]


def test_socks_leads_no_source_inside(source: LyingSource) -> None:
    """docs/safety.md B6: an address that is not allowed is not asked of a proxy either."""
    answers = iter([public("", 80), *[[Address(int(socket.AF_INET), ("10.0.0.1", 80))]] * 5])
    with socks_proxy(("127.0.0.1", source.port)) as proxy:
        client = HttpClient(
            "http://gateway.example",
            proxies=Proxies(all=f"socks5://{proxy.address}"),
            look_up_host=lambda host, port: next(answers),
        )
        with pytest.raises(UnavailableError, match="private address"):
            read(client)
        assert proxy.hosts == []


@pytest.mark.parametrize("kind", ["http", "https", "socks5h"])
def test_a_dead_proxy_is_named(kind: str) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    scheme = "https" if kind == "https" else "http"
    proxies = Proxies(all=f"{kind.replace('https', 'http')}://u:secret@127.0.0.1:{port}")
    client = HttpClient(f"{scheme}://gateway.example", proxies=proxies, look_up_host=public)
    with pytest.raises(UnavailableError) as caught:
        read(client)
    assert f"gateway.example (by the proxy 127.0.0.1:{port}) cannot be reached" in caught.value.message
    assert "refused" in caught.value.why
    assert "secret" not in f"{caught.value.message} {caught.value.why}"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("refusal", ["407 Proxy Authentication Required", "403 Forbidden"])
def test_a_proxy_that_refuses_is_named(scheme: str, refusal: str) -> None:
    with http_proxy(("127.0.0.1", 9)) as proxy:
        proxy.refusal = refusal.encode()
        client = HttpClient(f"{scheme}://gateway.example", proxies=Proxies(all=proxy.address), look_up_host=public)
        with pytest.raises(UnavailableError) as caught:
            read(client)
    assert f"(by the proxy {proxy.address})" in caught.value.message
    assert refusal in caught.value.why
    assert ("user:password" in caught.value.hint) == refusal.startswith("407")


@pytest.mark.parametrize("failure", [1, 2, 5, 200])
def test_a_socks_proxy_that_refuses_is_named(failure: int) -> None:
    with socks_proxy(("127.0.0.1", 9)) as proxy:
        proxy.failure = failure
        client = HttpClient("http://gateway.example", proxies=Proxies(all=f"socks5h://{proxy.address}"), look_up_host=public)
        with pytest.raises(UnavailableError) as caught:
            read(client)
    assert f"(by the proxy {proxy.address})" in caught.value.message
    assert f"the proxy {proxy.address} does not connect" in caught.value.why


def test_what_is_no_socks_proxy(source: LyingSource) -> None:
    client = HttpClient("http://gateway.example", proxies=Proxies(all=f"socks5h://127.0.0.1:{source.port}"), look_up_host=public)
    with pytest.raises(UnavailableError, match="by the proxy"):
        read(client)


def test_a_socks_proxy_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = HttpClient(
            "http://gateway.example",
            proxies=Proxies(all=f"socks5h://127.0.0.1:{silent.getsockname()[1]}"),
            timeouts=scaled(Timeouts(), 20),
            look_up_host=public,
        )
        with pytest.raises(SourceTimeoutError, match="by the proxy"):
            read(client)
