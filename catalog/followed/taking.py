"""A chosen record becomes what this home shows of a catalogue: its snapshot's releases, with everything that must be remembered.

First all blocks of the releases are brought here and read to their end, so that nothing of an invalid snapshot is ever acted on.
Then one transaction of the trust store takes the floor, the contents, the names; then the index takes the releases (`Home.commit`).
A few changes are put row by row; a first sync, or very many changes, load the catalogue anew, which readers see all at once.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from sqlalchemy import Connection

from catalog.delivery import open_store
from catalog.errors import BlockNotFoundError, CatalogueNotFoundError, ReleaseNotFoundError
from catalog.followed.changes import ChangeList, describe
from catalog.followed.checking import Check
from catalog.home.home import Home
from catalog.home.records import local_records
from catalog.index.history import Change
from catalog.index.loading import prepare_catalogue
from catalog.index.releases import get_release
from catalog.index.subscriptions import CatalogueRow, get_catalogue
from catalog.index.update import IndexUpdate
from catalog.ipld.cid import parse_cid
from catalog.ipns.record import Record
from catalog.limits import MAX_DIFFERENCES, MAX_SNAPSHOT_SIZE
from catalog.model.release import Release, format_time
from catalog.progress import Progress, Step
from catalog.snapshot.difference import Change as Difference
from catalog.snapshot.difference import diff_snapshots
from catalog.snapshot.reader import Snapshot, open_snapshot
from catalog.sources.network import Network
from catalog.sources.store import SourceUse
from catalog.trust.contents import Conflict, has_contents, keep_contents, see_contents, see_first_contents
from catalog.trust.decision import Choice, Verdict, floor_of
from catalog.trust.ownership import claim_names, finish_first_sync
from catalog.trust.store import get_floor, raise_floor, refuse_record, show_above_floor

_BATCH = 2000


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken over: the snapshot that is shown now, what changed, what is in conflict, and what each source gave."""

    snapshot: Snapshot
    changes: ChangeList
    conflicts: tuple[Conflict, ...]
    sources: tuple[SourceUse, ...]
    whole: bool

    @property
    def fetched(self) -> int:
        return sum(use.size for use in self.sources)


def take_record(
    home: Home, network: Network, check: Check, alias: str, *, first: Callable[[Connection], None] | None = None, progress: Progress
) -> Taken:
    """Show the snapshot of the chosen record, and raise the floor to it unless it is suspicious.

    ``first`` works in the same transaction of the trust store, before anything else. Raises what reading a snapshot raises; then
    nothing has changed.
    """
    choice, record = _chosen(check)
    shown = _shown_row(home, str(record.name))
    progress(Step("phase", f"Fetching the index of {alias}"))
    store = open_store(home, network, str(record.name))
    snapshot = open_snapshot(record.snapshot_cid, store)
    last = _open_last(home, shown)
    differences = None
    if last is not None:
        differences = list(islice(diff_snapshots(last, snapshot), MAX_DIFFERENCES + 1))
        if len(differences) > MAX_DIFFERENCES:
            differences = None
    row = row_of(record, snapshot, alias, home.time if check.confirmed or shown is None else shown.checked)
    if differences is not None:
        changes, conflicts = _take_differences(home, choice, record, row, differences, first)
    else:
        store.fetch_dag([snapshot.releases.cid], size=MAX_SNAPSHOT_SIZE, progress=progress)
        progress(Step("phase", f"Reading {snapshot.catalogue.releases} releases of {alias}"))
        local = open_snapshot(snapshot.root, home.blocks)
        with home.trust.read() as connection:
            known = has_contents(connection, row.catalogue)
        take_whole = _take_whole if known else _take_first
        changes, conflicts = take_whole(home, choice, record, row, local, first)
    local_records(home).put(record.name, record.encoded)
    return Taken(snapshot, changes, tuple(conflicts), store.fetch_many([]).sources, differences is None)


def confirm_record(home: Home, check: Check, alias: str) -> None:
    """Note that what is held was confirmed, by a record of the same sequence that perhaps lives longer."""
    _, record = _chosen(check)
    shown = _shown_row(home, str(record.name))
    if shown is None:
        return
    held = check.stored.record if check.stored is not None else None
    longer = shown.expires is None or format_time(record.expires) > shown.expires

    def trust(connection: Connection) -> None:
        if longer and held != record.encoded:
            raise_floor(connection, str(record.name), floor_of(record), record.encoded)

    expires = format_time(record.expires) if longer else shown.expires
    home.commit(IndexUpdate(shown.catalogue, row=replace(shown, alias=alias, expires=expires, checked=home.time)), trust)
    if longer:
        local_records(home).put(record.name, record.encoded)


def take_revocation(home: Home, check: Check, alias: str) -> None:
    """Take in the last record of a name: no data comes with it, what is held stays, and nothing is accepted after it."""
    choice, record = _chosen(check)
    shown = _shown_row(home, str(record.name)) or CatalogueRow(str(record.name), alias=alias)

    def trust(connection: Connection) -> None:
        _take_floor(connection, choice, record)

    row = replace(shown, alias=alias, sequence=record.sequence, expires=format_time(record.expires), checked=home.time)
    home.commit(IndexUpdate(shown.catalogue, row=row), trust)
    local_records(home).put(record.name, record.encoded)


def row_of(record: Record, snapshot: Snapshot, alias: str, checked: str | None) -> CatalogueRow:
    """Return what the index shows of a followed catalogue."""
    return CatalogueRow(
        str(record.name),
        alias=alias,
        title=snapshot.catalogue.title,
        root=str(snapshot.root),
        sequence=record.sequence,
        expires=format_time(record.expires),
        checked=checked,
        published=snapshot.catalogue.published,
    )


