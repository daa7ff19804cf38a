"""Fixtures of `serve --fetch`."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.server.feeding.world import World, WorldMaker


@pytest.fixture
def make_world() -> Iterator[WorldMaker]:
    """Return a function that makes worlds, which are closed at the end."""
    with ExitStack() as stack:

        def make(path: Path, *, deltas: bool) -> World:
            made = World(path, deltas=deltas)
            stack.callback(made.team.close)
            return made

        yield make


@pytest.fixture(params=[True, False], ids=["by delta", "by blocks"])
def world(make_world: WorldMaker, tmp_path: Path, request: pytest.FixtureRequest) -> World:
    return make_world(tmp_path, deltas=request.param)
