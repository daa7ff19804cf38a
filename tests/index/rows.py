"""Two catalogues and how releases are put into them."""

from catalog.index import releases
from catalog.index.catalogue import CatalogueRow
from catalog.model.release import Release
from catalog.snapshot.line import encode_line
from catalog.storage.database import Database
from tests.factory.times import AT

MINE = CatalogueRow("k51mine", own=True)
BOB = CatalogueRow("k51bob", alias="bob", title="Bob's", root="bafyroot", sequence=42, expires=AT, checked=AT, published=AT)


def put(index: Database, catalogue: CatalogueRow, *entries: Release) -> None:
    with index.write() as connection:
        releases.put_releases(connection, catalogue.catalogue, entries)


def entries_of(*some: Release) -> list[tuple[Release, bytes]]:
    return [(release, encode_line(release)[:-1]) for release in some]
