"""How this home stands: its catalogues, where they were last seen, what failed and what to do about it."""

from dataclasses import dataclass

from catalog.index.subscriptions import list_sightings
from catalog.limits import MIB
from catalog.model.text import format_size
from catalog.server.pages.views.front import CatalogueCard, make_card, read_status
from catalog.server.pages.visit import Visit
from catalog.storage.space import free_space

_LITTLE_SPACE = 64 * MIB


@dataclass(frozen=True, slots=True)
class SightingRow:
    """Which record a source gave for a catalogue when it was last asked; ``source`` is a number, since its host is private."""

    label: str
    source: str
    sequence: int
    at: str
    behind: bool


@dataclass(frozen=True, slots=True)
class Advice:
    """Something that somebody should look at; ``command`` is what helps."""

    subject: str
    text: str
    command: str


@dataclass(frozen=True, slots=True)
class EngineRow:
    """What engines of one kind pulled since the server started: manifests sent and not here, bytes of layers as stored."""

    program: str
    hits: int
    misses: int
    delivered: int
    last: str


@dataclass(frozen=True, slots=True)
class StatusPage:
    """The home in words; without ``advice`` nothing needs attention. ``fetched`` are bytes that were fetched for engines."""

    catalogues: tuple[CatalogueCard, ...]
    sightings: tuple[SightingRow, ...]
    advice: tuple[Advice, ...]
    deltas: int
    saved: int
    engines: tuple[EngineRow, ...]
    fetched: int


def status(visit: Visit) -> StatusPage:
    """Make the page."""
    found = read_status(visit)
    cards = tuple(map(make_card, found.catalogues))
    sightings = tuple(
        SightingRow(entry.row.label, source, sequence, at, entry.row.sequence is not None and sequence < entry.row.sequence)
        for entry in found.catalogues
        for source, sequence, at in sightings_of(visit, entry.row.catalogue)
    )
    advice = [*_advise_on_space(free_space(visit.home.path)), *_advise(cards)]
    engines = tuple(EngineRow(sums.program, sums.hits, sums.misses, sums.delivered, sums.last) for sums in visit.pulls.programs())
    return StatusPage(cards, sightings, tuple(advice), found.savings.deltas, found.savings.saved, engines, visit.pulls.fetched)


def sightings_of(visit: Visit, catalogue: str) -> list[tuple[str, int, str]]:
    """Return (source, sequence, time) of a catalogue's sightings.

    Whoever reads a page need not know where this home fetches from, which may be hosts of a private network: its owner sees them
    by ``dcat catalogues``. Here they are numbered in the order of their names.
    """
    with visit.home.index.read() as connection:
        seen = sorted(list_sightings(connection, catalogue))
    return [(f"source {number}", sequence, at) for number, (_, sequence, at) in enumerate(seen, 1)]


def _advise_on_space(free: int) -> list[Advice]:
    if free >= _LITTLE_SPACE:
        return []
    text = f"only {format_size(free)} are free: publishing, fetching and renewing are about to fail"
    return [Advice("Disk", text, "dcat gc")]


def _advise(cards: tuple[CatalogueCard, ...]) -> list[Advice]:
    found = []
    for card in cards:
        command = {
            "not shared": "dcat sync",
            "pending": "dcat sync",
            "never synced": f"dcat sync {card.label}",
            "expired": f"dcat sync {card.label}",
            "unchecked for a week": f"dcat sync {card.label}",
            "unchecked for a day": f"dcat sync {card.label}",
            "clock looks wrong": "date",
            "conflict": "dcat trust list",
            "unconfirmed": "dcat trust list",
            "withheld": "dcat trust list",
            "revoked": f"dcat unsubscribe {card.label}",
        }.get(card.state)
        if command is not None:
            found.append(Advice(card.label, card.note or card.state, command))
    return found
