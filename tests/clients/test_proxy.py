"""Which requests go through a proxy."""

import pytest

from catalog.clients.proxy import Proxies


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
    proxies = Proxies(http="http://proxy:3128", https="http://proxy:3128", no_proxy=tuple(no_proxy.split(",")))
    assert (proxies.find("https", host, port) is None) == bypassed


def test_each_scheme_has_its_own_proxy() -> None:
    proxies = Proxies(http="proxy:3128")
    assert proxies.find("http", "example.org", 80) == "http://proxy:3128"
    assert proxies.find("https", "example.org", 443) is None
