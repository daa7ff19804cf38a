"""What every request passes before a route is looked up.

Host, origin, token, a free slot (docs/safety.md E1, E2, E5, E7, E9, E10, E14).
"""

import base64
import contextlib
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from catalog.errors import InvalidConfigError
from catalog.ipld.cid import Cid
from catalog.server.guard.hosts import HostList
from catalog.server.settings import ServerLimits, ServerSettings
from tests.server.serving import Blocks, Records, Served, serving

OTHER_HOSTS = [
    "evil.example",
    "localhost.evil.example",
    "evil.example:5078",
    "127.0.0.1.nip.example",
    "127.0.0.2",
    "0.0.0.0",
    "10.0.0.1",
    "192.168.1.10:5078",
    "169.254.169.254",
    "[::]",
    "[fe80::1]",
    "[::ffff:10.0.0.1]",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.1",
    "localhost@evil.example",
    "localhost:80@evil.example",
    "localhost/",
    "localhost#",
    "localhost?",
    "localhost,evil.example",
    "localhost evil.example",
    "localhost:port",
    "localhost:123456",
    "[::1",
    "::1",
    "%6cocalhost",
    "local\xe2host",
    "",
]
OWN_HOSTS = ["localhost", "LOCALHOST:1", "localhost.", "127.0.0.1:5078", "[::1]", "[::1]:5078", "host.docker.internal:5078"]
NOTHING = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
NAME = "k51qzi5uqu5dlkw8pxuw9qmqayfdeh4kfebhmreauqdc6a7c3y7d5i9fi8mk9w"
ROUTES = [
    ("GET", "/"),
    ("GET", f"/ipfs/{NOTHING}?format=raw"),
    ("HEAD", f"/ipfs/{NOTHING}"),
    ("GET", f"/ipfs/{NOTHING}/a/b?format=car"),
    ("GET", "/ipfs/bafkqaaa?format=raw"),
    ("GET", f"/ipns/{NAME}?format=ipns-record"),
    ("GET", f"/routing/v1/ipns/{NAME}"),
    ("PUT", f"/routing/v1/ipns/{NAME}"),
    ("GET", f"/routing/v1/providers/{NOTHING}"),
    ("GET", "/dcat/v1/catalogue"),
    ("POST", "/dcat/v1/blocks"),
    ("GET", "/health"),
    ("GET", "/metrics"),
    ("GET", "/v2/"),
    ("OPTIONS", "/dcat/v1/catalogue"),
    ("DELETE", "/anything"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_another_host_gets_nothing_from_any_route(method: str, path: str, served: Served) -> None:
    request = f"{method} {path} HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    if method in ("GET", "HEAD", "OPTIONS"):
        request = request.replace("Content-Length: 0\r\n", "")
    for host in OTHER_HOSTS:
        answer = served.converse((request % host).encode("latin-1"))
        assert answer.startswith(b"HTTP/1.1 421 "), (host, answer)


def test_own_names_are_answered_to(served: Served) -> None:
    assert len(OTHER_HOSTS) == 30
    for host in OWN_HOSTS:
        assert served.ask("/health", Host=host).status == 200, host


def test_an_allowed_host_is_answered_to() -> None:
    with serving(settings=ServerSettings(port=0, allowed_hosts=("Images.example.org",))) as served:
        assert served.ask("/health", Host="images.example.org:80").status == 200
        assert served.ask("/health", Host="other.example.org").status == 421


@pytest.mark.parametrize(
    "typed",
    [
        "images.example.org:443",
        "https://Images.example.org/",
        "https://images.example.org:8443/dcat/",
        "images.example.org.",
        "images.example.org/",
    ],
)
def test_an_allowed_host_as_people_type_it(typed: str) -> None:
    assert HostList(ServerSettings(allowed_hosts=(typed,))).allows("images.example.org", None)


@pytest.mark.parametrize("typed", ["*.example.org", "*", "", "a b", "images.example.org,other"])
def test_an_allowed_host_that_no_host_can_be(typed: str) -> None:
    with pytest.raises(InvalidConfigError, match="cannot be an allowed host"):
        HostList(ServerSettings(allowed_hosts=(typed,)))


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "no-cors"},
        {"Origin": "http://evil.example", "Content_Type": "text/plain"},
        {"Origin": "http://evil.example", "Content_Type": "application/x-www-form-urlencoded"},
        {"Origin": "http://evil.example", "Content_Type": "multipart/form-data; boundary=a"},
        {"Origin": "http://evil.example", "Content_Type": "application/vnd.ipfs.ipns-record", "Sec_Fetch_Site": "cross-site"},
        {"Origin": "moz-extension://a-b-c"},
    ],
)
def test_pages_of_others_change_nothing(method: str, headers: dict[str, str], served: Served) -> None:
    for path in (f"/routing/v1/ipns/{NAME}", "/dcat/v1/blocks"):
        assert served.ask(path, method, b"a=b", **headers).status == 403
    assert served.records.puts == 0