def _take_differences(
    home: Home,
    choice: Choice,
    record: Record,
    row: CatalogueRow,
    differences: list[Difference],
    first: Callable[[Connection], None] | None,
) -> tuple[ChangeList, list[Conflict]]:
    changes = ChangeList(row.catalogue, home.time)
    conflicts: list[Conflict] = []
    after = [difference.after for difference in differences if difference.after is not None]
    gone = [_key(difference.before) for difference in differences if difference.after is None and difference.before is not None]
    put: list[Release] = []
    history: list[Change] = []

    def trust(connection: Connection) -> None:
        if first is not None:
            first(connection)
        _take_floor(connection, choice, record)
        with home.index.read() as reading:
            conflicts.extend(see_contents(connection, row.catalogue, after, home.time, held=_held(reading, row.catalogue)))
        put.extend(keep_contents(release, conflicts) if conflicts else release for release in after)
        claim_names(connection, row.catalogue, sorted({release.name for release in after}))
        finish_first_sync(connection, row.catalogue)
        describe(changes, differences, conflicts)
        history.extend(changes.history())

    home.commit(IndexUpdate(row.catalogue, row=row, releases=put, gone=gone, changes=history), trust)
    return changes, conflicts


def _take_whole(
    home: Home,
    choice: Choice,
    record: Record,
    row: CatalogueRow,
    snapshot: Snapshot,
    first: Callable[[Connection], None] | None,
) -> tuple[ChangeList, list[Conflict]]:
    """Take a catalogue whose releases are known, anew: each is compared with what it was seen with."""
    changes = _counted(row, home.time, snapshot)
    conflicts: list[Conflict] = []

    def trust(connection: Connection) -> None:
        if first is not None:
            first(connection)
        _take_floor(connection, choice, record)
        with home.index.read() as reading:
            held = _held(reading, row.catalogue)
            releases = _claiming(connection, row.catalogue, snapshot.read())
            conflicts.extend(see_contents(connection, row.catalogue, releases, home.time, held=held))
        finish_first_sync(connection, row.catalogue)

    home.commit(IndexUpdate(row.catalogue, row=row, changes=changes.history(), whole=True), trust)
    return changes, conflicts


def _take_first(
    home: Home,
    choice: Choice,
    record: Record,
    row: CatalogueRow,
    snapshot: Snapshot,
    first: Callable[[Connection], None] | None,
) -> tuple[ChangeList, list[Conflict]]:
    """Take a catalogue of which nothing was seen before: its lines are read once, and nobody waits while they are."""
    changes = _counted(row, home.time, snapshot)

    with prepare_catalogue(home.index, snapshot.read_lines()) as prepared:

        def trust(connection: Connection) -> None:
            if first is not None:
                first(connection)
            _take_floor(connection, choice, record)
            with home.index.read() as reading:
                see_first_contents(connection, row.catalogue, prepared.contents(reading), home.time)
                names = prepared.names(reading)
                while batch := list(islice(names, _BATCH)):
                    claim_names(connection, row.catalogue, batch)
            finish_first_sync(connection, row.catalogue)

        home.commit(IndexUpdate(row.catalogue, row=row, changes=changes.history(), whole=True), trust, prepared=prepared)
    return changes, []


def _counted(row: CatalogueRow, at: str, snapshot: Snapshot) -> ChangeList:
    """Say of a catalogue that was loaded whole how many releases it has, not which."""
    changes = ChangeList(row.catalogue, at)
    changes.counts["synced"] = snapshot.catalogue.releases
    return changes


def _claiming(connection: Connection, catalogue: str, releases: Iterable[Release]) -> Iterator[Release]:
    """Hand the releases on, and claim their names on the way."""
    stream = iter(releases)
    while batch := list(islice(stream, _BATCH)):
        claim_names(connection, catalogue, dict.fromkeys(release.name for release in batch))
        yield from batch


def _take_floor(connection: Connection, choice: Choice, record: Record) -> None:
    """Raise the floor, or show data above it; what lost to a proper record is refused from now on."""
    catalogue = str(record.name)
    stored = get_floor(connection, catalogue)
    if choice.verdict is Verdict.SUSPICIOUS:
        show_above_floor(connection, catalogue, floor_of(record), record.encoded)
        return
    shown = stored.shown if stored is not None else None
    for refused in {floor_of(entry) for entry in choice.passed_over} | ({shown} if shown is not None else set()):
        refuse_record(connection, catalogue, refused)
    raise_floor(connection, catalogue, floor_of(record), record.encoded)


def _held(connection: Connection, catalogue: str) -> Callable[[str, str], Release | None]:
    def find(name: str, version: str) -> Release | None:
        try:
            return get_release(connection, catalogue, name, version)
        except ReleaseNotFoundError:
            return None

    return find


def _open_last(home: Home, shown: CatalogueRow | None) -> Snapshot | None:
    """Open the snapshot that is shown, as far as it is here; None where there is none or it is not."""
    if shown is None or shown.root is None:
        return None
    try:
        return open_snapshot(parse_cid(shown.root), home.blocks)
    except BlockNotFoundError:
        return None


def _shown_row(home: Home, catalogue: str) -> CatalogueRow | None:
    with home.index.read() as connection:
        try:
            return get_catalogue(connection, catalogue)
        except CatalogueNotFoundError:
            return None


def _chosen(check: Check) -> tuple[Choice, Record]:
    if check.choice is None or check.choice.record is None:
        raise ValueError("a check without a record has nothing to take")
    return check.choice, check.choice.record


def _key(release: Release) -> tuple[str, str]:
    return release.name, release.version
