"""``dcat search``: find names by words, in all catalogues."""

from dataclasses import dataclass

from catalog.home.home import Home
from catalog.index.entry import qualify
from catalog.index.releases import NameEntry
from catalog.index.search import search as search_index
from catalog.index.subscriptions import CatalogueRow, list_catalogues


@dataclass(frozen=True, slots=True)
class Hit:
    """A name that matched; ``reference`` is how the name is reached from this home."""

    catalogue: CatalogueRow
    entry: NameEntry

    @property
    def reference(self) -> str:
        return qualify(self.catalogue, self.entry.name)


def search(home: Home, words: str, *, limit: int = 50, after: tuple[str, str] | None = None) -> tuple[Hit, ...]:
    """Return the names whose name, versions, titles or annotations have every word, or a word that begins with it; best first.

    Begin behind the match ``after``, a catalogue and a name; raise `NotFoundError` where that does not match.
    """
    with home.index.read() as connection:
        rows = {row.catalogue: row for row in list_catalogues(connection)}
        return tuple(Hit(rows[entry.catalogue], entry) for entry in search_index(connection, words, limit=limit, after=after))
