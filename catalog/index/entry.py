"""A release together with the catalogue that it is in, and how it is reached from this home."""

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
        """What may be typed for it here, whoever owns its name: own ones as they are, others behind their alias."""
        return qualify(self.catalogue, self.release.reference)


def qualify(catalogue: CatalogueRow, text: str) -> str:
    """Put the alias of a followed catalogue before a name or a reference of it."""
    return text if catalogue.own or not catalogue.alias else f"{catalogue.alias}/{text}"


def may_mean(catalogues: Iterable[CatalogueRow], name: str) -> list[tuple[CatalogueRow, str]]:
    """Give every (catalogue, name in it) that ``name`` may stand for where one looks around: as it is, and behind an alias."""
    found = []
    for row in catalogues:
        found.append((row, name))
        if row.alias and name.startswith(f"{row.alias}/"):
            found.append((row, name.removeprefix(f"{row.alias}/")))
    return found
