"""``dcat outdated``: find what was pulled here, or is tagged in the engine, and has a newer version in its catalogue."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from catalog.errors import DcatError
from catalog.home.home import Home
from catalog.lookup.locate import Lookup, Notice, open_lookup
from catalog.model.reference import Reference, parse_reference, version_key
from catalog.trust.store import list_pins


@dataclass(frozen=True, slots=True)
class Outdated:
    """A name whose catalogue has a newer version than any that is here.

    ``reference`` and ``newest`` are as typed here; ``places`` are where the old version is: ``here``, ``engine`` or both.
    """

    reference: str
    newest: str
    catalogue: str
    alias: str | None
    first_seen: str | None
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OutdatedReport:
    """The number of names that were checked, those that are outdated, and notices about their catalogues."""

    names: int
    outdated: tuple[Outdated, ...]
    notices: tuple[Notice, ...]


def outdated(
    home: Home,
    names: Collection[str] = (),
    *,
    engine_tags: Iterable[str] = (),
    min_age: timedelta | None = None,
    allow_stale: bool = False,
) -> OutdatedReport:
    """Compare pulled releases and the engine's tags (``name:version``) with the newest versions; of ``names`` only, where given.

    A version counts once this home saw it ``min_age`` ago, which no publisher can backdate. Names that no catalogue here has are
    skipped, and so are those of an expired catalogue, with a notice.
    """
    found: list[Outdated] = []
    notices: dict[str, Notice] = {}
    with open_lookup(home.path) as lookup:
        held = _held(home, lookup, engine_tags)
        if names:
            held = {name: versions for name, versions in held.items() if name in names}
        for name, versions in sorted(held.items()):
            entry = _judge(lookup, name, versions, home.now, min_age, allow_stale, notices)
            if entry is not None:
                found.append(entry)
    return OutdatedReport(len(held), tuple(found), tuple(notices.values()))


def _held(home: Home, lookup: Lookup, engine_tags: Iterable[str]) -> dict[str, dict[str, set[str]]]:
    """Return the versions that are here and where each is, by the name as it is typed here."""
    held: dict[str, dict[str, set[str]]] = {}
    with home.trust.read() as connection:
        pins = list_pins(connection)
    for pin in pins:
        name = _typed(lookup, pin.catalogue, pin.name)
        if name is not None and pin.reason != "mirrored":
            held.setdefault(name, {}).setdefault(pin.version, set()).add("here")
    for tag in engine_tags:
        name, _, version = tag.rpartition(":")
        try:
            reference = parse_reference(f"{name}@{version}")
            lookup.locate(reference.name)
        except DcatError:
            continue  # not a name of any catalogue here
        held.setdefault(reference.name, {}).setdefault(reference.version, set()).add("engine")
    return held


def _typed(lookup: Lookup, catalogue: str, name: str) -> str | None:
    """Return how a catalogue's name is typed here: plain if that means this catalogue, else behind the alias."""
    row = lookup.view.catalogue(catalogue)
    if row is None:
        return None
    for typed in (name, f"{row.alias}/{name}"):
        try:
            found, there = lookup.locate(typed)
        except DcatError:
            continue
        if (found.catalogue, there) == (catalogue, name):
            return typed
    return None


def _judge(
    lookup: Lookup,
    name: str,
    versions: Mapping[str, set[str]],
    now: datetime,
    min_age: timedelta | None,
    allow_stale: bool,
    notices: dict[str, Notice],
) -> Outdated | None:
    try:
        newest = lookup.resolve(Reference(name), now=now, latest=True, min_age=min_age, allow_stale=allow_stale)
    except DcatError as error:
        notices.setdefault(error.message, Notice("expired", f"{name}: {error.message}"))
        return None
    for notice in newest.notices:
        notices.setdefault(notice.text, notice)
    here = max(versions, key=version_key)
    if version_key(newest.release.version) <= version_key(here):
        return None
    return Outdated(
        f"{name}@{here}",
        f"{name}@{newest.release.version}",
        newest.catalogue.catalogue,
        newest.catalogue.alias,
        newest.first_seen,
        tuple(sorted(versions[here], reverse=True)),
    )
