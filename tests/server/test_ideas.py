"""What else was tried as a client of a server, or as a proxy in front of it, with its outcome.

Fell, and was mended with a test beside the code: trailers as headers and without a limit; endless chunk extensions; a second
request while the first response is not read; 256 slow readers; half bodies; a queue of thousands in the registry; networks of IPv6
as many clients; chunks to HTTP 1.0; one leaf in many stated sizes; ranges far into a layer for a client that left; made-up digests;
pages for clients that left, and what they keep; waiting for a delta or an arriving layer; the metadata of an index asked for again
and again; SIGTERM while a source drips; uploads that are manifests; links and images of other origins; hosts of sources on pages.

Held: HTTP 1.0 with keep-alive; `Expect` with a body that is too large; TRACE; overrides of method, path and host by headers; dot
segments, `//`, `;`, NUL, overlong and reserved characters in paths; tokens in a query or a cookie; `If-None-Match: *` without the
token; a request in the body of one that is refused; the time of a wrong token; RST after each third byte of a request; 15,000
connections in 8 s; 900 connections with 256 file descriptors; two servers with `--fetch` that are each other's source, or their
own; Markdown of 4 KiB from all pairs of 21 pieces; searches of one letter; 1,000 pages that nobody reads; 4,000 requests of random
paths, parameters and headers: no status 5xx, no odd byte in the log. A half-closed connection counts as a client that left.
"""

from catalog.server.settings import ServerSettings
from tests.server.serving import serving

OPEN = ("/health", "/%68ealth", "/health?a", "/health#a")
GUARDED = (
    *(
        "/health/",
        "/health/../metrics",
        "/health%2f..%2fmetrics",
        "/health;/metrics",
        "//health",
        "/./health",
        "/HEALTH",
        "/health%00",
    ),
    *("/metrics", "/%6detrics", "/?token=secret", "/robots.txt", "/static/..%2f..%2frunning.py", "/%c0%af", "/{", "/@localhost:1/"),
)
OVERRIDES = (
    *("X-HTTP-Method-Override: PUT", "X-Original-URL: /metrics", "X-Rewrite-URL: /metrics", "X-Forwarded-Host: localhost"),
    *("X-Forwarded-For: 127.0.0.1", "Cookie: token=secret", "If-None-Match: *", "Forwarded: for=127.0.0.1;host=localhost"),
)


def test_no_way_leads_around_the_token() -> None:
    with serving(settings=ServerSettings(port=0, token="secret")) as served:

        def status(path: str, *lines: str) -> bytes:
            head = "\r\n".join((f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close", *lines))
            return served.converse(f"{head}\r\n\r\n".encode()).split()[1]

        assert {status(path) for path in OPEN} == {b"200"}
        assert {status(path) for path in GUARDED} == {b"401"}
        assert {status("/metrics", line) for line in OVERRIDES} == {b"401"}
        inner = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\n\r\n"
        outer = b"POST /dcat/v1/blocks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(inner)
        assert served.converse(outer + inner).count(b"HTTP/1.1 ") == 1
