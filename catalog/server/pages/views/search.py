"""Search over all catalogues."""

from dataclasses import dataclass

from catalog.operations.search import Hit
from catalog.operations.search import search as find
from catalog.server.pages.views.front import ListedName, list_name
from catalog.server.pages.visit import Visit

_ROWS = 50
_HIT_SIZE = 1024  # bytes that a hit takes in memory besides its texts, about


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The names that hold every word of ``query``, best first."""

    query: str
    hits: tuple[ListedName, ...]
    more: bool


def search(visit: Visit) -> SearchResult:
    """Make the page of a search."""
    query, rows = visit.query.get("q", "").strip()[:200], visit.rows(_ROWS)
    found = visit.remember(("search", query, rows), lambda: find(visit.home, query, limit=rows + 1), _size_of) if query else ()
    hits = tuple(list_name(hit.catalogue, hit.entry) for hit in found[:rows])
    return SearchResult(query, hits, len(found) > rows)


def _size_of(hits: tuple[Hit, ...]) -> int:
    return sum(_HIT_SIZE + 2 * (len(hit.entry.title) + len(hit.entry.description)) for hit in hits)
