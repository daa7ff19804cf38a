"""A catalogue of a home."""

from dataclasses import dataclass
from typing import Literal

from catalog.documents.encoding import extend
from catalog.operations.catalogues import CatalogueEntry
from catalog.operations.status import CatalogueStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """A catalogue: ``catalogue`` is its IPNS name, ``alias`` null for the own one, ``snapshot`` the CID of what is shown of it.

    ``checked`` is when a source last confirmed its record, ``expires`` when that ends; ``conflicts`` is how many releases came with
    other content than they had.
    """

    catalogue: str
    alias: str | None
    role: Literal["own", "subscribed"]
    title: str
    snapshot: str | None
    sequence: int | None
    checked: str | None
    expires: str | None
    names: int
    releases: int
    conflicts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """The record that a source had when it was last asked, and when that was."""

    source: str
    sequence: int
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenCatalogue(Catalogue):
    """A catalogue and where its records were ``seen``.

    It is followed ``since`` a time, null for the own one; ``state`` is what a user must know of it, null where there is nothing.
    """

    since: str | None
    seen: tuple[Sighting, ...]
    state: str | None


def describe_catalogue(entry: CatalogueEntry | CatalogueStatus) -> Catalogue:
    """Return the document of a catalogue."""
    row = entry.row
    return Catalogue(
        catalogue=row.catalogue,
        alias=row.alias,
        role="own" if row.own else "subscribed",
        title=row.title,
        snapshot=row.root,
        sequence=row.sequence,
        checked=row.checked,
        expires=row.expires,
        names=entry.names,
        releases=entry.releases,
        conflicts=entry.conflicts,
    )


def describe_seen(entry: CatalogueEntry) -> SeenCatalogue:
    """Return the document of a catalogue with where it was seen."""
    return extend(
        SeenCatalogue,
        describe_catalogue(entry),
        since=None if entry.subscription is None else entry.subscription.since,
        seen=tuple(Sighting(source=source, sequence=sequence, at=at) for source, sequence, at in entry.sightings),
        state=entry.state or None,
    )
