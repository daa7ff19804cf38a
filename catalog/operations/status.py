"""Tell how this home stands: its catalogues, how fresh they are, what is stored, what waits for somebody's decision."""

from dataclasses import dataclass
from pathlib import Path

from catalog.blockstores.embedded import StoreSize
from catalog.home import Home
from catalog.index.subscriptions import CatalogueRow, count_releases, list_catalogues
from catalog.release import parse_time
from catalog.trust.contents import list_conflicts
from catalog.trust.freshness import Freshness, judge_freshness
from catalog.trust.store import list_pins


@dataclass(frozen=True, slots=True)
class CatalogueStatus:
    """One catalogue. ``freshness`` is None for a followed one that was never synced."""

    row: CatalogueRow
    names: int
    releases: int
    conflicts: int
    freshness: Freshness | None


@dataclass(frozen=True, slots=True)
class Status:
    """The home: its directory, its catalogues (the own one first), what is stored, how many archives are pinned."""

    home: Path
    catalogues: tuple[CatalogueStatus, ...]
    stored: StoreSize
    pins: int


def status(home: Home) -> Status:
    """Look at everything that is here; nobody is asked."""
    with home.trust.read() as connection:
        conflicts = list_conflicts(connection)
        pins = len(list_pins(connection))
    with home.index.read() as connection:
        catalogues = []
        for row in list_catalogues(connection):
            names, releases = count_releases(connection, row.catalogue)
            waiting = sum(conflict.catalogue == row.catalogue for conflict in conflicts)
            catalogues.append(CatalogueStatus(row, names, releases, waiting, _freshness(home, row)))
    return Status(home.path, tuple(catalogues), home.blocks.size(), pins)


def _freshness(home: Home, row: CatalogueRow) -> Freshness | None:
    if row.expires is None and not row.own:
        return None
    return judge_freshness(
        home.now,
        expires=parse_time(row.expires) if row.expires else home.now,
        checked=parse_time(row.checked) if row.checked else None,
        newest_signed=parse_time(row.published) if row.published else None,
        own=row.own,
    )
