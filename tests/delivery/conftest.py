"""The other side of every delivery: a home that follows the team's. Each module says by its fixture ``team`` whom."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.home.home import Home
from tests.delivery.versions import follower, open_at


@pytest.fixture(scope="module")
def held(team: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that follows the team's and holds 1.0."""
    path = tmp_path_factory.mktemp("held") / "home"
    follower(path, team).close()
    return path


@pytest.fixture
def home(held: Path, tmp_path: Path) -> Iterator[Home]:
    """A copy of it, to be changed."""
    shutil.copytree(held, tmp_path / "home")
    with open_at(tmp_path / "home") as opened:
        yield opened
