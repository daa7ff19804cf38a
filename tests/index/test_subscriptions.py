"""The catalogues that the index shows."""

import pytest

from catalog.errors import CatalogueNotFoundError
from catalog.index import releases, subscriptions
from catalog.index.catalogue import CatalogueRow
from catalog.storage.database import Database
from tests.index.rows import BOB, MINE


def test_catalogues_are_shown_changed_and_hidden(index: Database) -> None:
    with index.write() as connection:
        assert subscriptions.list_catalogues(connection) == [MINE, BOB]
        changed = CatalogueRow("k51bob", alias="robert", sequence=43)
        subscriptions.show_catalogue(connection, changed)
        assert subscriptions.get_catalogue(connection, "k51bob") == changed
        subscriptions.hide_catalogue(connection, "k51bob")
        subscriptions.hide_catalogue(connection, "k51nobody")
        with pytest.raises(CatalogueNotFoundError):
            subscriptions.get_catalogue(connection, "k51bob")
        with pytest.raises(CatalogueNotFoundError):
            releases.put_releases(connection, "k51bob", [])


def test_sightings_are_the_latest_of_each_source(index: Database) -> None:
    with index.write() as connection:
        subscriptions.put_sighting(connection, "k51bob", "kubo", 41, "2026-11-24T00:00:00Z")
        subscriptions.put_sighting(connection, "k51bob", "gateway", 42, "2026-11-24T01:00:00Z")
        subscriptions.put_sighting(connection, "k51bob", "kubo", 42, "2026-11-24T02:00:00Z")
        assert subscriptions.list_sightings(connection, "k51bob") == [
            ("kubo", 42, "2026-11-24T02:00:00Z"),
            ("gateway", 42, "2026-11-24T01:00:00Z"),
        ]
