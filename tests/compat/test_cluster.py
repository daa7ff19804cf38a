"""One publishes through real peers of an IPFS Cluster: nothing leaves the home before enough nodes keep it, and nothing is lost."""

import base64
import json
import random
import re
import ssl
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from catalog.clients.docker import Engine
from catalog.clients.timeouts import Timeouts
from catalog.errors import EngineUnavailableError
from catalog.home.home import Home, open_home
from catalog.intake.intake import Wanted
from catalog.operations.doctor import diagnose
from catalog.operations.gc import collect_garbage
from catalog.operations.publish import publish
from catalog.operations.status import CatalogueStatus, status
from catalog.operations.verify import verify
from catalog.own.share import Shared, Sharing, share_own
from catalog.sources.network import ClusterSetting, KuboSetting, Network, open_network
from tests.cli.conftest import dcat, home, run_process
from tests.compat.cluster import ClusterPeer, run_cluster
from tests.compat.test_moving import moved, stored, write_large
from tests.compat.test_sharing import Dcat, ok
from tests.factory.exports import source_of
from tests.factory.images import APP, BASE, make_image
from tests.factory.platforms import HOST
from tests.factory.tars import make_layer
from tests.fakes.certificates import make_certificates
from tests.needs import ROOT

__all__ = ["dcat", "home"]

GUIDE = ROOT / "docs/guides/clusters.md"
Peers = tuple[ClusterPeer, ...]


def use_cluster(dcat: Dcat, peer: ClusterPeer) -> None:
    """Name this peer's node and its cluster, with the commands of the guide as they are written."""
    ok(dcat("config", "set", "kubo", peer.kubo.url, "--yes"))
    for line in GUIDE.read_text(encoding="utf-8").splitlines():
        words = line.removeprefix("    dcat ").split()
        if line.startswith("    dcat config set cluster") and "file" not in words[2]:
            ok(dcat(*words[:-1], peer.rest if words[2] == "cluster" else words[-1]))


def pins(peer: ClusterPeer) -> set[str]:
    """Return the roots that a peer's node pins."""
    return {line.split()[0] for line in peer.kubo.run("pin", "ls", "--type", "recursive").decode().splitlines()}


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


class Publisher:
    """One home that shares through a peer's node and its cluster, with short limits for waiting."""

    def __init__(self, folder: Path, kubo: str, cluster: str, token_file: Path | None = None, ca_file: Path | None = None) -> None:
        self.path = folder
        self.kubo = kubo
        self.cluster = cluster
        self.token_file = token_file
        self.ca_file = ca_file
        self.patience = 30.0

    @contextmanager
    def opened(self) -> Iterator[tuple[Home, Network]]:
        kubo = KuboSetting(self.kubo, public=True) if self.kubo else None
        cluster = ClusterSetting(self.cluster, self.token_file, self.ca_file) if self.cluster else None
        timeouts = Timeouts(replicas=self.patience, first_byte=5)
        with (
            open_home(self.path, now=datetime.now(UTC)) as home,
            open_network([], kubo, cluster=cluster, timeouts=timeouts) as network,
        ):
            yield home, network

    def publish(self, version: str) -> Shared:
        """Publish an image of 3 MB that no other version, home or test has."""
        content = make_layer({"data": random.Random(f"{self.path} {version}").randbytes(3_000_000)})
        image = source_of(make_image([BASE, content, APP]))
        with self.opened() as (home, network):
            done = publish(home, "big", version, image, Wanted(HOST), sharing=Sharing(network, deltas=False))
        assert done.shared is not None, done.share_error
        return done.shared

    def sync(self) -> Shared:
        with self.opened() as (home, network):
            shared = share_own(home, network)
        assert shared is not None
        return shared

    def check(self) -> None:
        """Every block is here or kept by the node, whatever was let go of."""
        with self.opened() as (home, network):
            found = verify(home, network=network)
        assert (found.damage, found.unasked, found.kept) == ((), "", True)

    def status(self) -> CatalogueStatus:
        """Return what the home knows of its own catalogue."""
        with self.opened() as (home, _):
            return status(home, kubo=self.kubo, cluster=self.cluster).catalogues[0]


def at(folder: Path, peer: ClusterPeer) -> Publisher:
    """Return a publisher who uses a peer and its own node."""
    return Publisher(folder, peer.kubo.url, peer.rest)


@pytest.mark.parametrize("runs", [1, pytest.param(20, marks=pytest.mark.long)])
def test_the_only_copy_is_never_collected(cluster: Peers, tmp_path: Path, runs: int) -> None:
    """One peer of two is slow, GC is forced on all: with the cluster's proxy this lost the release that was called shared."""
    near, slow = cluster
    bob = at(tmp_path / "bob", near)
    for run in range(runs):
        assert bob.publish(f"{run}.0").targets == ("cluster",)
        slow.cut_off()
        bob.patience = 1
        try:
            shared = bob.publish(f"{run}.1")
            assert shared.targets == ()
            assert shared.pending.startswith("1 of 2 replicas")
            assert stored(bob.path) > 3_000_000
            near.kubo.run("repo", "gc")  # that of the slow node waits for its pin
            bob.check()
            assert bob.sync().pending.startswith("1 of 2 replicas")
            assert stored(bob.path) > 3_000_000
        finally:
            slow.join(near)
        bob.patience = 30
        wait_until_shared(bob)
        assert stored(bob.path) < 200_000
        for peer in cluster:
            peer.kubo.run("repo", "gc")
        bob.check()
        for peer in cluster:  # whole in each node
            peer.kubo.run("dag", "export", "--offline", str(shared.record.snapshot_cid))


