"""What is made of a pinning service's answers."""

import json
import re
from collections.abc import Iterator

import pytest

from catalog.clients.http import HttpClient
from catalog.clients.pinning import PinningClient, read_error, read_pin, service_timeouts
from catalog.clients.timeouts import Timeouts
from catalog.errors import UnavailableError
from catalog.ipld.cid import cid_of
from tests.fakes.pinning import FakeService, fake_service
from tests.property.mutate import JSON_TOKENS, Target, check_memory, check_target

ROOT = cid_of(b"a snapshot")
QUICK = Timeouts(retry=0.01, service=10)


@pytest.fixture
def service() -> Iterator[FakeService]:
    with fake_service() as service:
        yield service


@pytest.fixture
def client(service: FakeService) -> PinningClient:
    return PinningClient("pinata", HttpClient(service.url, timeouts=service_timeouts(QUICK), basic_logins=True))


def test_a_pin_from_its_wish_to_its_end(service: FakeService, client: PinningClient) -> None:
    assert client.find(ROOT) is None
    made = client.add(ROOT, "dcat k51", ["/ip4/192.0.2.1/tcp/4001/p2p/Q"])
    assert (made.request, made.state, made.cid) == ("request-1", "pinned", str(ROOT))
    (wish,) = [json.loads(asked.body) for asked in service.api.asked if asked.body]
    assert wish == {"cid": str(ROOT), "name": "dcat k51", "origins": ["/ip4/192.0.2.1/tcp/4001/p2p/Q"]}
    assert client.look("request-1") == made
    assert client.find(ROOT) == made
    client.delete("request-1")
    client.delete("request-1")
    assert client.look("request-1") is None


def test_no_more_origins_than_the_specification_allows(service: FakeService, client: PinningClient) -> None:
    client.add(ROOT, "dcat", [f"/ip4/192.0.2.1/tcp/{port}" for port in range(100)])
    assert len(json.loads(service.api.asked[0].body)["origins"]) == 20


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, b'{"error":{"reason":"UNAUTHORIZED","details":"no valid token"}}', "401 .*UNAUTHORIZED, no valid token"),
        (403, b'{"error":"plan without pins"}', "403 .*plan without pins"),
        (409, b'{"error":{"reason":"INSUFFICIENT_FUNDS","details":"quota reached\\n of 1 GB"}}', "409 .*quota reached of 1 GB"),
        (500, b"<html>", "500"),
        (402, b'{"message":"pay first"}', "402 .*pay first"),
    ],
)
def test_refusals_are_told_in_the_words_of_the_service(
    service: FakeService, client: PinningClient, status: int, body: bytes, words: str
) -> None:
    service.refusal = (status, body)
    with pytest.raises(UnavailableError) as caught:
        client.add(ROOT, "dcat", [])
    assert caught.value.message == "the pinning service pinata refuses"
    assert re.search(words, caught.value.why)


def test_a_service_that_asks_to_wait_long_is_asked_later(service: FakeService, client: PinningClient) -> None:
    service.refusal = (429, b"", {"Retry-After": "3600"})
    with pytest.raises(UnavailableError, match="busy") as caught:
        client.add(ROOT, "dcat", [])
    assert "asks to wait 3600 s" in caught.value.why
    assert len(service.api.asked) == 1


def test_a_service_that_asks_to_wait_shortly_is_asked_again(service: FakeService, client: PinningClient) -> None:
    service.api.answers["POST /psa/pins"] = lambda asked: (
        (429, b"", {"Retry-After": "0"}) if len(service.api.asked) < 2 else service.answer(asked)
    )
    assert client.add(ROOT, "dcat", []).state == "pinned"


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"[]",
        b"null",
        b"<html>",
        b"\xff",
        b"[" * 100_000,
        b'{"requestid":"","status":"pinned"}',
        b'{"requestid":"../../admin","status":"pinned"}',
        b'{"requestid":"a?b","status":"pinned"}',
        b'{"requestid":7,"status":"pinned"}',
        b'{"requestid":"a","status":"done"}',
    ],
)
def test_nonsense_is_no_pin(service: FakeService, client: PinningClient, reply: bytes) -> None:
    service.refusal = (200, reply)
    with pytest.raises(UnavailableError, match="is not a pinning service"):
        client.add(ROOT, "dcat", [])


def test_a_pin_of_another_cid_is_not_taken_for_it(service: FakeService, client: PinningClient) -> None:
    service.refusal = (200, b'{"count":1,"results":[{"requestid":"a","status":"pinned","pin":{"cid":"bafkqaaa"}}]}')
    assert client.find(ROOT) is None


def read(data: bytes) -> None:
    read_error(data)
    found = read_pin(json.loads(data))
    assert found is None or (found.request.isascii() and "/" not in found.request and len(found.delegates) <= 20)


PIN = {"requestid": "a-1", "status": "failed", "pin": {"cid": "bafkqaaa"}, "delegates": ["/ip4/192.0.2.1"], "info": {}}
SEEDS = [PIN, PIN | {"info": {"status_details": "no provider"}}, {"error": {"reason": "NOT_FOUND", "details": "x"}}]
TARGETS = [
    Target(
        "pin at a service",
        read,
        (ValueError, RecursionError),
        seeds=[json.dumps(one).encode() for one in SEEDS],
        tokens=JSON_TOKENS,
    )
]


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_damaged_answer_is_read_or_refused(target: Target) -> None:
    check_target(target, 20_000)


@pytest.mark.long
@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_million_damaged_answers(target: Target) -> None:
    check_memory(__name__, target.name, 1_000_000)
