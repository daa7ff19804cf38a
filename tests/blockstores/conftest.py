from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.blockstores.embedded import EmbeddedBlockstore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedBlockstore]:
    opened = EmbeddedBlockstore(tmp_path / "blocks.sqlite")
    yield opened
    opened.close()
