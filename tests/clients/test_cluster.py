"""What is made of a cluster's answers, whatever answers in its place."""

import base64
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.clients.cluster import ClusterClient, ClusterRefusalError
from catalog.clients.http import HttpClient
from catalog.clients.timeouts import Timeouts
from catalog.errors import SourceTimeoutError, UnavailableError
from catalog.ipld.cid import cid_of
from tests.fakes.rest import Asked, ScriptedApi, scripted_api
from tests.fakes.timeouts import scaled

ROOT = cid_of(b"a snapshot")
QUICK = Timeouts(retry=0.01, budget=1)


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with scripted_api() as api:
        yield api


def client_of(api: ScriptedApi, token_file: Path | None = None) -> ClusterClient:
    return ClusterClient(HttpClient(api.url, token_file=token_file, timeouts=QUICK, basic_logins=True))


def states(*peers: tuple[str, str, str]) -> dict[str, object]:
    """Return what a cluster says of a pin: of each peer its ID, its node's ID, its state."""
    return {
        "peer_map": {peer: {"peername": peer, "ipfs_peer_id": node, "status": state, "error": ""} for peer, node, state in peers}
    }


def test_who_answers(api: ScriptedApi) -> None:
    api.set("GET /id", {"id": "A", "version": "1.1.6", "cluster_peers": ["A", "B"], "ipfs": {"id": "a", "error": ""}})
    found = client_of(api).identity()
    assert (found.id, found.version, found.node, found.peers) == ("A", "1.1.6", "a", ("A", "B"))
    api.set("GET /id", {"id": "A", "cluster_peers": ["A"], "ipfs": {"id": "a", "error": "refused"}})
    assert client_of(api).identity().node == ""


@pytest.mark.parametrize(
    "reply", [b"", b"[]", b"{}", b"<html>", b'{"cluster_peers": 1}', b"\xff", b"[" * 100_000, b'"cluster"', b"null"]
)
def test_what_is_no_cluster_is_not_taken_for_one(api: ScriptedApi, reply: bytes) -> None:
    api.answers["GET /id"] = (200, reply)
    with pytest.raises(UnavailableError):
        client_of(api).identity()


def test_replicas_are_nodes_that_pin(api: ScriptedApi) -> None:
    api.set(
        f"GET /pins/{ROOT}",
        states(
            ("A", "a", "pinned"),
            ("B", "b", "pinning"),
            ("C", "c", "pin_queued"),
            ("D", "d", "remote"),
            ("E", "e", "unpinned"),
            ("F", "f", "unexpectedly_unpinned"),
            ("G", "g", "sharded"),
        ),
    )
    found = client_of(api).replicas(ROOT)
    assert found.pinned == 1
    assert found.keeps("A")
    assert not found.keeps("B")
    assert not found.is_settled
    assert found.failures == ("F: unexpectedly_unpinned",)


def test_two_peers_of_one_node_keep_one_replica(api: ScriptedApi) -> None:
    api.set(f"GET /pins/{ROOT}", states(("A", "a", "pinned"), ("B", "a", "pinned")))
    assert client_of(api).replicas(ROOT).pinned == 1


@pytest.mark.parametrize(
    "reply", [b'{"peer_map": []}', b'{"peer_map": {"A": 1}}', b'{"peer_map": {"A": {"status": 3}}}', b"{}", b"[]"]
)
def test_no_replica_is_read_out_of_nonsense(api: ScriptedApi, reply: bytes) -> None:
    api.answers[f"GET /pins/{ROOT}"] = (200, reply)
    assert client_of(api).replicas(ROOT).pinned == 0


def test_an_empty_answer_of_200_is_a_failure(api: ScriptedApi) -> None:
    api.answers["POST /pins"] = api.answers["GET /pins"] = api.answers["GET /allocations"] = (200, b"")
    client = client_of(api)
    with pytest.raises(UnavailableError, match="with nothing"):
        client.pin(ROOT, "dcat", least=2, most=3, near="A")
    with pytest.raises(UnavailableError, match="with nothing"):
        client.replicas(ROOT)
    with pytest.raises(UnavailableError, match="with nothing"):
        client.allocation(ROOT)