def test_no_other_origin_may_read(served: Served) -> None:
    for path in ("/health", "/dcat/v1/catalogue", f"/ipfs/{NOTHING}?format=raw"):
        answer = served.ask(path, Origin="https://evil.example")
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert served.ask("/dcat/v1/catalogue", "OPTIONS", Origin="https://evil.example").status == 403


LINKED = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize(("mode", "dest"), [("no-cors", "image"), ("no-cors", "script"), ("cors", "empty"), ("navigate", "iframe")])
def test_pages_of_others_load_nothing(site: str, mode: str, dest: str, served: Served) -> None:
    """Nor do they learn what is held: not even the status differs."""
    for path in ("/health", "/v2/", "/dcat/v1/catalogue", f"/ipfs/{NOTHING}", "/ipfs/bafkqaaa?format=raw"):
        assert served.ask(path, Sec_Fetch_Site=site, Sec_Fetch_Mode=mode, Sec_Fetch_Dest=dest).status == 403, path
        assert served.ask(path, Origin="https://evil.example").status == 403, path


def test_people_follow_links_from_elsewhere_but_start_no_work_by_them(served: Served) -> None:
    assert served.ask("/ipfs/bafkqaaa?format=raw", **LINKED).status == 200
    assert served.ask("/health", **LINKED).status == 200
    assert served.ask("/health", **{**LINKED, "Sec_Fetch_Site": "none"}).status == 200
    for path in ("/v2/", "/v2/team/web/manifests/1.1", f"/dcat/v1/delta/{NOTHING}/{NOTHING}"):
        assert served.ask(path, **LINKED).status == 403
        assert served.ask(path, **{**LINKED, "Sec_Fetch_Site": "same-origin"}).status != 403


def test_nothing_is_a_service_worker(served: Served) -> None:
    assert served.ask("/health", Service_Worker="script").status == 403


def test_a_token_guards_everything_but_health() -> None:
    with serving(settings=ServerSettings(port=0, token="s3cret-ä")) as served:
        token = "s3cret-ä".encode()
        basic = base64.b64encode(b"anybody:" + token).decode()
        assert served.ask("/health").status == 200
        for path in ("/metrics", "/dcat/v1/catalogue", "/ipfs/bafkqaaa?format=raw", "/nothing"):
            for wrong in ("", "Bearer", "Bearer wrong", "Basic !", "Basic " + base64.b64encode(b"anybody:").decode(), "s3cret-ä"):
                answer = served.ask(path, Authorization=wrong.encode().decode("latin-1"))
                assert answer.status == 401
                assert answer.headers["www-authenticate"].startswith("Basic ")
            for right in ("Bearer " + token.decode("latin-1"), "bearer  " + token.decode("latin-1"), "Basic " + basic):
                assert served.ask(path, Authorization=right).status in (200, 404)
        assert not [line for line in served.log if "s3cret" in line or basic in line]
        assert "s3cret" not in repr(ServerSettings(token="s3cret"))


