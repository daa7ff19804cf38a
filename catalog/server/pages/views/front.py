"""The first page: search, the newest releases, the catalogues and how fresh they are."""

from dataclasses import dataclass

from catalog.index.releases import NameEntry, newest_names
from catalog.index.subscriptions import list_catalogues
from catalog.operations.status import CatalogueStatus, status
from catalog.server.pages.visit import Visit

_NEWEST = 12


@dataclass(frozen=True, slots=True)
class CatalogueCard:
    """A catalogue. ``label`` is ``mine`` or its alias, ``name`` its IPNS name; ``state`` is one word and ``note`` a sentence
    about it."""

    label: str
    name: str
    own: bool
    title: str
    names: int
    releases: int
    sequence: int | None
    root: str | None
    checked: str | None
    expires: str | None
    state: str
    note: str
    conflicts: int


@dataclass(frozen=True, slots=True)
class NewestRelease:
    """The newest release of a name."""

    label: str
    name: str
    version: str
    published: str
    title: str
    releases: int


@dataclass(frozen=True, slots=True)
class Front:
    """What a home holds: its catalogues, the own one first, and the newest releases in all of them."""

    catalogues: tuple[CatalogueCard, ...]
    newest: tuple[NewestRelease, ...]


def front(visit: Visit) -> Front:
    """Make the first page."""
    cards = tuple(map(describe_catalogue, visit.remember("status", lambda: status(visit.home)).catalogues))
    return Front(cards, visit.remember("newest", lambda: _list_newest(visit)))


def describe_catalogue(entry: CatalogueStatus) -> CatalogueCard:
    """Return a catalogue as pages show it."""
    row = entry.row
    state, note = _judge(entry)
    return CatalogueCard(
        label=row.label,
        name=row.catalogue,
        own=row.own,
        title=row.title,
        names=entry.names,
        releases=entry.releases,
        sequence=row.sequence,
        root=row.root,
        checked=row.checked,
        expires=row.expires,
        state=state,
        note=note,
        conflicts=entry.conflicts,
    )


def _judge(entry: CatalogueStatus) -> tuple[str, str]:
    if entry.revoked:
        return "revoked", "its owner gave it up: nothing new comes from it"
    if entry.unconfirmed:
        return "unconfirmed", "it jumped ahead suspiciously; dcat trust list says more"
    if entry.withheld:
        return "withheld", "its newest snapshot changes too many contents and was not taken; dcat trust list says more"
    if entry.conflicts:
        return "conflict", "a release came with other content than it had; dcat trust list says more"
    if entry.row.own:
        if entry.row.sequence is None:
            return "not shared", "nobody else has it yet"
        return ("pending", f"{entry.unshared} changed since it was last signed") if entry.unshared else ("current", "")
    if entry.freshness is None:
        return "never synced", "nothing of it is here yet: dcat sync"
    return entry.freshness.age.value, entry.freshness.text


def _list_newest(visit: Visit) -> tuple[NewestRelease, ...]:
    with visit.home.index.read() as connection:
        labels = {row.catalogue: row.label for row in list_catalogues(connection)}
        return tuple(_newest(labels, entry) for entry in newest_names(connection, limit=_NEWEST))


def _newest(labels: dict[str, str], entry: NameEntry) -> NewestRelease:
    return NewestRelease(labels[entry.catalogue], entry.name, entry.newest, entry.published, entry.title, entry.live)
