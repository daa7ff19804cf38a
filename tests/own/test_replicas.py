"""What a cluster is asked for, and when its word is believed; how it really behaves: tests/compat/test_cluster.py."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import pytest

from catalog.clients.cluster import ClusterClient, ClusterRefusalError
from catalog.clients.cluster_reply import Replicas
from catalog.clients.http import HttpClient
from catalog.clients.timeouts import Timeouts
from catalog.errors import UnavailableError
from catalog.ipld.cid import Cid, cid_of
from catalog.own.replicas import ClusterPin
from catalog.progress import silent
from catalog.sources.network import ReplicaRule
from tests.fakes.rest import Answer, Asked, ScriptedApi, scripted_api

LAST, NEW = cid_of(b"the last snapshot"), cid_of(b"the new one")
RULE = ReplicaRule(2, 3)


@dataclass
class FakeCluster:
    """Three peers A (the near one), B and C; ``states`` by CID are what they say, ``allocated`` who should keep it."""

    api: ScriptedApi
    allocated: dict[str, tuple[list[str], int, int]] = field(default_factory=dict)
    states: dict[str, dict[str, str]] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=lambda: {"A": "pinned", "B": "pinned", "C": "remote"})
    refuses: str = ""
    hides: int = 0

    def keep(self, cid: Cid, states: dict[str, str], *, least: int = 2, most: int = 3, peers: str = "ABC") -> None:
        self.allocated[str(cid)] = (list(peers), least, most)
        self.states[str(cid)] = states

    def answer(self, asked: Asked) -> Answer:
        method, _, path = asked.what.partition(" ")
        _, kind, cid, *rest = path.split("/")
        if method == "GET" and kind == "allocations":
            if cid not in self.allocated or self.hides:
                self.hides = max(0, self.hides - 1)
                return 404, b"{}"
            peers, least, most = self.allocated[cid]
            return self._json({"allocations": peers, "replication_factor_min": least, "replication_factor_max": most})
        if method == "POST" and not rest:
            if self.refuses:
                return 500, json.dumps({"message": self.refuses}).encode()
            query = parse_qs(asked.query)
            least, most = (int(query.get(f"replication-{end}", ["2"])[0]) for end in ("min", "max"))
            self.keep_on_pin(cid, least or 2, most or 3)
            return self._json({})
        if method == "POST":
            self.states[cid] = self.after
            return self._json({})
        entries = {peer: {"ipfs_peer_id": peer.lower(), "status": state} for peer, state in self.states.get(cid, {}).items()}
        return self._json({"peer_map": entries})

    def keep_on_pin(self, cid: str, least: int, most: int) -> None:
        self.allocated[cid] = (["A", "B", "C"], least, most if most > 2 else 3)
        self.states[cid] = self.after

    def asked(self, method: str) -> list[str]:
        return [f"{one.what.rpartition('/')[2]}?{one.query}" for one in self.api.asked if one.what.startswith(method)]

    @staticmethod
    def _json(value: object) -> Answer:
        return 200, json.dumps(value).encode() + b"\n"


@pytest.fixture
def fake() -> Iterator[FakeCluster]:
    with scripted_api() as api:
        fake = FakeCluster(api)
        for method in ("GET", "POST", "DELETE"):
            api.answers[f"{method} /"] = fake.answer
        yield fake


def ensure(fake: FakeCluster, last: Cid | None = None, *, patience: float = 30) -> Replicas:
    client = ClusterClient(HttpClient(fake.api.url, timeouts=Timeouts(replicas=patience), basic_logins=True))
    return ClusterPin(client, "A", "dcat k51", RULE, silent).ensure(NEW, last)


def test_what_is_kept_as_wanted_is_only_looked_at(fake: FakeCluster) -> None:
    fake.keep(NEW, {"A": "pinned", "B": "pinned", "C": "pinning"})
    assert ensure(fake).pinned == 2
    assert len(fake.api.asked) == 2
    assert fake.asked("POST") == []


def test_the_first_pin_has_the_near_peer_among_its_allocations(fake: FakeCluster) -> None:
    assert ensure(fake).pinned == 2
    assert fake.asked("POST") == [f"{NEW}?name=dcat+k51&replication-min=2&replication-max=3&user-allocations=A"]


def test_peers_that_all_keep_the_last_snapshot_are_told_to_move(fake: FakeCluster) -> None:
    fake.keep(LAST, {"A": "pinned", "B": "pinned", "C": "pinned"})
    assert ensure(fake, LAST).pinned == 2
    assert fake.asked("POST") == [f"{NEW}?name=dcat+k51&pin-update={LAST}"]


@pytest.mark.parametrize(
    ("states", "numbers", "peers"),
    [
        ({"A": "pinned", "B": "pinned", "C": "cluster_error"}, (2, 3), "ABC"),  # a dead one would be copied
        ({"A": "pinning", "B": "pinned", "C": "pinned"}, (2, 3), "ABC"),
        ({"A": "pinned", "B": "pinned", "C": "pinned"}, (1, 3), "ABC"),  # other numbers were wanted then
        ({"A": "pinned", "B": "pinned", "C": "pinned"}, (2, 4), "ABC"),
        ({"A": "remote", "B": "pinned", "C": "pinned"}, (2, 3), "BC"),  # the near one would lose its pin
        ({"A": "pinned", "B": "remote", "C": "remote"}, (2, 3), "A"),
    ],
)
def test_otherwise_it_is_allocated_anew(fake: FakeCluster, states: dict[str, str], numbers: tuple[int, int], peers: str) -> None:
    fake.keep(LAST, states, least=numbers[0], most=numbers[1], peers=peers)
    assert ensure(fake, LAST).pinned == 2
    assert "user-allocations=A" in fake.asked("POST")[0]


@pytest.mark.parametrize(
    "states",
    [
        {"A": "pinned", "B": "unpinned", "C": "unpinned"},  # they never heard of it
        {"A": "pinned", "B": "pin_error", "C": "cluster_error"},
        {"A": "unexpectedly_unpinned", "B": "pinned", "C": "remote"},
    ],
)
def test_what_nobody_works_on_is_pinned_again(fake: FakeCluster, states: dict[str, str]) -> None:
    fake.keep(NEW, states)
    assert ensure(fake).pinned == 2
    assert len(fake.asked("POST")) == 1


def test_what_somebody_works_on_is_waited_for(fake: FakeCluster) -> None:
    fake.keep(NEW, {"A": "pinned", "B": "pinning", "C": "remote"})
    assert ensure(fake, patience=0.3).pinned == 1
    assert fake.asked("POST") == []


def test_peers_that_failed_are_told_to_try_again(fake: FakeCluster) -> None:
    recovered, fake.after = fake.after, {"A": "pinned", "B": "pin_error", "C": "remote"}
    posts: list[str] = []

    def answer(asked: Asked) -> Answer:
        posts.append(asked.what)
        if asked.what.endswith("/recover"):
            fake.after = recovered
        return fake.answer(asked)

    fake.api.answers["POST /"] = answer
    assert ensure(fake, patience=30).pinned == 2
    assert [what.endswith("/recover") for what in posts] == [False, True]


def test_a_pin_that_is_not_seen_yet_says_that_pins_are_batched(fake: FakeCluster) -> None:
    client = ClusterClient(HttpClient(fake.api.url, timeouts=Timeouts(replicas=30), basic_logins=True))
    pin = ClusterPin(client, "A", "dcat k51", RULE, silent)
    pin.ensure(NEW, None)
    assert pin.batching is False
    fake.allocated.clear()
    fake.hides = 2
    pin.ensure(NEW, None)
    assert pin.batching is True


def test_a_refusal_and_an_empty_answer_are_no_replicas(fake: FakeCluster) -> None:
    fake.refuses = "not enough peers to allocate CID"
    with pytest.raises(ClusterRefusalError, match="refuses the pin"):
        ensure(fake)
    fake.api.answers["POST /"] = (200, b"")
    with pytest.raises(UnavailableError, match="with nothing"):
        ensure(fake)
