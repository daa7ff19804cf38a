"""Taking over a chosen record: its snapshot's releases are shown, with everything that must be remembered.

Three steps:

1. `fetch_snapshot`: all blocks of the releases are brought here and read, without any lock.
2. `prepare`: the releases are compared with the contents they were seen with; only reads, under the sync lock.
3. `commit`: one transaction of the trust store takes floor, contents and names; then the index takes the releases.

Few changes are put row by row; a first sync, or very many changes, load the catalogue again, which readers see all at once. A
snapshot that changes the contents of too many releases is withheld: it becomes one question to the user.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice

from sqlalchemy import Connection

from catalog.delivery import open_store
from catalog.errors import BlockNotFoundError, CatalogueNotFoundError, ReleaseNotFoundError
from catalog.followed.changes import ChangeList, describe
from catalog.followed.checking import RecordCheck
from catalog.home.home import Home
from catalog.home.records import local_records
from catalog.index.loading import Prepared, prepare_catalogue
from catalog.index.releases import get_release
from catalog.index.subscriptions import CatalogueRow, get_catalogue
from catalog.index.update import IndexUpdate, snapshot_entries
from catalog.ipld.cid import parse_cid
from catalog.ipns.record import Record
from catalog.limits import MAX_DIFFERENCES, MAX_OPEN_CONFLICTS, MAX_SNAPSHOT_SIZE
from catalog.model.release import Release, format_time
from catalog.progress import Progress, Step
from catalog.snapshot.difference import ReleaseDifference, diff_snapshots
from catalog.snapshot.reader import Snapshot, open_snapshot
from catalog.sources.network import Network
from catalog.sources.store import FetchingBlockstore, SourceUse
from catalog.trust.contents import (
    Comparison,
    Conflict,
    FindHeld,
    accept_images,
    compare_contents,
    forget_conflicts,
    has_contents,
    keep_contents,
    note_contents,
    see_first_contents,
)
from catalog.trust.decision import RecordChoice, Verdict, floor_of
from catalog.trust.ownership import claim_names, finish_first_sync, next_tick, see_names
from catalog.trust.store import get_floor, raise_floor, refuse_record, show_above_floor
from catalog.trust.withheld import WithheldState, forget_withheld, get_withheld, withhold

_BATCH = 2000


@dataclass(frozen=True, slots=True)
class NewSnapshot:
    """The snapshot of a chosen record, all of whose releases can be read here.

    ``differences`` lead from the snapshot ``base`` to it; None where the catalogue is to be loaded whole. ``flooded``: too many
    contents changed, so the rest was not fetched. ``decided`` is what the user decided about this snapshot, if it was withheld.
    """

    choice: RecordChoice
    record: Record
    snapshot: Snapshot
    base: str | None
    differences: list[ReleaseDifference] | None
    flooded: bool
    decided: WithheldState | None
    sources: tuple[SourceUse, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken over: the changes, the conflicts among them, and what each source sent.

    ``withheld``: nothing was taken, because the snapshot changes the contents of too many releases.
    """

    snapshot: NewSnapshot
    changes: ChangeList | None
    conflicts: tuple[Conflict, ...] = ()
    withheld: WithheldState | None = None

    @property
    def fetched(self) -> int:
        return sum(use.size for use in self.snapshot.sources)


@dataclass(frozen=True, slots=True)
class Plan:
    """What `commit` writes. ``comparison`` is None where the user accepted all contents of the snapshot.

    ``prepared`` are the releases where the catalogue is loaded whole; else ``releases`` are those that changed.
    """

    update: IndexUpdate
    changes: ChangeList
    comparison: Comparison | None
    releases: tuple[Release, ...] = ()
    prepared: Prepared | None = None


