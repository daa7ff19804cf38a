from collections.abc import Iterator

import pytest

from catalog.clients.docker import Engine, connect
from tests.fakes.engine import FakeEngine, fake_engine

IDLE = 0.5


@pytest.fixture
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeEngine]:
    with fake_engine(tmp_path_factory.mktemp("e")) as running:
        yield running


@pytest.fixture
def engine(fake: FakeEngine) -> Iterator[Engine]:
    """A connection to the fake engine, with time limits scaled down."""
    with connect(fake.host, environment={}, idle_timeout=IDLE) as connected:
        yield connected
