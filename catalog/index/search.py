"""Full-text search over all catalogues: names, versions, titles, descriptions, annotations.

Every word must occur in some field, as a word or as the beginning of one; a match in a name counts most.
Source: SQLite FTS5, sections 3 ("Full-text Query Syntax") and 5.1 ("The bm25() function").
"""

import re

from sqlalchemy import Connection

from catalog.errors import NotFoundError
from catalog.index.releases import NameEntry

_WORD = re.compile(r"[^\W_]+")
_MAX_WORDS = 16
_FOUND = """
SELECT catalogues.catalogue, names.name, names.newest, names.live, names.published, names.title, names.description,
    bm25(names_fts, 10.0, 2.0, 4.0, 1.0, 1.0) AS score, -catalogues.own AS other
FROM names_fts
JOIN names ON names.name_id = names_fts.rowid
JOIN catalogues ON catalogues.generation = names.generation
WHERE names_fts MATCH ? AND names.live > 0 AND (? IS NULL OR catalogues.catalogue = ?)
"""
_ORDER = "ORDER BY 8, 2, 9, 1 LIMIT ?"  # score, name, the own catalogue first, catalogue
_SEARCH = f"{_FOUND} {_ORDER}"
_PLACE = f"{_FOUND} AND names.name = ?"
_CONTINUE = (
    f"WITH found AS MATERIALIZED ({_FOUND}) SELECT * FROM found WHERE (score, name, other, catalogue) > (?, ?, ?, ?) {_ORDER}"  # noqa: S608 (constants)
)


def search(
    connection: Connection, text: str, *, catalogue: str | None = None, limit: int = 50, after: tuple[str, str] | None = None
) -> list[NameEntry]:
    """Return the names that match ``text``, best first; none where it holds no word.

    Begin behind the match ``after``, a catalogue and a name; raise `NotFoundError` where that does not match (any more).
    """
    query = make_query(text)
    if not query:
        return []
    if after is None:
        rows = connection.exec_driver_sql(_SEARCH, (query, catalogue, catalogue, limit))
    else:
        place = connection.exec_driver_sql(_PLACE, (query, after[0], *after)).first()
        if place is None:
            raise NotFoundError(
                "this search cannot be continued", why=f'"{after[1]}" does not match it any more', hint="search again"
            )
        key = (place.score, place.name, place.other, place.catalogue)
        rows = connection.exec_driver_sql(_CONTINUE, (query, catalogue, catalogue, *key, limit))
    return [NameEntry(*row[:7]) for row in rows]


def make_query(text: str) -> str:
    """Return an FTS5 query for typed text: each run without spaces is a phrase, the last word of which is a prefix."""
    phrases = []
    for typed in text.split()[:_MAX_WORDS]:
        words = _WORD.findall(typed)
        if words:
            phrases.append('"' + " ".join(words) + '" *')
    return " AND ".join(phrases)
