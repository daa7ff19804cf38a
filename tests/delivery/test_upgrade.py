"""Upgrades: what is published is taken from anybody, what is not a server makes; whatever goes wrong, the blocks come."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from catalog.delivery import find_savings
from catalog.errors import EncoderError
from catalog.home.home import Home, open_home
from catalog.image.walk import walk
from catalog.ipld.cid import Cid
from catalog.operations.pin import pin
from catalog.operations.save import save
from catalog.operations.sync import sync
from catalog.progress import Step
from catalog.sources.network import Network, SourceSetting, open_network
from tests.blockstores.blocks import rot
from tests.delivery.versions import NOBODY, follower, open_at, publish_version, publisher, pull_here, released, warnings
from tests.factory.platforms import HOST
from tests.fakes.homes import HomeSource, network_of
from tests.fakes.served_home import served_home


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose releases have deltas."""
    return publisher(tmp_path_factory.mktemp("published") / "home")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose releases have none."""
    return publisher(tmp_path_factory.mktemp("plain") / "home", deltas=False)


@pytest.fixture(scope="module")
def team(published: Path) -> Iterator[Home]:
    with open_at(published) as home:
        yield home


def is_here(home: Home, version: str) -> bool:
    archive_cid = released(home, version).archive
    return not home.blocks.missing([block.cid for block in walk(archive_cid, home.blocks)])


def given(network: Network) -> list[Cid]:
    (source,) = network.sources
    assert isinstance(source, HomeSource)
    return source.given


def test_a_published_delta_comes_from_any_source(home: Home, team: Home) -> None:
    network, steps = network_of(team), list[Step]()
    done = pull_here(home, network, "1.1", steps)
    image = released(home, "1.1")
    (delta,) = image.deltas.values()
    assert done.fetched is not None
    taken = done.fetched.delta
    assert taken is not None
    assert (taken.base, taken.size, taken.steps, taken.source, taken.complete) == ("1.0", delta.size, 1, "published", True)
    assert taken.size < taken.blocks_size / 2
    assert is_here(home, "1.1")
    # The root and the archive's metadata, then the delta: nothing else travelled.
    assert len(given(network)) <= 3
    assert done.need.missing == taken.blocks_size
    assert done.need.missing_blocks == taken.blocks > 13
    assert warnings(steps) == []
    total = [step for step in steps if step.kind == "total"][-1]
    assert (total.label, total.done, total.figures) == ("by delta from 1.0", delta.size, (("of_blocks", taken.blocks_size),))
    rebuilt = [step.done for step in steps if (step.kind, step.label) == ("part", "rebuilt")]
    assert rebuilt == sorted(rebuilt)
    assert rebuilt[-1] == taken.blocks_size
    savings = find_savings(home)
    assert (savings.deltas, savings.saved) == (1, taken.blocks_size - delta.size)


def test_a_dry_run_says_what_it_would_take(home: Home, team: Home) -> None:
    before = home.blocks.size().blocks
    done = pull_here(home, network_of(team), "1.1", dry_run=True)
    assert done.planned is not None
    (delta,) = released(home, "1.1").deltas.values()
    assert (done.planned.base, done.planned.size, done.planned.source) == ("1.0", delta.size, "published")
    assert done.need.missing > 2 * delta.size
    assert home.blocks.size().blocks - before < 5
    pull_here(home, network_of(team), "1.1")
    assert pull_here(home, NOBODY, "1.1", dry_run=True).planned is None


def test_several_deltas_lead_over_versions_that_are_not_here(home: Home, team: Home) -> None:
    network = network_of(team)
    done = pull_here(home, network, "1.3")
    assert done.fetched is not None
    assert done.fetched.delta is not None
    assert (done.fetched.delta.base, done.fetched.delta.steps) == ("1.0", 3)
    assert is_here(home, "1.3")
    assert done.fetched.size < done.need.missing / 2


def test_a_server_makes_what_is_not_published(plain: Path, tmp_path: Path) -> None:
    with open_at(plain) as team:
        home = follower(tmp_path / "home", team)
    with home, served_home(plain) as url, open_network([SourceSetting(url)]) as network:
        planned = pull_here(home, network, "1.2", dry_run=True).planned
        assert planned is not None
        done = pull_here(home, network, "1.2")
        assert done.fetched is not None
        taken = done.fetched.delta
        assert taken is not None
        assert (taken.base, taken.size, taken.source) == (planned.base, planned.size, planned.source)
        assert (taken.base, taken.source) == ("1.0", url.removeprefix("http://").rstrip("/"))
        assert is_here(home, "1.2")
        assert done.fetched.blocks == 0
        (use,) = done.fetched.sources
        assert use.size >= taken.size
        # From the newest that both hold.
        third = pull_here(home, network, "1.3").fetched
        assert third is not None
        assert third.delta is not None
        assert third.delta.base == "1.2"


def test_every_command_that_fetches_upgrades_by_delta(team: Home, tmp_path: Path) -> None:
    network = network_of(team)
    with follower(tmp_path / "pinning", team) as home:
        fetched = pin(home, "team/web@1.1", platform=HOST, network=network).fetched
        assert fetched.delta is not None
    with follower(tmp_path / "saving", team) as home:
        save(home, "team/web@1.1", tmp_path / "web.tar.zst", platform=HOST, network=network)
        assert find_savings(home).deltas == 1
    with follower(tmp_path / "mirroring", team, held=()) as home:
        (mirrored,) = sync(home, network, ["team"], mirror=True).mirrored
        assert mirrored.failures == ()
        assert find_savings(home).deltas == 3
        assert all(is_here(home, version) for version in ("1.0", "1.1", "1.2", "1.3"))
        assert mirrored.fetched < 2 * released(home, "1.0").size


def test_a_home_that_lost_a_block_of_its_base_takes_blocks(home: Home, team: Home) -> None:
    lost = [block.cid for block in walk(released(home, "1.0").archive, home.blocks) if block.is_leaf][-2]
    home.blocks.delete([lost])
    steps = list[Step]()
    done = pull_here(home, network_of(team), "1.1", steps)
    assert done.fetched is not None
    assert done.fetched.delta is None
    assert warnings(steps) == []
    assert is_here(home, "1.1")


def test_a_base_that_rotted_ends_the_delta(home: Home, team: Home) -> None:
    kept = {block.cid for block in walk(released(team, "1.1").archive, team.blocks)}
    rotten = next(
        block.cid for block in walk(released(home, "1.0").archive, home.blocks) if block.is_leaf and block.cid not in kept
    )
    rot(home.blocks.file.path, rotten)
    steps = list[Step]()
    pull_here(home, network_of(team), "1.1", steps)
    (warning,) = warnings(steps)
    assert "is not here whole" in warning
    assert is_here(home, "1.1")


def test_another_encoder_takes_blocks_and_says_why(home: Home, team: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise EncoderError("this zstd (1.5.6) does not make the frames of dcat-image/1")

    monkeypatch.setattr("catalog.delivery.upgrade.check_encoder", refuse)
    steps = list[Step]()
    done = pull_here(home, network_of(team), "1.1", steps)
    assert done.fetched is not None
    assert done.fetched.delta is None
    (warning,) = warnings(steps)
    assert "1.5.6" in warning
    assert is_here(home, "1.1")


def test_a_published_delta_that_nobody_has_is_no_news(home: Home, team: Home) -> None:
    class Forgetful(HomeSource):
        def get_many(self, cids):  # type: ignore[no-untyped-def]
            gone = {delta.cid for delta in released(team, "1.1").deltas.values()}
            return super().get_many(cid for cid in cids if cid not in gone)

    steps = list[Step]()
    done = pull_here(home, replace(network_of(team), sources=(Forgetful(team),)), "1.1", steps)
    assert done.fetched is not None
    assert done.fetched.delta is None
    assert warnings(steps) == []
    assert is_here(home, "1.1")


def test_a_little_is_fetched_as_blocks(tmp_path: Path) -> None:
    with open_home(tmp_path / "team", now=datetime.now(UTC)):
        publish_version(tmp_path / "team", "1.0")
        publish_version(tmp_path / "team", "1.1")
    with open_at(tmp_path / "team") as team, follower(tmp_path / "home", team) as home:
        network = network_of(team)
        leaves = [block for block in walk(released(team, "1.1").archive, team.blocks) if block.is_leaf]
        held = [block.cid for block in walk(released(team, "1.1").archive, team.blocks) if block.cid != leaves[-3].cid]
        home.blocks.put_many(team.blocks.get_many(held))
        done = pull_here(home, network, "1.1")
        assert done.fetched is not None
        assert (done.fetched.delta, done.fetched.blocks) == (None, 1)
