"""The own catalogue at a pinning service: the newest snapshot is asked for, the one before is kept until it is there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.clients.http import HttpClient
from catalog.clients.kubo import KuboClient
from catalog.clients.pinning import PinningClient, service_timeouts
from catalog.clients.timeouts import Timeouts
from catalog.home.home import Home
from catalog.ipld.cid import Cid, cid_of
from catalog.own.pinning import ServiceState, service_state, share_to_services
from catalog.progress import silent
from tests.factory.releases import publish_fake
from tests.fakes.homes import open_at, share
from tests.fakes.pinning import FakeService, fake_service
from tests.fakes.rest import ScriptedApi, scripted_api

FIRST, SECOND, THIRD = (cid_of(text) for text in (b"first", b"second", b"third"))
ADDRESS = "/ip4/127.0.0.1/tcp/4001/p2p/Q"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with open_at(tmp_path / "home") as opened:
        publish_fake(opened, "web", "1.0")
        yield opened


@pytest.fixture
def service() -> Iterator[FakeService]:
    with fake_service() as service:
        yield service


@pytest.fixture
def node() -> Iterator[ScriptedApi]:
    with scripted_api() as api:
        api.set("POST /api/v0/id", {"ID": "Q", "Addresses": [ADDRESS]})
        api.set("POST /api/v0/swarm/connect", {"Strings": []})
        yield api


def keep(home: Home, service: FakeService, node: ScriptedApi, root: Cid) -> ServiceState:
    timeouts = Timeouts(retry=0.01, service=0.2)
    client = PinningClient("one", HttpClient(service.url, timeouts=service_timeouts(timeouts), basic_logins=True))
    (state,) = share_to_services(home, [client], KuboClient(HttpClient(node.url)), root, share(home).record, silent)
    assert service_state(home, "one", service.url) == state
    return state


def test_the_next_snapshot_takes_the_place_of_the_last(home: Home, service: FakeService, node: ScriptedApi) -> None:
    first = keep(home, service, node, FIRST)
    assert (first.root, first.pinned, first.state, first.problem) == (str(FIRST), str(FIRST), "pinned", "")
    assert ADDRESS.encode() in service.api.asked[0].body
    second = keep(home, service, node, SECOND)
    assert (second.pinned, second.left) == (str(SECOND), ())
    assert service.held() == {str(SECOND)}
    assert not any("/request" in asked.what for asked in service.api.asked if asked.what.startswith("POST")), "never replaced"
    order = [asked.what.split()[0] for asked in service.api.asked]
    assert order.index("DELETE") > len(order) - 1 - order[::-1].index("POST")


def test_what_was_pinned_is_only_looked_at(home: Home, service: FakeService, node: ScriptedApi) -> None:
    keep(home, service, node, FIRST)
    service.api.asked.clear()
    keep(home, service, node, FIRST)
    assert [asked.what for asked in service.api.asked] == ["GET /psa/pins/request-1"]


def test_the_last_snapshot_stays_until_the_next_is_pinned(home: Home, service: FakeService, node: ScriptedApi) -> None:
    keep(home, service, node, FIRST)
    service.state = "queued"
    second = keep(home, service, node, SECOND)
    assert (second.state, second.pinned, second.problem) == ("queued", str(FIRST), "")
    third = keep(home, service, node, THIRD)
    assert third.left == ("request-1", "request-2")
    assert service.held() == {str(FIRST)}
    service.pins["request-3"] = (str(THIRD), "pinned")
    assert keep(home, service, node, THIRD).left == ()
    assert set(service.pins) == {"request-3"}


def test_a_pin_that_failed_is_asked_for_again(home: Home, service: FakeService, node: ScriptedApi) -> None:
    keep(home, service, node, FIRST)
    service.state, service.words = "failed", "no provider found"
    failed = keep(home, service, node, SECOND)
    assert (failed.state, failed.problem, failed.pinned) == ("failed", "no provider found", str(FIRST))
    assert str(FIRST) in service.held()
    service.state, service.words = "pinned", ""
    again = keep(home, service, node, SECOND)
    assert (again.state, again.problem) == ("pinned", "")
    assert {cid for cid, _ in service.pins.values()} == {str(SECOND)}


def test_a_service_that_lost_a_pin_is_asked_again(home: Home, service: FakeService, node: ScriptedApi) -> None:
    keep(home, service, node, FIRST)
    service.pins.clear()
    assert keep(home, service, node, FIRST).state == "pinned"
    assert service.held() == {str(FIRST)}


def test_an_answer_that_was_lost_makes_no_second_pin(home: Home, service: FakeService, node: ScriptedApi) -> None:
    service.loses_answers = True
    assert "refuses" in keep(home, service, node, FIRST).problem
    service.loses_answers = False
    assert keep(home, service, node, FIRST).state == "pinned"
    assert len(service.pins) == 1


def test_a_refusal_is_a_word_and_no_more(home: Home, service: FakeService, node: ScriptedApi) -> None:
    keep(home, service, node, FIRST)
    service.refusal = (409, b'{"error":{"reason":"INSUFFICIENT_FUNDS","details":"quota reached"}}')
    refused = keep(home, service, node, SECOND)
    assert "quota reached" in refused.problem
    assert refused.pinned == str(FIRST)
    service.refusal = None
    assert keep(home, service, node, SECOND).problem == ""
    assert service.held() == {str(SECOND)}


def test_a_service_at_another_url_is_another_one(home: Home, service: FakeService, node: ScriptedApi) -> None:
    keep(home, service, node, FIRST)
    assert service_state(home, "one", "http://other") == ServiceState("one", "http://other")
