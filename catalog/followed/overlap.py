"""Names of a followed catalogue that belong to another catalogue here."""

import json
from collections.abc import Iterator
from itertools import islice

from catalog.home.home import Home

_BATCH = 500
_FOREIGN = "SELECT name FROM owners JOIN catalogues USING (catalogue_id) WHERE catalogue != ? ORDER BY name"
_HELD = """
SELECT names.name FROM names JOIN catalogues ON catalogues.generation = names.generation
WHERE catalogues.catalogue = ? AND names.live > 0 AND names.name IN (SELECT value FROM json_each(?)) ORDER BY names.name
"""


def list_overlap(home: Home, catalogue: str) -> tuple[str, ...]:
    """Return the names of ``catalogue`` that belong to another catalogue in this home, sorted."""
    found: list[str] = []
    with home.trust.read() as trust, home.index.read() as index:
        foreign: Iterator[str] = iter(trust.exec_driver_sql(_FOREIGN, (catalogue,)).scalars())
        while batch := list(islice(foreign, _BATCH)):
            found += index.exec_driver_sql(_HELD, (catalogue, json.dumps(batch))).scalars()
    return tuple(found)
