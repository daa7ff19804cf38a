"""Servers that many tests share."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from catalog.server.settings import ServerLimits
from tests.server.serving import Served, serving


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """A server with nothing in it and the limits of the product."""
    with serving() as server:
        yield server


@pytest.fixture(scope="session")
def quick() -> Iterator[Served]:
    """A server whose time limits are scaled down."""
    with serving(limits=replace(ServerLimits(), header_timeout=1.0, body_timeout=1.0, idle_timeout=1.0)) as server:
        yield server
