"""``dcat status``: the catalogues of a home, how fresh they are, what is stored, what waits for a decision."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from catalog.blockstores.embedded import StoreSize
from catalog.delivery import Savings, find_savings
from catalog.home.deltas import open_delta_cache
from catalog.home.home import Home
from catalog.index.catalogue import CatalogueRow
from catalog.index.subscriptions import count_releases, freshness_of, list_catalogues, list_sightings
from catalog.own.nodes import ReplicaState, kubo_state, replica_state
from catalog.own.pinning import ServiceState, service_state
from catalog.own.places import known_place
from catalog.own.unshared import find_unshared
from catalog.trust.conflicts import list_conflicts
from catalog.trust.freshness import Freshness
from catalog.trust.ownership import list_subscriptions
from catalog.trust.store import get_floor, list_pins, list_unshared
from catalog.trust.withheld import get_withheld


@dataclass(frozen=True, slots=True)
class CatalogueStatus:
    """One catalogue. ``freshness`` is None for a followed one that was never synced; ``seen`` names where its record was seen.

    ``revoked`` says that its owner gave it up, ``unconfirmed`` that it jumped to a sequence that was not confirmed,
    ``withheld`` that its newest snapshot waits for a decision; ``unshared``
    counts the releases of the own one that changed since it was last signed, or was last put into the Kubo node or the cluster.
    ``shared`` names where the own one was put as it is now; ``incomplete`` says that the Kubo node lacks blocks of it. ``replicas``
    are those in the cluster, None without one.
    """

    row: CatalogueRow
    names: int = 0
    releases: int = 0
    conflicts: int = 0
    freshness: Freshness | None = None
    seen: tuple[str, ...] = ()
    revoked: bool = False
    unconfirmed: bool = False
    withheld: bool = False
    unshared: int = 0
    shared: tuple[str, ...] = ()
    incomplete: bool = False
    replicas: ReplicaState | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """The home: its directory, its catalogues (the own one first), what is stored, how many archives are pinned.

    ``savings`` are what deltas saved over all fetches, ``cached_deltas`` the bytes of deltas that were made for others, and
    ``services`` the pinning services that are configured.
    """

    home: Path
    catalogues: tuple[CatalogueStatus, ...]
    stored: StoreSize
    pins: int
    savings: Savings
    cached_deltas: int
    services: tuple[ServiceState, ...] = ()


def status(home: Home, *, kubo: str = "", cluster: str = "", services: Iterable[tuple[str, str]] = ()) -> Status:
    """Return the state of the home; no source is asked.

    ``kubo`` is the URL of the node that the catalogue is shared through, ``cluster`` that of the cluster which it belongs to,
    ``services`` are the names and URLs of pinning services.
    """
    place = known_place(home, kubo, cluster)
    with home.index.read() as connection:
        rows = {row.catalogue: row for row in list_catalogues(connection)}
        counts = {name: count_releases(connection, name) for name in rows}
        seen = {name: tuple(source for source, _, _ in list_sightings(connection, name)) for name in rows}
    with home.trust.read() as connection:
        conflicts = [conflict.catalogue for conflict in list_conflicts(connection)]
        pins = len(list_pins(connection))
        unshared = len({(release.name, release.version) for _, release in list_unshared(connection)})
        for followed in list_subscriptions(connection):
            rows.setdefault(followed.catalogue, CatalogueRow(followed.catalogue, alias=followed.alias))
        floors = {name: get_floor(connection, name) for name in rows}
        withheld = {name for name in rows if (entry := get_withheld(connection, name)) is not None and entry.state == "open"}
    catalogues = []
    for name, row in rows.items():
        names, releases = counts.get(name, (0, 0))
        floor = floors[name]
        there = find_unshared(home, row, place, releases) if row.own and place else 0
        catalogues.append(
            CatalogueStatus(
                row=row,
                names=names,
                releases=releases,
                conflicts=conflicts.count(name),
                freshness=freshness_of(row, home.now),
                seen=seen.get(name, ()),
                revoked=floor is not None and floor.floor.revoked,
                unconfirmed=floor is not None and floor.shown is not None,
                withheld=name in withheld,
                unshared=max(unshared, there) if row.own else 0,
                incomplete=row.own and bool(place) and bool(kubo_state(home, place).substitute),
                shared=(("cluster" if cluster else "kubo",) if row.own and place and row.root is not None and not there else ()),
                replicas=replica_state(home, place) if row.own and place and cluster else None,
            )
        )
    states = tuple(service_state(home, service, url) for service, url in services)
    savings, cached = find_savings(home), open_delta_cache(home).size()
    return Status(home.path, tuple(catalogues), home.blocks.size(), pins, savings, cached, states)
