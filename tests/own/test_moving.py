"""What a home relies on of the place that its archives moved to; on real nodes: tests/compat/test_moving.py, test_cluster.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.home.home import Home
from catalog.own.moving import check_moved
from catalog.own.nodes import ArchivePlace, moved_to, remember_place
from catalog.sources.network import ClusterSetting, KuboSetting, open_network
from tests.factory.releases import publish_fake
from tests.fakes.homes import open_at, share
from tests.fakes.rest import ScriptedApi, scripted_api


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    """A node and the cluster that it belongs to, at one address."""
    with scripted_api() as api:
        api.set("POST /api/v0/id", {"ID": "a", "Addresses": []})
        api.set("POST /api/v0/pin/ls", {"Message": "not pinned", "Type": "error"}, 500)
        api.set("GET /id", {"id": "A", "cluster_peers": ["A", "B"], "ipfs": {"id": "a"}})
        yield api


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with open_at(tmp_path / "home") as opened:
        publish_fake(opened, "web", "1.0")
        yield opened


@pytest.mark.parametrize(
    ("states", "kept", "trusted"),
    [
        (("pinned", "pinned"), True, True),
        (("pinned", "cluster_error"), False, True),  # fewer than wanted: not as it should be, but not lost
        (("unpinned", "unpinned"), False, False),
    ],
)
def test_a_snapshot_must_be_pinned_in_as_many_nodes_as_wanted(
    home: Home, api: ScriptedApi, states: tuple[str, str], *, kept: bool, trusted: bool
) -> None:
    root = str(share(home).record.snapshot_cid)
    peers = dict(zip("AB", states, strict=True))
    api.set(f"GET /pins/{root}", {"peer_map": {peer: {"ipfs_peer_id": peer, "status": state} for peer, state in peers.items()}})
    place = ArchivePlace("cluster A", root)
    remember_place(home, place)
    with open_network([], KuboSetting(api.url, public=True), cluster=ClusterSetting(api.url)) as network:
        found = check_moved(home, network)
    assert (found.kept, found.lost, found.failure) == (kept, (), None)
    assert (moved_to(home) == place) is trusted
