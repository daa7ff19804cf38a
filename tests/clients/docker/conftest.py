from collections.abc import Iterator

import pytest

from catalog.clients.docker import Engine, connect
from catalog.errors import EngineUnavailableError
from tests.fakes.engine import FakeEngine, fake_engine

IDLE = 1.0  # for which `hasty` waits for an engine that says nothing


@pytest.fixture
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeEngine]:
    with fake_engine(tmp_path_factory.mktemp("e")) as running:
        yield running


@pytest.fixture
def engine(fake: FakeEngine) -> Iterator[Engine]:
    """A connection to the fake engine, with the real time limits: a busy machine is not an engine that stalls."""
    with connect(fake.host, environment={}) as connected:
        yield connected


@pytest.fixture
def hasty(fake: FakeEngine) -> Iterator[Engine]:
    """A connection with time limits scaled down, for engines that keep dcat waiting."""
    with connect_hastily(fake) as connected:
        yield connected


def connect_hastily(fake: FakeEngine, idle: float = IDLE) -> Engine:
    """Connect with an engine that answers until it is connected with, however busy the machine is."""
    for _ in range(20):
        try:
            return connect(fake.host, environment={}, idle_timeout=idle)
        except EngineUnavailableError:
            continue
    return connect(fake.host, environment={}, idle_timeout=idle)
