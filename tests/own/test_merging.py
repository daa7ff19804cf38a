"""One key on two machines, over and over: nothing that either published is ever lost (safety A11)."""

import random
import shutil
from pathlib import Path

import pytest

from catalog.home.home import Home
from catalog.index.releases import iterate_releases
from catalog.own.signing import own_name, own_record
from catalog.snapshot import tree
from catalog.snapshot.reader import Snapshot, open_snapshot
from catalog.snapshot.writer import has_canonical_tree
from tests.factory.releases import publish_fake
from tests.fakes.homes import NOBODY, network_of, open_at, share


def releases(home: Home) -> dict[str, object]:
    with home.index.read() as connection:
        return {release.reference: release for release in iterate_releases(connection, home.own_catalogue() or "")}


def newest_snapshot(home: Home) -> Snapshot:
    name = own_name(home)
    assert name is not None
    record = own_record(home, name)
    assert record is not None
    return open_snapshot(record.snapshot_cid, home.blocks)


@pytest.fixture(autouse=True)
def many_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut so often that a few releases make several levels."""
    monkeypatch.setattr(tree, "_LEAF_ENDS_BELOW", 100)
    monkeypatch.setattr(tree, "_NODE_ENDS_BELOW", 100)
    monkeypatch.setattr(tree, "MAX_FANOUT", 3)


def interleave(tmp_path: Path, rounds: int) -> None:
    randomness = random.Random(11)
    with open_at(tmp_path / "one") as one:
        publish_fake(one, "web", "0")
        share(one)
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    published = {"web@0"}
    with open_at(tmp_path / "one") as one, open_at(tmp_path / "other") as other:
        for number in range(1, rounds + 1):
            home, twin = randomness.choice(((one, other), (other, one)))
            published.add(publish_fake(home, f"web{randomness.randrange(3)}", str(number)).reference)
            if randomness.random() < 0.8:
                share(home, network_of(twin) if randomness.random() < 0.7 else NOBODY)
                assert has_canonical_tree(newest_snapshot(home))
            assert releases(one).keys() | releases(other).keys() == published
        for home, twin in ((one, other), (other, one), (one, other)):
            shared = share(home, network_of(twin))
            assert shared.merged is None or not shared.merged.lost
            assert has_canonical_tree(newest_snapshot(home))
        assert releases(one) == releases(other)
        assert newest_snapshot(one).releases == newest_snapshot(other).releases
        assert releases(one).keys() == published


def test_two_machines_lose_nothing(tmp_path: Path) -> None:
    interleave(tmp_path, 25)


@pytest.mark.long
def test_two_machines_lose_nothing_in_five_hundred_interleavings(tmp_path: Path) -> None:
    interleave(tmp_path, 500)
