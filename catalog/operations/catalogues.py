"""List the catalogues that this home shows, and where their records were seen."""

from dataclasses import dataclass

from catalog.home.home import Home
from catalog.index.catalogue import CatalogueRow
from catalog.index.subscriptions import list_catalogues, list_sightings
from catalog.trust.ownership import Subscription, list_subscriptions
from catalog.trust.store import StoredFloor, get_floor


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One catalogue. ``row`` is None for one that is followed and was never synced, ``subscription`` for the own one.

    ``sightings`` are (source, sequence, time): the record that each source had when it was last asked.
    """

    catalogue: str
    row: CatalogueRow | None
    subscription: Subscription | None
    floor: StoredFloor | None
    sightings: tuple[tuple[str, int, str], ...]

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
    with home.trust.read() as connection:
        subscriptions = list_subscriptions(connection)
        own = [row.catalogue for row in rows.values() if row.own]
        floors = {name: get_floor(connection, name) for name in [*own, *(entry.catalogue for entry in subscriptions)]}
    entries = [CatalogueEntry(name, rows[name], None, floors[name], seen[name]) for name in own]
    for subscription in subscriptions:
        name = subscription.catalogue
        entries.append(CatalogueEntry(name, rows.get(name), subscription, floors[name], seen.get(name, ())))
    return entries