def fetch_snapshot(
    home: Home, network: Network, check: RecordCheck, alias: str, *, deadline: float | None = None, progress: Progress
) -> NewSnapshot:
    """Bring the snapshot of the chosen record here, as far as it is read. Raise what reading a snapshot raises.

    ``deadline`` is the moment (`time.monotonic`) at which fetching ends, done or not; what was fetched stays for the next time.
    """
    choice, record = chosen(check)
    progress(Step("phase", f"Fetching the index of {alias}"))
    store = open_store(home, network, str(record.name))
    store.deadline = deadline
    shown = _shown_row(home, str(record.name))
    last = _open_last(home, shown)
    with home.trust.read() as connection:
        noted = get_withheld(connection, str(record.name))
    decided = noted.state if noted is not None and noted.floor == floor_of(record) else None
    snapshot = open_snapshot(record.snapshot_cid, store)
    flooded = decided in ("open", "refused")
    differences = None
    if last is not None and decided is None:
        differences = list(islice(diff_snapshots(last, snapshot), MAX_DIFFERENCES + 1))
        flooded = len(differences) > MAX_OPEN_CONFLICTS and _compare_differences(home, record, differences).flooded
        if len(differences) > MAX_DIFFERENCES and not flooded:
            differences = None
    if differences is None and not flooded:
        store.fetch_dag([snapshot.releases.cid], size=MAX_SNAPSHOT_SIZE, progress=progress)
        progress(Step("phase", f"Reading {snapshot.catalogue.releases} releases of {alias}"))
        snapshot = open_snapshot(snapshot.root, home.blocks)
    base = None if shown is None else shown.root
    return NewSnapshot(choice, record, snapshot, base, differences, flooded, decided, _uses(store))


def take_snapshot(
    home: Home,
    check: RecordCheck,
    new: NewSnapshot,
    alias: str,
    *,
    first: Callable[[Connection], None] | None = None,
    rank: int | None = None,
) -> Taken:
    """Show a fetched snapshot, and raise the floor to its record unless that is suspicious. The caller holds the sync lock.

    ``first`` works in the same transaction of the trust store, before anything else. ``rank`` is that of new names. When this
    raises, nothing has changed.
    """
    record = new.record
    shown = _shown_row(home, str(record.name))
    row = row_of(record, new.snapshot, alias, home.time if check.confirmed or shown is None else shown.checked)
    with _prepare(home, new, row) as plan:
        if plan is None:
            return Taken(new, None, withheld=_withhold(home, record, first))
        commit(home, plan, new.choice, record, first=first, rank=rank)
    local_records(home).put(record.name, record.encoded)
    conflicts = plan.comparison.conflicts if plan.comparison is not None else ()
    return Taken(new, plan.changes, tuple(conflicts))


def commit(
    home: Home,
    plan: Plan,
    choice: RecordChoice,
    record: Record,
    *,
    first: Callable[[Connection], None] | None = None,
    rank: int | None = None,
) -> None:
    """Write a plan: one transaction of the trust store, then the index."""
    catalogue = str(record.name)

    def trust(connection: Connection) -> None:
        if first is not None:
            first(connection)
        _take_floor(connection, choice, record)
        forget_withheld(connection, catalogue)
        tick = next_tick(connection)
        if plan.prepared is not None:
            _note_prepared(home, connection, plan, plan.prepared, rank, tick)
        else:
            note_names(connection, catalogue, plan.releases, rank, tick)
        if plan.comparison is None:
            forget_conflicts(connection, catalogue)
        else:
            note_contents(connection, plan.comparison, home.time)
        finish_first_sync(connection, catalogue)

    home.commit(plan.update, trust, prepared=plan.prepared)


def note_names(connection: Connection, catalogue: str, releases: Iterable[Release], rank: int | None, tick: int) -> None:
    """Note the names of new and changed releases of a followed catalogue."""
    some = list(releases)
    claim_names(connection, catalogue, sorted({release.name for release in some}), rank=rank)
    see_names(connection, catalogue, sorted({release.name for release in some if release.images}), tick)


def confirm_record(home: Home, check: RecordCheck, alias: str) -> None:
    """Note that what is held was confirmed, by a record of the same sequence that perhaps lives longer."""
    _, record = chosen(check)
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


def take_revocation(home: Home, check: RecordCheck, alias: str) -> None:
    """Take the last record of a name: it brings no data, what is held stays, and nothing is accepted after it."""
    choice, record = chosen(check)
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


def is_current(home: Home, new: NewSnapshot) -> bool:
    """Return whether the index still shows the snapshot that a fetched one was compared with."""
    shown = _shown_row(home, str(new.record.name))
    return (None if shown is None else shown.root) == new.base


def chosen(check: RecordCheck) -> tuple[RecordChoice, Record]:
    """Return the choice of a check, and its record; there must be one."""
    if check.choice is None or check.choice.record is None:
        raise ValueError("the check found no record")
    return check.choice, check.choice.record


