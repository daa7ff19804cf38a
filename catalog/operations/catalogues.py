"""List the catalogues that this home shows, and where their records were seen."""

from dataclasses import dataclass

from catalog.home.home import Home
from catalog.index.catalogue import CatalogueRow
from catalog.index.subscriptions import count_releases, list_catalogues, list_sightings
from catalog.trust.conflicts import list_conflicts
from catalog.trust.ownership import Subscription, list_subscriptions
from catalog.trust.store import StoredFloor, get_floor


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One catalogue. ``is_synced`` is false for one that is followed and was never synced; the own one has no ``subscription``.

    ``sightings`` are (source, sequence, time): the record that each source had when it was last asked.
    """

    row: CatalogueRow
    is_synced: bool
    subscription: Subscription | None
    floor: StoredFloor | None
    sightings: tuple[tuple[str, int, str], ...]
    names: int
    releases: int
    conflicts: int

    @property
    def catalogue(self) -> str:
        """Its IPNS name."""
        return self.row.catalogue

    @property
    def state(self) -> str:
        """The state that a user must know of; empty where there is nothing."""
        if self.floor is not None and self.floor.floor.revoked:
            return "given up by its owner"
        if self.floor is not None and self.floor.shown is not None:
            return "unconfirmed jump"
        return ""


def catalogues(home: Home) -> list[CatalogueEntry]:
    """Return the own catalogue, then those that are followed, in the order of subscription."""
    with home.index.read() as connection:
        rows = {row.catalogue: row for row in list_catalogues(connection)}
        seen = {name: tuple(list_sightings(connection, name)) for name in rows}
        counts = {name: count_releases(connection, name) for name in rows}
    with home.trust.read() as connection:
        followed = {entry.catalogue: entry for entry in list_subscriptions(connection)}
        shown = {name: row for name, row in rows.items() if row.own}
        shown |= {name: rows.get(name) or CatalogueRow(name, alias=entry.alias) for name, entry in followed.items()}
        floors = {name: get_floor(connection, name) for name in shown}
        conflicts = [conflict.catalogue for conflict in list_conflicts(connection)]
    return [
        CatalogueEntry(
            row,
            name in rows,
            followed.get(name),
            floors[name],
            seen.get(name, ()),
            *counts.get(name, (0, 0)),
            conflicts.count(name),
        )
        for name, row in shown.items()
    ]
