"""What the fault kits share: a folder in memory, a process that forks commands, images to publish."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.factory.exports import write_image
from tests.faults.forking import Forks

_MEMORY = Path("/dev/shm")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return an empty folder, in memory where there is such a file system: kill -9 needs no disk, and fsync there costs nothing."""
    with in_memory() as made:
        yield made


@contextmanager
def in_memory() -> Iterator[Path]:
    """Make such a folder for as long as this lasts."""
    with tempfile.TemporaryDirectory(dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None) as made:
        yield Path(made)


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    with Forks() as started:
        yield started


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return small exported images by the version that they are published under."""
    made = tmp_path_factory.mktemp("images")
    return {version: write_image(made / f"{version}.tar", version) for version in ("1.0", "1.1", "old")}
