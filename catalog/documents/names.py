"""A name of a catalogue."""

from dataclasses import dataclass

from catalog.documents.encoding import extend
from catalog.index.catalogue import CatalogueRow
from catalog.index.entry import qualify
from catalog.index.releases import NameEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A name; ``reference`` is how it is reached from this home, ``catalogue`` the IPNS name, ``alias`` null for the own one.

    ``newest`` is the newest version that is neither yanked nor removed and ``published`` its time, null where there is none;
    ``releases`` is how many are not removed.
    """

    reference: str
    name: str
    catalogue: str
    alias: str | None
    newest: str | None
    published: str | None
    releases: int
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundName(Name):
    """A name that a search found."""

    description: str


def describe_name(row: CatalogueRow, entry: NameEntry) -> Name:
    """Return the document of a name."""
    return Name(
        reference=qualify(row, entry.name),
        name=entry.name,
        catalogue=row.catalogue,
        alias=row.alias,
        newest=entry.newest or None,
        published=entry.published or None,
        releases=entry.live,
        title=entry.title,
    )


def describe_found(row: CatalogueRow, entry: NameEntry) -> FoundName:
    """Return the document of a name that a search found."""
    return extend(FoundName, describe_name(row, entry), description=entry.description)
