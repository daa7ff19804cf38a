"""Two homes: one publishes, one follows."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.home.home import Home
from tests.fakes.homes import open_at


@pytest.fixture
def bob(tmp_path: Path) -> Iterator[Home]:
    """Who publishes."""
    with open_at(tmp_path / "bob") as home:
        yield home


@pytest.fixture
def ann(tmp_path: Path) -> Iterator[Home]:
    """Who follows."""
    with open_at(tmp_path / "ann") as home:
        yield home
