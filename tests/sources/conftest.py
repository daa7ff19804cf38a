"""An empty store, and servers to fill it from."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from catalog.blockstores.memory import MemoryBlockstore
from tests.fakes.servers import Servers


@pytest.fixture
def local() -> MemoryBlockstore:
    return MemoryBlockstore()


@pytest.fixture
def servers() -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(stack)
