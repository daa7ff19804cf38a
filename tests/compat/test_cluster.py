"""One publishes through real peers of an IPFS Cluster: nothing leaves the home before enough nodes keep it, and nothing is lost."""

import base64
import json
import ssl
import urllib.request
from pathlib import Path

import pytest

from catalog.operations.doctor import diagnose
from tests.cli.conftest import dcat, home
from tests.compat.cluster import ClusterPeer, run_cluster
from tests.compat.publisher import Peers, Publisher, at, no_engine, pins, wait_until, wait_until_shared
from tests.compat.test_moving import moved, stored, write_large
from tests.compat.test_sharing import Dcat, ok
from tests.fakes.certificates import make_certificates
from tests.needs import ROOT

__all__ = ["dcat", "home"]

GUIDE = ROOT / "docs/guides/clusters.md"


def use_cluster(dcat: Dcat, peer: ClusterPeer) -> None:
    """Name this peer's node and its cluster, with the commands of the guide as they are written."""
    ok(dcat("config", "set", "kubo", peer.kubo.url, "--yes"))
    for line in GUIDE.read_text(encoding="utf-8").splitlines():
        words = line.removeprefix("    dcat ").split()
        if line.startswith("    dcat config set cluster") and "file" not in words[2]:
            ok(dcat(*words[:-1], peer.rest if words[2] == "cluster" else words[-1]))


def test_archives_leave_the_home_once_enough_nodes_keep_them(cluster: Peers, home: Path, dcat: Dcat, tmp_path: Path) -> None:
    use_cluster(dcat, cluster[0])
    first = json.loads(ok(dcat("publish", "big", "1.0", "--from", write_large(tmp_path / "one.tar", "in a cluster"), "--json")))
    assert (first["shared"]["targets"], first["shared"]["pending"]) == (["cluster"], None)
    assert all(first["shared"]["snapshot"] in pins(peer) for peer in cluster)
    assert stored(home) < 100_000
    assert moved(home) > 4
    second = json.loads(ok(dcat("publish", "big", "1.1", "--from", write_large(tmp_path / "two.tar", "in a cluster 2"), "--json")))
    assert second["shared"]["targets"] == ["cluster"], second
    assert len(second["shared"]["deltas"]) == 1  # its base was read from the node
    assert stored(home) < 200_000
    for peer in cluster:
        assert second["shared"]["snapshot"] in pins(peer)
        wait_until(lambda peer=peer: first["shared"]["snapshot"] not in pins(peer))  # type: ignore[misc]
        peer.kubo.run("repo", "gc")
    (own,) = json.loads(ok(dcat("status", "--json")))["catalogues"]
    assert own["state"] == "shared (cluster)"
    assert (own["replicas"]["pinned"], own["replicas"]["least"], own["replicas"]["most"]) == (2, 2, 3)
    assert "2 of 2..3, checked " in ok(dcat("status"))
    found = json.loads(ok(dcat("verify", "--json")))
    assert (found["damage"], found["unasked"], found["kept"]) == ([], "", True)
    ok(dcat("save", "big@1.0", "-o", str(tmp_path / "out.tar.zst")))
    cid = ok(dcat("resolve", "big@1.0")).strip()
    assert cluster[1].kubo.run("cat", cid) == (tmp_path / "out.tar.zst").read_bytes()


def test_every_node_of_a_cluster_is_the_same_place(cluster: Peers, tmp_path: Path) -> None:
    """What moved through one peer is read through another; peers that keep the last snapshot are told to move."""
    bob = at(tmp_path / "bob", cluster[0])
    first = bob.publish("1.0").record.snapshot_cid
    second = bob.publish("1.1").record.snapshot_cid
    assert cluster[0].ask("GET", f"/allocations/{second}")["pin_update"] in {str(first), None}
    count = moved(bob.path)
    bob.kubo, bob.cluster = cluster[1].kubo.url, cluster[1].rest
    known = bob.status()
    assert known.shared == ()  # its peer was never asked before
    assert bob.sync().targets == ("cluster",)
    assert bob.status().shared == ("cluster",)
    bob.check()
    assert bob.publish("1.2").targets == ("cluster",)
    assert moved(bob.path) > count
    assert stored(bob.path) < 200_000
    bob.check()


