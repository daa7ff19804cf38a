"""Search over all catalogues."""

from dataclasses import dataclass

from catalog.model.reference import check_name
from catalog.operations.search import Hit
from catalog.operations.search import search as find
from catalog.server.pages.views.front import ListedName, list_name
from catalog.server.pages.visit import Visit

_ROWS = 50
_HIT_SIZE = 1024  # bytes that a hit takes in memory besides its texts, about


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The names that hold every word of ``query``, best first; ``next`` is the ``label/name`` to go on ``after``, or empty."""

    query: str
    hits: tuple[ListedName, ...]
    more: bool
    next: str


def search(visit: Visit) -> SearchResult:
    """Make the page of a search."""
    query, rows, after = visit.query.get("q", "").strip()[:200], visit.rows(_ROWS), _place(visit)
    key = ("search", query, rows, after)
    found = visit.remember(key, lambda: find(visit.home, query, limit=rows + 1, after=after), _size_of) if query else ()
    hits = tuple(visit.fit((list_name(hit.catalogue, hit.entry) for hit in found), rows, _row_size))
    more = len(found) > len(hits)
    return SearchResult(query, hits, more, f"{hits[-1].label}/{hits[-1].name}" if more else "")


def _place(visit: Visit) -> tuple[str, str] | None:
    """Return the catalogue and the name to begin behind."""
    after = visit.query.get("after", "")
    if not after:
        return None
    label, _, name = after.partition("/")
    return visit.catalogue(label).catalogue, check_name(name)


def _row_size(row: ListedName) -> int:
    """Return about how many bytes a row takes: its name is in it three times, its label four times."""
    return 500 + 3 * len(row.name) + 4 * len(row.label) + 3 * len(row.newest or "") + len((row.title or row.description).encode())


def _size_of(hits: tuple[Hit, ...]) -> int:
    return sum(_HIT_SIZE + 2 * (len(hit.entry.title) + len(hit.entry.description)) for hit in hits)
