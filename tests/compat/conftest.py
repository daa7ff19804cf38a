"""A home that engines pull from, and the registry that serves it. A module that needs another registry has its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.home.home import open_home
from tests.compat.runnable import deployed_home
from tests.factory.times import NOW
from tests.server.registry.conftest import RegistryServer, serving_registry


@pytest.fixture(autouse=True)
def _engines_take_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let engines of a busy machine begin their pushes late: none is told to export for that."""
    monkeypatch.setattr("catalog.intake.push.ENGINE_PUSH_WAIT", 60.0)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deployed_home(tmp_path_factory.mktemp("deployed"))


@pytest.fixture(scope="module")
def registry(deployed: Path) -> Iterator[RegistryServer]:
    with open_home(deployed, now=NOW) as home, serving_registry(home) as served:
        yield served
