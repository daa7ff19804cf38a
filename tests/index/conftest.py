"""An index that shows two catalogues."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.index import subscriptions
from catalog.index.schema import SCHEMA
from catalog.storage.database import Database
from tests.index.rows import BOB, MINE


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "index.sqlite", SCHEMA)
    with database.write() as connection:
        subscriptions.show_catalogue(connection, MINE)
        subscriptions.show_catalogue(connection, BOB)
    yield database
    database.close()