def test_a_pin_names_what_is_wanted(api: ScriptedApi) -> None:
    api.set("POST /pins", {})
    client = client_of(api)
    client.pin(ROOT, "dcat k51", least=2, most=3, near="A")
    client.move_pin(cid_of(b"before"), ROOT, "dcat k51")
    assert [asked.query for asked in api.asked] == [
        "name=dcat+k51&replication-min=2&replication-max=3&user-allocations=A",
        f"name=dcat+k51&pin-update={cid_of(b'before')}",
    ]


def test_what_is_not_pinned_is_no_error(api: ScriptedApi) -> None:
    client = client_of(api)
    assert client.allocation(ROOT) is None
    assert client.replicas(ROOT).pinned == 0
    client.unpin(ROOT)
    client.recover(ROOT)


def test_a_refusal_is_told_in_the_words_of_the_cluster(api: ScriptedApi) -> None:
    api.set("POST /pins", {"code": 500, "message": "not enough peers to allocate CID.\n Needed at least: 2"}, 500)
    with pytest.raises(ClusterRefusalError) as caught:
        client_of(api).pin(ROOT, "dcat", least=2, most=3, near="A")
    assert caught.value.text == "not enough peers to allocate CID. Needed at least: 2"
    api.answers["POST /pins"] = (500, b"<html>" + b"x" * 10_000)
    with pytest.raises(ClusterRefusalError) as caught:
        client_of(api).pin(ROOT, "dcat", least=2, most=3, near="A")
    assert len(caught.value.text) <= 300


@pytest.mark.parametrize(
    ("content", "sent"), [("ann:s3cret", "Basic " + base64.b64encode(b"ann:s3cret").decode()), ("e30.e30.x", "Bearer e30.e30.x")]
)
def test_logins(api: ScriptedApi, tmp_path: Path, content: str, sent: str) -> None:
    token = tmp_path / "login"
    token.write_text(content + "\n", encoding="ascii")
    client_of(api, token).unpin(ROOT)
    assert api.asked[0].authorization == sent


def test_a_denied_login(api: ScriptedApi) -> None:
    api.set("GET /id", {"code": 401, "message": "Unauthorized"}, 401)
    with pytest.raises(UnavailableError, match="denies access") as caught:
        client_of(api).identity()
    assert "USER:PASSWORD" in caught.value.hint


def test_only_a_password_that_leaves_the_machine_is_exposed(tmp_path: Path) -> None:
    for url, token, exposed in [
        ("http://cluster.example:9094", tmp_path, True),
        ("https://cluster.example:9094", tmp_path, False),
        ("http://127.0.0.1:9094", tmp_path, False),
        ("http://localhost:9094", tmp_path, False),
        ("http://cluster.example:9094", None, False),
    ]:
        assert ClusterClient(HttpClient(url, token_file=token, basic_logins=True)).is_exposed == exposed, url


def test_a_cluster_that_hangs_is_given_up(api: ScriptedApi) -> None:
    waiting = threading.Event()

    def hang(_: Asked) -> tuple[int, bytes]:
        waiting.wait(60)
        return 200, b"{}"

    api.answers["GET /pins"] = hang
    client = ClusterClient(HttpClient(api.url, timeouts=scaled(QUICK, 50), basic_logins=True))
    with pytest.raises(SourceTimeoutError, match="cannot be used"):
        client.replicas(ROOT)
    waiting.set()


def test_peers_as_lines_or_as_a_list(api: ScriptedApi) -> None:
    peer = b'{"id":"A","peername":"one","error":"","ipfs":{"id":"a","error":"down"}}'
    for reply in (peer + b"\n", b"[" + peer + b"]", peer + b"\n" + peer):
        api.answers["GET /peers"] = (200, reply)
        assert {(one.id, one.name, one.node, one.error) for one in client_of(api).peers()} == {("A", "one", "a", "down")}
    api.set(
        "GET /monitor/metrics/freespace", [{"peer": "A", "value": "10", "valid": True}, {"peer": "B", "value": "9", "valid": False}]
    )
    assert client_of(api).free_space() == {"A": 10}
