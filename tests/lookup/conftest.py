"""Homes in memory, for tests of what references mean."""

from collections.abc import Iterator

import pytest

from tests.lookup.world import World, Worlds, open_world


@pytest.fixture(scope="module")
def worlds() -> Iterator[Worlds]:
    with open_world() as opened:
        yield opened


@pytest.fixture
def world(worlds: Worlds) -> Iterator[World]:
    with worlds.world() as opened:
        yield opened
