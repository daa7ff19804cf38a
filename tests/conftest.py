"""What all tests share: the private engines, each a fixture, held by one process of a parallel run."""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.compat.cluster import CLUSTER_FIXTURES, cluster
from tests.compat.engines import ENGINE_FIXTURES, docker20, docker29, docker29_classic, local_registry, podman, skopeo
from tests.compat.kubo import KUBO_FIXTURES, kubo, kubo_nodes, kubo_pair
from tests.needs import QUICK

__all__ = [
    "cluster",
    "docker20",
    "docker29",
    "docker29_classic",
    "kubo",
    "kubo_nodes",
    "kubo_pair",
    "local_registry",
    "podman",
    "skopeo",
]


_LONGEST_ID = 60

# Whoever starts the tests in the background has SIGINT ignored, and so would the programs that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A loaded machine makes no test wrong: nothing here is asserted by the clock. The examples are the same in each run, so that a run
# fails for what changed; `--hypothesis-profile explore` tries others.
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dcat", settings.get_profile("explore"), derandomize=True)
settings.register_profile("quick", settings.get_profile("dcat"), max_examples=10)
settings.load_profile("quick" if os.environ.get(QUICK) else "dcat")


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """Give Ctrl-C back to the tests: a command that ran in their process took it."""
    yield
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Shorten what would make the name of a test a page long, such as the content of a file."""
    if isinstance(val, str | bytes) and len(val) > _LONGEST_ID:
        return f"{val[:_LONGEST_ID]!a} and {len(val) - _LONGEST_ID} more"
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let one process run all tests that need an engine, so that each engine starts once."""
    for item in items:
        if (ENGINE_FIXTURES | KUBO_FIXTURES | CLUSTER_FIXTURES).intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group("engines"))
