"""The private endpoint: nobody without the secret is read, and clients that lie, stop or speak TLS do no harm."""

import base64
import hashlib
import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse

import pytest

from catalog.errors import InvalidInputError
from catalog.intake.endpoint import PushEndpoint
from catalog.intake.pushed import PushedImages
from catalog.progress import silent
from tests.factory.archives import MemoryBlocks

UPLOAD = "/v2/dcat/x/blobs/uploads/1?digest=sha256:" + "0" * 64


@pytest.fixture
def endpoint() -> Iterator[PushEndpoint]:
    opened = PushEndpoint()
    opened.attach(PushedImages(MemoryBlocks(), max_size=1 << 30, progress=silent))
    yield opened
    opened.close()


def ask(
    endpoint: PushEndpoint, method: str, path: str, body: bytes = b"", *, password: str | None = None
) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", endpoint.listener.getsockname()[1], timeout=60)
    secret = base64.b64encode(f"dcat:{endpoint.password if password is None else password}".encode()).decode()
    connection.request(method, path, body, {"Authorization": f"Basic {secret}"})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer, data


def test_a_blob_is_uploaded_as_engines_do(endpoint: PushEndpoint) -> None:
    data = b"a blob"
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert ask(endpoint, "GET", "/v2/")[0].status == 200
    assert ask(endpoint, "HEAD", f"/v2/dcat/x/blobs/{digest}")[0].status == 404
    assert not endpoint.accepted.is_set()
    started, _ = ask(endpoint, "POST", "/v2/dcat/x/blobs/uploads/?mount=sha256:1&from=other")
    assert started.status == 202
    location = started.getheader("Location")
    wrong, body = ask(endpoint, "PUT", f"{location}?digest=sha256:{'0' * 64}", data)
    assert (wrong.status, json.loads(body)["errors"][0]["code"]) == (400, "DIGEST_INVALID")
    done, _ = ask(endpoint, "PUT", f"{location}?digest={digest}", data)
    assert (done.status, done.getheader("Docker-Content-Digest")) == (201, digest)
    assert endpoint.accepted.is_set()
    assert ask(endpoint, "HEAD", f"/v2/dcat/x/blobs/{digest}")[0].status == 200
    assert ask(endpoint, "HEAD", "/v2/dcat/x/manifests/tag")[0].status == 404
    put, _ = ask(endpoint, "PUT", "/v2/dcat/x/manifests/tag", b"{}")
    assert put.getheader("Docker-Content-Digest") == f"sha256:{hashlib.sha256(b'{}').hexdigest()}"
    assert ask(endpoint, "PUT", f"/v2/dcat/x/manifests/sha256:{'0' * 64}", b"{}")[0].status == 400
    assert ask(endpoint, "PUT", "/v2/other/manifests/tag", b"{}")[0].status == 404
    assert ask(endpoint, "POST", "/v2/other/blobs/uploads/")[0].status == 404
    assert endpoint.failure is None


@pytest.mark.parametrize(("method", "path"), [("GET", "/v2/"), ("PUT", "/v2/dcat/x/blobs/uploads/1?digest=sha256:1")])
def test_nobody_else_is_answered(endpoint: PushEndpoint, method: str, path: str) -> None:
    answer, _ = ask(endpoint, method, path, b"x" * 100, password="guess")
    assert (answer.status, answer.getheader("WWW-Authenticate")) == (401, 'Basic realm="dcat"')
    assert not endpoint.asked.is_set()


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Length": "-1"},
        {"Content-Length": "+5"},
        {"Content-Length": "1_000"},
        {"Content-Length": "9" * 20},
        {"Content-Length": "5", "Transfer-Encoding": "chunked"},
        {"Transfer-Encoding": "chunked"},
    ],
    ids=str,
)
@pytest.mark.parametrize("target", ["POST /v2/dcat/x/blobs/uploads/", "PUT /v2/dcat/x/manifests/tag", f"PUT {UPLOAD}"])
def test_a_body_of_no_clear_length_is_not_read(endpoint: PushEndpoint, target: str, headers: dict[str, str]) -> None:
    """A negative length would be read to the end of the connection, into memory; a chunked body would be the next request."""
    secret = base64.b64encode(f"dcat:{endpoint.password}".encode()).decode()
    lines = [f"{target} HTTP/1.1", f"Authorization: Basic {secret}", *(f"{name}: {value}" for name, value in headers.items())]
    with socket.create_connection(("127.0.0.1", endpoint.listener.getsockname()[1]), timeout=60) as client:
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 403")
    assert isinstance(endpoint.failure, InvalidInputError)


def test_strangers_neither_take_all_connections_nor_outlast_the_engine(endpoint: PushEndpoint) -> None:
    address = ("127.0.0.1", endpoint.listener.getsockname()[1])
    engine = HTTPConnection(*address, timeout=60)
    secret = {"Authorization": "Basic " + base64.b64encode(f"dcat:{endpoint.password}".encode()).decode()}

    def is_served() -> bool:
        engine.request("GET", "/v2/", headers=secret)
        answer = engine.getresponse()
        answer.read()
        return answer.status == 200

    assert is_served()
    strangers = [socket.create_connection(address, timeout=60) for _ in range(200)]
    assert is_served()  # on the connection that it had
    assert ask(endpoint, "GET", "/v2/")[0].status == 200  # and on a new one
    closed = 0
    for stranger in strangers:
        stranger.settimeout(0.01)
        with suppress(TimeoutError):
            closed += stranger.recv(1) == b""
        stranger.close()
    engine.close()
    assert closed >= len(strangers) - 64


def test_a_tls_hello_is_refused_at_once(endpoint: PushEndpoint) -> None:
    with socket.create_connection(("127.0.0.1", endpoint.listener.getsockname()[1]), timeout=60) as client:
        client.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert client.makefile("rb").read().startswith(b"HTTP/1.1 400")


def test_uploads_that_are_begun_and_left_hold_nothing(endpoint: PushEndpoint) -> None:
    secret = base64.b64encode(f"dcat:{endpoint.password}".encode())
    head = b"PUT /v2/dcat/x/blobs/uploads/1?digest=sha256:%s HTTP/1.1\r\nAuthorization: Basic %s\r\nContent-Length: 9000000\r\n\r\n"
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", endpoint.listener.getsockname()[1]), timeout=60) as client:
            client.sendall(head % (b"0" * 64, secret) + b"x" * 1000)
    assert ask(endpoint, "GET", "/v2/")[0].status == 200
    assert endpoint.failure is None
