"""What a proxy says about where the server is seen: the scheme, the path in front, and links that follow."""

import pytest

from catalog.server.response.address import address_of, prefix_of, rebase


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [
        ("https", "https"),
        ("HTTPS", "https"),
        ("https, http", "https"),
        ("http, https", "http"),
        ("", "http"),
        ("javascript", "http"),
    ],
)
def test_the_first_proxy_says_whether_it_speaks_tls(proto: str, scheme: str) -> None:
    headers = {"host": "dcat.example.org:8443", "x-forwarded-proto": proto, "x-forwarded-prefix": "/dcat/"}
    assert address_of(headers) == f"{scheme}://dcat.example.org:8443/dcat"


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "/",
        "dcat",
        "//evil.example",
        "/a//b",
        "/../c",
        "/a/..",
        '/a"onload="x',
        "/a b",
        "/\u00e9",
        "/a?b",
        "/" + "a" * 65,
        "/a" * 9,
    ],
)
def test_what_is_not_a_plain_path_is_no_prefix(prefix: str) -> None:
    assert prefix_of({"x-forwarded-prefix": prefix}) == ""


def test_only_own_links_are_rebased() -> None:
    others = '<a href="https://x/"></a><a href="//y/"></a><a href="#main"></a><p>href=&#34;/c/mine&#34;</p>'
    own = '<a href="{0}/"></a><a href="{0}/c/mine"></a><img src="{0}/static/i"><form action="{0}/search"></form>'
    assert rebase(own.format("") + others, "/d") == own.format("/d") + others
    assert rebase(own.format("") + others, "") == own.format("") + others
