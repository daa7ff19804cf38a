"""A release with its catalogue, and the reference that reaches it from this home."""

from collections.abc import Iterable
from dataclasses import dataclass

from catalog.index.subscriptions import CatalogueRow
from catalog.model.release import Release


@dataclass(frozen=True, slots=True)
class IndexedRelease:
    """A release of one of the catalogues that the index shows."""

    catalogue: CatalogueRow
    release: Release

    @property
    def reference(self) -> str:
        """The reference that always means it here: plain for the own catalogue, with the alias for others."""
        return qualify(self.catalogue, self.release.reference)


def qualify(catalogue: CatalogueRow, text: str) -> str:
    """Return ``text``, a name or reference, with the alias of a followed catalogue in front."""
    return text if catalogue.own or not catalogue.alias else f"{catalogue.alias}/{text}"


def may_mean(catalogues: Iterable[CatalogueRow], name: str) -> list[tuple[CatalogueRow, str]]:
    """Return every (catalogue, name in it) that ``name`` may mean in a listing: as typed, and behind an alias."""
    found = []
    for row in catalogues:
        found.append((row, name))
        if row.alias and name.startswith(f"{row.alias}/"):
            found.append((row, name.removeprefix(f"{row.alias}/")))
    return found
