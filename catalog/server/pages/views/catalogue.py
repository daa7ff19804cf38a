"""One catalogue: its names, with the newest version of each."""

from collections.abc import Mapping
from dataclasses import dataclass

from catalog.documents.encoding import extend
from catalog.documents.names import FoundName, describe_found
from catalog.index.catalogue import CatalogueRow
from catalog.index.releases import NameEntry, StoredSize, list_names, stored_sizes
from catalog.index.search import search as search_index
from catalog.lookup.releases import get_release
from catalog.model.reference import check_name
from catalog.server.pages.views.front import CatalogueCard, make_card, read_status
from catalog.server.pages.views.status import sightings_of
from catalog.server.pages.visit import Visit

_ROWS = 50
_MOST_COUNTED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class NameRow(FoundName):
    """A name of the catalogue: ``size`` is that of the largest image of its newest version, as stored, null where it has none.

    ``total`` is the size of all its archives, each by itself; null for a name of more than 200 releases.
    """

    size: int | None
    total: int | None


@dataclass(frozen=True, slots=True)
class CataloguePage:
    """A catalogue, and a page of its names in alphabetical order; ``next`` is the name to go on ``after``, empty on the last page.

    With a ``query`` the names are those that match it, best first. ``sources`` are numbered, not named.
    """

    catalogue: CatalogueCard
    query: str
    names: tuple[NameRow, ...]
    next: str
    sources: Mapping[str, int]


def catalogue(visit: Visit, label: str) -> CataloguePage:
    """Make the page of a catalogue."""
    row = visit.catalogue(label)
    entries = read_status(visit).catalogues
    card = next(entry for entry in entries if entry.row.catalogue == row.catalogue)
    query, rows = visit.query.get("q", "").strip()[:200], visit.rows(_ROWS)
    after = visit.query.get("after", "")
    if after:
        after = check_name(after)
    with visit.home.index.read() as connection:
        if query:
            found = search_index(
                connection, query, catalogue=row.catalogue, limit=rows + 1, after=(row.catalogue, after) if after else None
            )
        else:
            found = list_names(connection, catalogue=row.catalogue, after=(after, row.catalogue), limit=rows + 1)
        few = [entry.name for entry in found[:rows] if entry.live <= _MOST_COUNTED]
        sizes = stored_sizes(connection, row.catalogue, few)
    following = found[rows - 1].name if len(found) > rows else ""
    names = tuple(_describe(visit, row, entry, sizes.get(entry.name)) for entry in found[:rows])
    return CataloguePage(
        make_card(card),
        query,
        names,
        following,
        {source: sequence for source, sequence, _ in sightings_of(visit, row.catalogue)},
    )


def _describe(visit: Visit, row: CatalogueRow, entry: NameEntry, sizes: StoredSize | None) -> NameRow:
    size = sizes.newest if sizes is not None else None
    if sizes is None and entry.newest:
        found = get_release(visit.view, row.catalogue, entry.name, entry.newest)
        if found is not None:
            size = max((image.size for image in found.release.images.values()), default=None)
    total = sizes.total if sizes is not None else None
    return extend(NameRow, describe_found(row, entry), size=size, total=total)