class SlowBlocks(Blocks):
    """Blocks that are read only once a gate is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()

    def get(self, cid: Cid) -> bytes:
        assert self.gate.wait(60)
        return super().get(cid)


@contextlib.contextmanager
def held_up(served: Served, cid: Cid, number: int) -> Iterator[None]:
    """Keep ``number`` requests in flight."""
    with contextlib.ExitStack() as stack:
        request = f"GET /ipfs/{cid}?format=raw HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        for _ in range(number):
            stack.enter_context(served.connect()).sendall(request)
        served.wait_for_requests(number)
        yield


def test_more_than_the_places_in_flight_are_told_to_come_back() -> None:
    blocks = SlowBlocks()
    cid = blocks.add(b"slow")
    limits = replace(ServerLimits(), in_flight=6, per_client=2)  # per client counts for others than loopback
    with serving(blocks, limits=limits) as served:
        with held_up(served, cid, 5), served.connect() as last:
            last.sendall(f"GET /ipfs/{cid}?format=raw HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            deadline = time.monotonic() + 60
            while (answer := served.ask("/health")).status != 429:
                assert time.monotonic() < deadline
            assert answer.headers["retry-after"] == "1"
            blocks.gate.set()
        deadline = time.monotonic() + 60
        while served.ask("/health").status != 200:
            assert time.monotonic() < deadline


def test_half_requests_hold_no_place() -> None:
    with serving(limits=replace(ServerLimits(), in_flight=1)) as served, contextlib.ExitStack() as stack:
        for piece in (
            b"GET /health HTTP/1.1\r\n",
            b"POST /dcat/v1/blocks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc",
        ):
            for _ in range(10):
                stack.enter_context(served.connect()).sendall(piece)
        assert served.ask("/health").status == 200


def test_every_request_is_one_line_of_the_log() -> None:
    """Figure of E10: whatever a path holds, one line each and no control byte."""
    generator = random.Random(10)
    paths = []
    for _ in range(300):
        path = "/" + "".join(chr(generator.choice((*range(0x21, 0x7F), 0x25))) for _ in range(generator.randrange(60)))
        paths.append(
            path.replace("#", "").replace("?", "") + generator.choice(("%0a%0dGET", "%1b[31m", "%00", '"', "\\", "%e2%80%ae"))
        )
    requests = [f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode() for path in paths]
    with serving() as served:
        for request in requests:
            assert served.converse(request).startswith(b"HTTP/1.1 ")
    # The server has ended, and so has every request.
    assert len(served.log) == len(paths)
    assert all(line.isascii() and line.isprintable() for line in served.log)


def test_an_error_of_our_own_is_500_without_its_text() -> None:
    class BrokenBlocks(Blocks):
        def get(self, cid: Cid) -> bytes:
            raise RuntimeError(f"secret {cid}\n")

    blocks = BrokenBlocks()
    cid = blocks.add(b"a")
    with serving(blocks, Records()) as served:
        answer = served.ask(f"/ipfs/{cid}?format=raw")
        assert (answer.status, answer.body) == (500, b"internal error\n")
        assert served.wait_for_log("RuntimeError: secret").endswith(r"\x0a")


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_no_shared_cache_keeps_what_a_token_guards(method: str, path: str) -> None:
    blocks = Blocks()
    held = blocks.add(b"held")
    with serving(blocks, settings=ServerSettings(port=0, token="secret")) as served:
        for authorization in ("Bearer secret", "Bearer wrong"):
            for asked in (path, f"/ipfs/{held}?format=raw", f"/ipfs/{held}?format=car", f"/ipfs/{held}"):
                answer = served.ask(asked, method, Authorization=authorization)
                directives = answer.headers["cache-control"].split(", ")
                assert directives[0] == "private"
                assert "public" not in directives
    with serving(blocks) as served:
        assert "public" in served.ask(f"/ipfs/{held}?format=raw").headers["cache-control"]
