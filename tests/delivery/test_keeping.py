"""What becomes of deltas afterwards: kept with what they belong to, counted, and freed where they can be made again."""

from pathlib import Path

from catalog.delivery import find_savings
from catalog.home.deltas import open_delta_cache
from catalog.image.walk import walk
from catalog.operations.gc import collect_garbage
from catalog.operations.status import status
from catalog.operations.unpin import unpin
from catalog.operations.verify import verify
from catalog.sources.network import SourceSetting, open_network
from tests.delivery.versions import follower, open_at, publisher, pull_here, released
from tests.fakes.homes import network_of
from tests.fakes.served_home import served_home


def test_deltas_stay_as_long_as_their_release(tmp_path: Path) -> None:
    publisher(tmp_path / "team", ("1.0", "1.1"))
    with open_at(tmp_path / "team") as team, follower(tmp_path / "home", team) as home:
        (delta,) = released(team, "1.1").deltas.values()
        collect_garbage(team, delete=True)
        assert team.blocks.has(delta.cid)
        pull_here(home, network_of(team), "1.1")
        collect_garbage(home, delete=True)
        assert home.blocks.has(delta.cid)
        assert verify(home).damage == ()
        # Whoever follows this home's copy upgrades by the same delta.
        with follower(tmp_path / "next", team) as third:
            done = pull_here(third, network_of(home), "1.1")
            assert done.fetched is not None
            assert done.fetched.delta is not None
        unpin(home, "team/web@1.1")
        collect_garbage(home, delete=True)
        assert not home.blocks.has(delta.cid)


def test_what_was_made_for_others_goes_first(tmp_path: Path) -> None:
    publisher(tmp_path / "team", ("1.0", "1.1"), deltas=False)
    with open_at(tmp_path / "team") as team:
        home = follower(tmp_path / "home", team)
    with home, served_home(tmp_path / "team") as url, open_network([SourceSetting(url)]) as network:
        done = pull_here(home, network, "1.1")
        assert done.fetched is not None
        assert done.fetched.delta is not None
    with open_at(tmp_path / "team") as team:
        assert status(team).cached_deltas == done.fetched.delta.size
        assert collect_garbage(team, delete=False).cached == done.fetched.delta.size
        swept = collect_garbage(team, delete=True)
        assert (swept.deleted, swept.cached) == (True, done.fetched.delta.size)
        assert open_delta_cache(team).size() == 0
    with open_at(tmp_path / "home") as home:
        savings = status(home).savings
        assert savings == find_savings(home)
        assert savings.saved == done.fetched.delta.blocks_size - done.fetched.delta.size
        assert len(list(walk(released(home, "1.1").archive, home.blocks))) > 13