def wait_until_shared(publisher: Publisher) -> Shared:
    """Share until the cluster has enough replicas; it soon must."""
    deadline = time.monotonic() + 60
    while (shared := publisher.sync()).pending:
        assert time.monotonic() < deadline, shared.pending
    assert shared.targets == ("cluster",)
    return shared


def test_a_peer_that_is_down(cluster: Peers, tmp_path: Path) -> None:
    near, other = cluster
    bob = at(tmp_path / "bob", near)
    first = bob.publish("1.0").record.snapshot_cid
    other.stop()
    try:
        assert bob.publish("1.1").pending.startswith("1 of 2 replicas: ")
        assert stored(bob.path) > 3_000_000
        known = bob.status()
        assert (known.unshared, known.shared) == (1, ())
        assert known.replicas is not None
        assert (known.replicas.pinned, known.replicas.least) == (1, 2)
        assert known.replicas.problem
        near.kubo.run("repo", "gc")
        with bob.opened() as (home, _):
            collect_garbage(home, delete=True)
        assert stored(bob.path) > 3_000_000
        bob.check()
        assert str(first) in pins(near)
    finally:
        other.start(near)
    shared = wait_until_shared(bob)
    known = bob.status()
    assert (known.unshared, known.shared) == (0, ("cluster",))
    assert known.replicas is not None
    assert (known.replicas.pinned, known.replicas.problem, known.replicas.left) == (2, "", ())
    new = str(shared.record.snapshot_cid)
    wait_until(lambda: all({str(first), new} & pins(peer) == {new} for peer in cluster))
    assert stored(bob.path) < 200_000
    bob.check()


@pytest.mark.long
@pytest.mark.parametrize("hangs", ["near peer", "near node", "other peer", "other node"])
def test_who_hangs_holds_up_a_share_and_no_more(cluster: Peers, tmp_path: Path, hangs: str) -> None:
    bob = at(tmp_path / "bob", cluster[0])
    bob.publish("1.0")
    which, what = hangs.split()
    bob.patience = 2
    with cluster[which == "other"].hanging(node=what == "node"):
        shared = bob.publish("1.1")
        assert shared.targets == ()
        assert re.search("1 of 2 replicas|cannot be used|in time", shared.pending), shared.pending
        assert stored(bob.path) > 3_000_000
        if what == "peer" or which == "other":
            cluster[0].kubo.run("repo", "gc")
    wait_until_shared(bob)
    assert stored(bob.path) < 200_000
    bob.check()


def test_a_pin_that_was_lost_comes_back(cluster: Peers, tmp_path: Path) -> None:
    bob = at(tmp_path / "bob", cluster[0])
    root = str(bob.publish("1.0").record.snapshot_cid)
    for peer in reversed(cluster):  # one after the other, each with its blocks
        peer.kubo.run("pin", "rm", root)
        peer.kubo.run("repo", "gc")
        wait_until_shared(bob)
        assert root in pins(peer)
    bob.check()
    for peer in cluster:
        peer.ask("DELETE", f"/pins/{root}")
    wait_until(lambda: all(root not in pins(peer) for peer in cluster))
    with bob.opened() as (home, network):
        assert not verify(home, network=network).kept
    wait_until_shared(bob)
    bob.check()


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
    state, text = found()[1]
    assert state == "failed"
    assert text.startswith(f"1 of 2..3 nodes pin your catalogue ({root}): peer1: unexpectedly_unpinned")
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


@pytest.mark.long
def test_killed_anywhere_nothing_is_lost(cluster: Peers, tmp_path: Path) -> None:
    bob = Publisher(tmp_path / "bob", "", "")
    bob.publish("1.0")
    settings = {"DCAT_HOME": str(bob.path), "DOCKER_HOST": f"unix://{tmp_path}/no-engine.sock"}
    variables = settings | {"DCAT_CLUSTER": cluster[0].rest}
    assert run_process(["config", "set", "kubo", cluster[0].kubo.url, "--yes"], **settings).code == 0
    bob.kubo, bob.cluster = cluster[0].kubo.url, cluster[0].rest
    killed = 0
    while killed < 60:
        ran = run_process(["sync"], DCAT_CRASH_AT=str(killed + 1), **variables)
        bob.check()
        if ran.code == 0:
            break
        killed += 1
    assert killed > 5
    wait_until_shared(bob)
    assert stored(bob.path) < 200_000
    bob.check()


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


def no_engine() -> Engine:
    """There is no engine in these tests."""
    raise EngineUnavailableError("no engine")


def wait_until(ready: Callable[[], bool]) -> None:
    """Wait for something that the cluster does by itself."""
    deadline = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.1)
