"""What counts as the archive of an image: a DAG of another kind does not, whatever its line says."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.delivery import fetch_image, open_store
from catalog.errors import VerificationError
from catalog.home.home import Home, open_home
from catalog.model.release import Image
from catalog.sources.network import Network
from tests.delivery.versions import open_at, publisher, released
from tests.factory.platforms import AMD64
from tests.factory.times import NOW
from tests.fakes.homes import HomeSource


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