def test_what_was_in_a_node_alone_becomes_the_clusters(cluster: Peers, tmp_path: Path) -> None:
    peer = cluster[0]
    bob = Publisher(tmp_path / "bob", peer.kubo.url, "")
    alone = str(bob.publish("1.0").record.snapshot_cid)
    assert alone in pins(peer)
    assert stored(bob.path) < 200_000
    bob.cluster = peer.rest
    assert bob.sync().targets == ("cluster",)
    assert all(alone in pins(one) for one in cluster)
    new = str(bob.publish("1.1").record.snapshot_cid)
    wait_until(lambda: all({alone, new} & pins(one) == {new} for one in cluster))
    bob.check()


def test_addresses_that_do_not_belong_together(cluster: Peers, tmp_path: Path) -> None:
    near, other = cluster
    bob = at(tmp_path / "bob", near)
    for kubo, rest, why in [
        (other.kubo.url, near.rest, "do not belong together"),
        (near.proxy, near.rest, "proxy of an IPFS Cluster"),
        (near.kubo.url, near.proxy, "the cluster at"),
        (near.kubo.url, near.pinning, "the cluster at"),
        (near.kubo.url, near.kubo.url, "the cluster at"),
        (near.kubo.url, "http://127.0.0.1:9", "cannot be used"),
    ]:
        bob.kubo, bob.cluster = kubo, rest
        shared = bob.publish("1.0")
        assert why in shared.pending, shared.pending
        assert shared.targets == ()
        assert stored(bob.path) > 3_000_000
        with bob.opened() as (home, network):
            assert [one.state for one in diagnose(home, no_engine, network) if one.subject in {"cluster", "kubo"}].count("failed")


def test_doctor_on_a_cluster(cluster: Peers, tmp_path: Path) -> None:
    bob = at(tmp_path / "bob", cluster[0])

    def found() -> list[tuple[str, str]]:
        with bob.opened() as (home, network):
            return [(one.state, one.text) for one in diagnose(home, no_engine, network) if one.subject == "cluster"]

    wait_until(lambda: "2 of 2 peers live" in found()[0][1])  # of a busy one a peer may just have heard nothing
    (first, shared, space) = found()
    assert first == ("ok", first[1])
    for word in (cluster[0].id, cluster[0].rest.rpartition("/")[2], "IPFS Cluster 1.1.6", "2 of 2 peers live"):
        assert word in first[1]
    assert "nothing was shared" in shared[1]
    assert "MiB free" in space[1]
    root = bob.publish("1.0").record.snapshot_cid
    (_, shared, _, batching) = found()
    assert shared == ("ok", f"2 of 2..3 nodes pin your catalogue ({root})")
    assert "one by one" in batching[1]
    cluster[1].kubo.run("pin", "rm", str(root))
    failed = ("failed", f"1 of 2..3 nodes pin your catalogue ({root}): peer1: unexpectedly_unpinned")
    wait_until(lambda: (found()[1][0], found()[1][1][: len(failed[1])]) == failed)
    assert bob.sync().targets == ("cluster",)
    assert found()[1][0] == "ok"


@pytest.mark.long
@pytest.mark.parametrize("bearer", [False, True])
def test_a_cluster_with_passwords_and_tls(tmp_path: Path, *, bearer: bool) -> None:
    certificates = make_certificates(tmp_path)
    login = tmp_path / "login"
    login.write_text("ann:s3cret\n", encoding="ascii")
    with run_cluster(2, login="ann:s3cret", certificate=certificates.server, batching=True) as peers:
        bob = Publisher(tmp_path / "bob", peers[0].kubo.url, peers[0].rest, login, certificates.ca)
        if bearer:
            login.write_text(read_token(peers[0].rest, certificates.ca), encoding="ascii")
        wait_until_shared_after(bob, "1.0")
        known = bob.status().replicas
        assert known is not None
        assert known.batching
        login.write_text("ann:wrong\n", encoding="ascii")
        assert "denies access" in bob.publish("1.1").pending
        bob.ca_file = None
        assert "TLS" in bob.sync().pending


def wait_until_shared_after(publisher: Publisher, version: str) -> None:
    """Publish; a fresh cluster may need a moment until it knows its peers."""
    publisher.publish(version)
    wait_until_shared(publisher)


def read_token(rest: str, authority: Path) -> str:
    """Ask the cluster for a token, as its users do."""
    credentials = base64.b64encode(b"ann:s3cret").decode()
    request = urllib.request.Request(f"{rest}/token", method="POST", headers={"Authorization": f"Basic {credentials}"})
    with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=authority)) as answer:
        return str(json.loads(answer.read())["token"])
