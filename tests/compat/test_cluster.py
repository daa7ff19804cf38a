"""One publishes through real peers of an IPFS Cluster: nothing leaves the home before enough nodes keep it, and nothing is lost."""

import json
from pathlib import Path

from tests.compat.cluster import ClusterPeer
from tests.compat.test_moving import moved, stored, write_large
from tests.compat.test_sharing import Dcat, ok, person

Peers = tuple[ClusterPeer, ...]


def member(tmp_path: Path, name: str, peer: ClusterPeer) -> Dcat:
    """Return the dcat of one person, who shares through this peer's node and its cluster."""
    dcat = person(tmp_path, name, peer.kubo)
    ok(dcat("config", "set", "cluster", peer.rest))
    return dcat


def pins(peer: ClusterPeer) -> set[str]:
    """Return the roots that a peer's node pins."""
    return {line.split()[0] for line in peer.kubo.run("pin", "ls", "--type", "recursive").decode().splitlines()}


def test_archives_leave_the_home_once_enough_nodes_keep_them(cluster: Peers, tmp_path: Path) -> None:
    bob, home = member(tmp_path, "bob", cluster[0]), tmp_path / "bob"
    first = json.loads(ok(bob("publish", "big", "1.0", "--from", write_large(tmp_path / "one.tar", "in a cluster"), "--json")))
    assert (first["shared"]["targets"], first["shared"]["pending"]) == (["cluster"], None)
    assert all(first["shared"]["snapshot"] in pins(peer) for peer in cluster)
    assert stored(home) < 100_000
    assert moved(home) > 4
    second = json.loads(ok(bob("publish", "big", "1.1", "--from", write_large(tmp_path / "two.tar", "in a cluster 2"), "--json")))
    assert second["shared"]["targets"] == ["cluster"], second
    assert len(second["shared"]["deltas"]) == 1  # its base was read from the node
    assert stored(home) < 200_000
    for peer in cluster:
        assert second["shared"]["snapshot"] in pins(peer)
        assert first["shared"]["snapshot"] not in pins(peer)
        peer.kubo.run("repo", "gc")
    (own,) = json.loads(ok(bob("status", "--json")))["catalogues"]
    assert own["state"] == "shared (cluster)"
    assert (own["replicas"]["pinned"], own["replicas"]["least"], own["replicas"]["most"]) == (2, 2, 3)
    assert json.loads(ok(bob("verify", "--json")))["damage"] == []
    ok(bob("save", "big@1.0", "-o", str(tmp_path / "out.tar.zst")))
    cid = ok(bob("resolve", "big@1.0")).strip()
    assert cluster[1].kubo.run("cat", cid) == (tmp_path / "out.tar.zst").read_bytes()
