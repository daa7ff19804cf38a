"""The first page: search, the newest releases, the catalogues and how fresh they are."""

from dataclasses import dataclass

from catalog.documents.catalogues import Catalogue, describe_catalogue
from catalog.documents.encoding import extend
from catalog.documents.names import FoundName, describe_found
from catalog.index.catalogue import CatalogueRow
from catalog.index.releases import NameEntry, newest_names
from catalog.index.subscriptions import list_catalogues
from catalog.operations.status import CatalogueStatus, Status, status
from catalog.server.pages.visit import Visit

_NEWEST = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueCard(Catalogue):
    """A catalogue. ``label`` is ``mine`` or its alias; ``state`` is one word and ``note`` a sentence about it."""

    label: str
    state: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedName(FoundName):
    """A name, and the ``label`` of its catalogue in addresses."""

    label: str


@dataclass(frozen=True, slots=True)
class Front:
    """What a home holds: its catalogues, the own one first, and the newest releases in all of them."""

    catalogues: tuple[CatalogueCard, ...]
    newest: tuple[ListedName, ...]


def front(visit: Visit) -> Front:
    """Make the first page."""
    cards = tuple(map(make_card, read_status(visit).catalogues))
    return Front(cards, visit.remember("newest", lambda: _list_newest(visit)))


def read_status(visit: Visit) -> Status:
    """Return how the home stands. A catalogue expires although nothing changes here: so for a few minutes only."""
    return visit.remember(("status", visit.period), lambda: status(visit.home))


def make_card(entry: CatalogueStatus) -> CatalogueCard:
    """Return a catalogue as pages show it."""
    state, note = _judge(entry)
    return extend(CatalogueCard, describe_catalogue(entry), label=entry.row.label, state=state, note=note)


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
    return entry.freshness.age, entry.freshness.text


def _list_newest(visit: Visit) -> tuple[ListedName, ...]:
    with visit.home.index.read() as connection:
        rows = {row.catalogue: row for row in list_catalogues(connection)}
        return tuple(list_name(rows[entry.catalogue], entry) for entry in newest_names(connection, limit=_NEWEST))


def list_name(row: CatalogueRow, entry: NameEntry) -> ListedName:
    """Return a name as lists show it."""
    return extend(ListedName, describe_found(row, entry), label=row.label)
