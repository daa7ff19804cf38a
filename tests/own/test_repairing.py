"""An own snapshot whose releases' tree is not the one of a whole build: found, signed anew, and followed before and after."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.home.home import Home
from catalog.index.releases import iterate_releases
from catalog.ipld.cid import Cid
from catalog.operations.subscribe import subscribe
from catalog.operations.sync import sync
from catalog.operations.verify import verify
from catalog.own.signing import own_name, own_record
from catalog.own.snapshots import dag_sizes
from catalog.snapshot.reader import open_snapshot
from catalog.snapshot.writer import write_snapshot
from tests.factory.releases import publish_fake
from tests.fakes.homes import network_of, open_at, share, sign_other_tree
from tests.unixfs.counting import CountingSource

VERSIONS = [f"1.{number}" for number in range(60)]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with open_at(tmp_path / "home") as opened:
        for version in VERSIONS:
            publish_fake(opened, "web", version)
        share(opened)
        yield opened


def newest(home: Home) -> Cid:
    name = own_name(home)
    assert name is not None
    record = own_record(home, name)
    assert record is not None
    return record.snapshot_cid


def whole_tree(home: Home) -> Cid:
    """Return the root of the releases' tree that a whole write from the index gives."""
    source = CountingSource()
    with home.index.read() as connection:
        releases = list(iterate_releases(connection, home.own_catalogue() or ""))
    sizes = dag_sizes(home.blocks)
    written = write_snapshot(releases, title="", published=home.time, previous=None, dag_size=sizes, put=source.keep)
    return open_snapshot(written.root, source).releases.cid


def releases_cid(home: Home) -> Cid:
    return open_snapshot(newest(home), home.blocks).releases.cid


def test_a_canonical_snapshot_is_left_alone(home: Home) -> None:
    before = newest(home)
    for repair in (False, True):
        found = verify(home, repair=repair)
        assert (found.uncanonical, found.renewed, found.damage) == (None, False, ())
    assert newest(home) == before
    assert releases_cid(home) == whole_tree(home)


def test_another_tree_is_found_and_signed_anew(home: Home) -> None:
    canonical = releases_cid(home)
    other = sign_other_tree(home)
    assert releases_cid(home) != canonical
    found = verify(home)
    assert (found.uncanonical, found.renewed, found.damage) == (other, False, ())
    assert newest(home) == other
    repaired = verify(home, repair=True)
    assert (repaired.uncanonical, repaired.renewed, repaired.damage) == (None, True, ())
    assert releases_cid(home) == whole_tree(home) == canonical
    assert open_snapshot(newest(home), home.blocks).catalogue.previous == other
    assert verify(home).uncanonical is None


def test_what_is_not_shared_yet_is_signed_with_it(home: Home) -> None:
    sign_other_tree(home)
    publish_fake(home, "web", "2.0")
    assert verify(home, repair=True).renewed
    assert releases_cid(home) == whole_tree(home)
    assert not share(home).signed


def test_subscribers_follow_before_and_after(home: Home, tmp_path: Path) -> None:
    name = own_name(home)
    assert name is not None
    with open_at(tmp_path / "follower") as follower:
        subscribe(follower, network_of(home), name, "them")
        for change in (sign_other_tree, lambda home: verify(home, repair=True)):
            change(home)
            synced = sync(follower, network_of(home))
            assert synced.first_error is None
            assert [update.record.snapshot_cid for update in synced.updates if update.record] == [newest(home)]
            with follower.index.read() as connection:
                assert {release.version for release in iterate_releases(connection, str(name))} == set(VERSIONS)
    with open_at(tmp_path / "late") as late:
        subscribe(late, network_of(home), name, "them")
        with late.index.read() as connection:
            assert {release.version for release in iterate_releases(connection, str(name))} == set(VERSIONS)


def test_without_the_archives_the_tree_stays_and_is_still_named(home: Home) -> None:
    other = sign_other_tree(home)
    with home.index.read() as connection:
        (first, *_) = iterate_releases(connection, home.own_catalogue() or "")
    home.blocks.delete([image.archive for image in first.images.values()])
    left = verify(home, repair=True)
    assert (left.uncanonical, left.renewed) == (other, False)
    assert [entry.blocks for entry in left.damage] == [1]
    assert newest(home) == other
