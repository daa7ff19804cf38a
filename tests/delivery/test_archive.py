"""What counts as the archive of an image: a DAG of another kind does not, whatever its line says."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.delivery import fetch_image, open_store
from catalog.errors import VerificationError
from catalog.home.home import Home, open_home
from catalog.index.releases import get_release
from catalog.ipld.block import Block
from catalog.ipld.cid import cid_of
from catalog.model.release import DeltaLink, Image
from catalog.operations.sync import sync
from catalog.own.share import share_own
from catalog.progress import Step
from catalog.sources.network import Network
from tests.delivery.versions import NOBODY, follower, open_at, publisher, pull_here, released, warnings
from tests.factory.platforms import AMD64, HOST
from tests.factory.times import NOW
from tests.fakes.homes import HomeSource, network_of


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with open_home(tmp_path / "home", now=NOW) as opened:
        yield opened


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Home]:
    with open_at(publisher(tmp_path / "team", ("1.0", "1.1"))) as opened:
        yield opened


def fetch(home: Home, team: Home, image: Image) -> bool:
    fetch_image(home, image, AMD64, open_store(home, Network((HomeSource(team),))))
    return home.blocks.has(image.archive)


def test_an_archive_is_that_of_its_image(home: Home, team: Home) -> None:
    first, second = released(team, "1.0"), released(team, "1.1")
    delta = next(iter(second.deltas.values()))
    for wrong in (
        replace(first, archive=second.archive),
        replace(first, manifest=second.manifest),
        replace(first, archive=delta.cid),
    ):
        with pytest.raises(VerificationError):
            fetch(home, team, wrong)
    assert fetch(home, team, replace(first, archive=delta.cid, format="dcat-image/9"))
    assert fetch(home, team, first)


def test_what_is_not_the_archive_of_the_image_is_not_kept(home: Home, team: Home) -> None:
    first = released(team, "1.0")
    private = Block(cid_of(b"a private file"), b"a private file")
    team.blocks.put(*private)
    before = set(home.blocks.cids())
    for wrong in (private.cid, released(team, "1.1").archive):
        with pytest.raises(VerificationError):
            fetch(home, team, replace(first, archive=wrong))
        assert set(home.blocks.cids()) == before


def test_what_is_not_a_delta_is_not_kept(tmp_path: Path) -> None:
    publisher(tmp_path / "team", ("1.0", "1.1"), deltas=False)
    with open_at(tmp_path / "team") as team, follower(tmp_path / "home", team) as home:
        private = b"a private file of this user's node"
        team.blocks.put(cid_of(private), private)
        name = str(team.own_catalogue())
        with team.index.read() as connection:
            base, release = (get_release(connection, name, "web", version) for version in ("1.0", "1.1"))
        named = {base.images[HOST].archive: DeltaLink(cid_of(private), len(private))}
        team.put_own([replace(release, images={HOST: replace(release.images[HOST], deltas=named)})], [])
        assert share_own(team, NOBODY, deltas=False) is not None
        assert sync(home, network_of(team), ["team"]).first_error is None
        steps = list[Step]()
        pull_here(home, network_of(team), "1.1", steps)
        assert "its publisher" in warnings(steps)[0]
        assert not home.blocks.has(cid_of(private))
        assert not list((tmp_path / "home").glob(".stage-*"))
