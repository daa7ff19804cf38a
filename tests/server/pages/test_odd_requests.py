"""Requests of random paths, parameters and headers: refused or answered, and never an error of the server."""

import random

import pytest

from tests.server.pages.conftest import Pages

PATHS = (
    "/",
    "/search",
    "/c/mine",
    "/r/mine/web",
    "/r/mine/web@1.1",
    "/r/mine/web@1.1/files",
    "/cid/x",
    "/v2/_catalog",
    "/v2/web/tags/list",
)
KEYS = ("n", "last", "after", "before", "q", "platform", "path", "format", "filename", "dag-scope", "entity-bytes", "ns")
VALUES = (
    "0",
    "-1",
    "1001",
    "9" * 30,
    "%00",
    "%ff",
    "%ed%a0%80",
    "a" * 3000,
    "",
    "nan",
    "1_0",
    "%C2%B2",
    "%0d%0aX:%20y",
    "..",
    "*",
    "+1",
)
HEADERS = {
    "Range": ("bytes=18446744073709551616-", "bytes=5-1", "bytes=0-0,1-1", "bytes=-0", "bytes="),
    "Accept-Encoding": ("zstd;q=nan", "gzip;q=inf", "*;q=0", "zstd," * 2000),
    "Accept": ("application/json", "application/vnd.ipld.car;dups=z;order=q", ";;;", "a," * 3000),
    "If-None-Match": ("W/*", ",,,", '"' + "a" * 9000),
    "X-Forwarded-Proto": ("javascript:",),
    "X-Forwarded-Prefix": ("//evil.example", "/a/../b"),
}


@pytest.mark.parametrize("seed", range(3))
def test_no_odd_request_is_an_error_of_the_server(seed: int, pages: Pages) -> None:
    generator = random.Random(seed)
    for _ in range(100):
        query = "&".join(f"{generator.choice(KEYS)}={generator.choice(VALUES)}" for _ in range(3))
        headers = [f"{name}: {generator.choice(values)}" for name, values in HEADERS.items() if generator.random() < 0.2]
        line = f"{generator.choice(('GET', 'HEAD'))} {generator.choice(PATHS)}?{query} HTTP/1.1"
        request = "\r\n".join((line, "Host: localhost", "Connection: close", *headers, "", ""))
        answer = pages.served.converse(request.encode())
        assert answer.split()[1][:1] in b"234", (request, answer[:200])
        assert b"evil.example" not in answer
