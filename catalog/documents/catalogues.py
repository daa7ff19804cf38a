"""A catalogue of a home."""

from dataclasses import dataclass
from typing import Literal

from catalog.operations.status import CatalogueStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """A catalogue: ``catalogue`` is its IPNS name, ``alias`` null for the own one.

    ``checked`` is when a source last confirmed its record, ``expires`` when that ends; ``conflicts`` is how many releases came with
    other content than they had.
    """

    catalogue: str
    alias: str | None
    role: Literal["own", "subscribed"]
    sequence: int | None
    checked: str | None
    expires: str | None
    names: int
    releases: int
    conflicts: int


def describe_catalogue(entry: CatalogueStatus) -> Catalogue:
    """Return the document of a catalogue."""
    row = entry.row
    return Catalogue(
        catalogue=row.catalogue,
        alias=row.alias,
        role="own" if row.own else "subscribed",
        sequence=row.sequence,
        checked=row.checked,
        expires=row.expires,
        names=entry.names,
        releases=entry.releases,
        conflicts=entry.conflicts,
    )
