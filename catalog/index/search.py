"""Full-text search over all catalogues: names, versions, titles, descriptions, annotations.

Every word must occur in some field, as a word or as the beginning of one; a match in a name counts most.
Source: SQLite FTS5, sections 3 ("Full-text Query Syntax") and 5.1 ("The bm25() function").
"""

import re

from sqlalchemy import Connection

from catalog.index.releases import NameEntry

_WORD = re.compile(r"[^\W_]+")
_MAX_WORDS = 16
_SEARCH = """
SELECT catalogues.catalogue, names.name, names.newest, names.live, names.published, names.title, names.description
FROM names_fts
JOIN names ON names.name_id = names_fts.rowid
JOIN catalogues ON catalogues.generation = names.generation
WHERE names_fts MATCH ? AND names.live > 0 AND (? IS NULL OR catalogues.catalogue = ?)
ORDER BY bm25(names_fts, 10.0, 2.0, 4.0, 1.0, 1.0), names.name, catalogues.own DESC, catalogues.catalogue
LIMIT ? OFFSET ?
"""


def search(connection: Connection, text: str, *, catalogue: str | None = None, limit: int = 50, offset: int = 0) -> list[NameEntry]:
    """Return the names that match ``text``, best first; none where it holds no word."""
    query = make_query(text)
    if not query:
        return []
    rows = connection.exec_driver_sql(_SEARCH, (query, catalogue, catalogue, limit, offset))
    return [NameEntry(*row) for row in rows]


def make_query(text: str) -> str:
    """Return an FTS5 query for typed text: each run without spaces is a phrase, the last word of which is a prefix."""
    phrases = []
    for typed in text.split()[:_MAX_WORDS]:
        words = _WORD.findall(typed)
        if words:
            phrases.append('"' + " ".join(words) + '" *')
    return " AND ".join(phrases)
