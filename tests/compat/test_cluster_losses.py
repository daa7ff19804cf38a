"""Whatever peers, nodes and dcat itself do in the middle of a share through a cluster, nothing is lost, and status is true."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from catalog.ipld.cid import RAW, cid_from_digest
from catalog.operations.gc import collect_garbage
from catalog.operations.verify import verify
from tests.cli.conftest import run_process
from tests.compat.publisher import Peers, Publisher, at, pins, wait_until, wait_until_shared
from tests.compat.test_moving import stored


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
            assert re.match("[01] of 2 replicas", shared.pending)
            wait_until(lambda shared=shared: str(shared.record.snapshot_cid) in pins(near))  # type: ignore[misc]
            assert stored(bob.path) > 3_000_000
            near.kubo.run("repo", "gc")  # that of the slow node waits for its pin
            bob.check()
            wait_until(lambda: bob.sync().pending.startswith("1 of 2 replicas"))  # the peer may hear of the pin later
            assert stored(bob.path) > 3_000_000
        finally:
            slow.join(near)
        bob.patience = 60
        wait_until_shared(bob)
        assert stored(bob.path) < 1_000_000  # the inner nodes of all releases so far
        for peer in cluster:
            peer.kubo.run("repo", "gc")
        bob.check()
        for peer in cluster:  # whole in each node
            peer.kubo.run("dag", "export", "--offline", str(shared.record.snapshot_cid))


@pytest.mark.long
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
        bob.check(kept=False)  # nothing is lost, but one of the two replicas is away
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
    bob.patience, bob.first_byte = 2, 5
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
    cluster[0].ask("DELETE", f"/pins/{root}")
    wait_until(lambda: all(root not in pins(peer) for peer in cluster))
    with bob.opened() as (home, network):
        assert not verify(home, network=network).kept
    wait_until_shared(bob)
    bob.check()


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


@pytest.mark.long
def test_what_no_node_has_is_named_and_all_else_is_shared(cluster: Peers, tmp_path: Path) -> None:
    bob = at(tmp_path / "bob", cluster[0])
    bob.publish("1.0")
    root = str(bob.publish("1.1").record.snapshot_cid)
    with closing(sqlite3.connect(bob.path / "blocks.sqlite")) as connection:
        digests = [bytes(row[0]) for row in connection.execute("SELECT digest FROM moved ORDER BY size DESC LIMIT 2")]
    cluster[0].ask("DELETE", f"/pins/{root}")
    wait_until(lambda: all(root not in pins(peer) for peer in cluster))
    for peer in cluster:
        peer.kubo.run("block", "rm", "--force", *(str(cid_from_digest(digest, RAW)) for digest in digests))
    shared = bob.sync()
    assert (shared.targets, sum(entry.blocks for entry in shared.lost)) == (("cluster",), 2)
    assert bob.status().incomplete
    for peer in cluster:
        peer.kubo.run("repo", "gc")
    with bob.opened() as (home, network):
        found = verify(home, network=network)
    assert {entry.label for entry in found.damage} == {entry.reference for entry in shared.lost}
    for version in ("1.0", "1.1"):  # the images themselves bring back what was lost
        again = bob.publish(version)
    assert (again.targets, again.lost) == (("cluster",), ())
    assert not bob.status().incomplete
    wait_until(lambda: all(str(again.record.snapshot_cid) in pins(peer) for peer in cluster))
    bob.check()
    for peer in cluster:
        peer.kubo.run("dag", "export", "--offline", root)