@contextmanager
def _prepare(home: Home, new: NewSnapshot, row: CatalogueRow) -> Iterator[Plan | None]:
    """Compare, and load what is loaded whole without showing it; None where the snapshot is to be withheld."""
    if new.flooded:
        yield None
    elif new.differences is not None:
        yield _plan_differences(home, new, row, new.differences)
    else:
        comparison = None if new.decided == "accepted" else _compare_whole(home, new)
        if comparison is not None and comparison.flooded:
            yield None
            return
        changes = ChangeList(row.catalogue, home.time)
        changes.counts["synced"] = new.snapshot.catalogue.releases
        differing = () if comparison is None else comparison.conflicts
        with prepare_catalogue(home.index, snapshot_entries(row, home.blocks, differing)) as prepared:
            update = IndexUpdate(row.catalogue, row=row, changes=changes.history(), whole=True)
            yield Plan(update, changes, comparison, prepared=prepared)


def _plan_differences(home: Home, new: NewSnapshot, row: CatalogueRow, differences: list[ReleaseDifference]) -> Plan | None:
    comparison = _compare_differences(home, new.record, differences)
    if comparison.flooded:
        return None
    changes = ChangeList(row.catalogue, home.time)
    describe(changes, differences, comparison.conflicts)
    after = [difference.after for difference in differences if difference.after is not None]
    put = [keep_contents(release, comparison.conflicts) if comparison.conflicts else release for release in after]
    update = IndexUpdate(row.catalogue, row=row, releases=put, gone=_gone(differences), changes=changes.history())
    return Plan(update, changes, comparison, releases=tuple(after))


def _compare_differences(home: Home, record: Record, differences: list[ReleaseDifference]) -> Comparison:
    after = (difference.after for difference in differences if difference.after is not None)
    catalogue = str(record.name)
    with home.trust.read() as connection, home.index.read() as index:
        held = _held(index, catalogue)
        gone = _gone(differences)
        return compare_contents(connection, catalogue, after, home.time, held=held, gone=gone, most=MAX_OPEN_CONFLICTS)


def _compare_whole(home: Home, new: NewSnapshot) -> Comparison:
    """Compare all releases; their new contents are not kept in memory: `_note_prepared` takes them from the index."""
    catalogue = str(new.record.name)
    with home.trust.read() as connection:
        if not has_contents(connection, catalogue):
            return Comparison(catalogue)
        with home.index.read() as index:
            held = _held(index, catalogue)
            releases = new.snapshot.read()
            found = compare_contents(connection, catalogue, releases, home.time, held=held, whole=True, most=MAX_OPEN_CONFLICTS)
    return found


def _note_prepared(home: Home, connection: Connection, plan: Plan, prepared: Prepared, rank: int | None, tick: int) -> None:
    """Note contents and names of a catalogue that was loaded whole; current contents are replaced only where the user said so."""
    catalogue = plan.update.catalogue
    with home.index.read() as index:
        names = prepared.names(index)
        while some := list(islice(names, _BATCH)):
            claim_names(connection, catalogue, some, rank=rank)
        images = prepared.contents(index)
        while batch := list(islice(images, _BATCH)):
            if plan.comparison is None:
                accept_images(connection, catalogue, batch, home.time)
            else:
                see_first_contents(connection, catalogue, batch, home.time)
            see_names(connection, catalogue, dict.fromkeys(name for name, *_ in batch), tick)


def _withhold(home: Home, record: Record, first: Callable[[Connection], None] | None) -> WithheldState:
    with home.trust.write() as connection:
        if first is not None:
            first(connection)
        return withhold(connection, str(record.name), floor_of(record), home.time).state


def _take_floor(connection: Connection, choice: RecordChoice, record: Record) -> None:
    """Raise the floor, or show data above it; suspicious records that lost to a proper one are refused from now on."""
    catalogue = str(record.name)
    stored = get_floor(connection, catalogue)
    if choice.verdict is Verdict.SUSPICIOUS:
        show_above_floor(connection, catalogue, floor_of(record), record.encoded)
        return
    shown = stored.shown if stored is not None else None
    for refused in {floor_of(entry) for entry in choice.passed_over} | ({shown} if shown is not None else set()):
        refuse_record(connection, catalogue, refused)
    raise_floor(connection, catalogue, floor_of(record), record.encoded)


def _gone(differences: list[ReleaseDifference]) -> list[tuple[str, str]]:
    return [
        (difference.before.name, difference.before.version)
        for difference in differences
        if difference.after is None and difference.before is not None
    ]


def _held(index: Connection, catalogue: str) -> FindHeld:
    def find(name: str, version: str) -> Release | None:
        try:
            return get_release(index, catalogue, name, version)
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


def _uses(store: FetchingBlockstore) -> tuple[SourceUse, ...]:
    return store.fetch_many([]).sources
