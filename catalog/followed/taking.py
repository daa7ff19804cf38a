"""Taking over a chosen record: its snapshot's releases are shown, with everything that must be remembered.

Three steps:

1. `catalog.followed.fetching`: all blocks of the releases are brought here and read, without any lock.
2. `catalog.followed.comparing`: the releases are compared with the contents they were seen with; only reads, under the sync lock.
3. `commit`: one transaction of the trust store takes floor, contents and names; then the index takes the releases.

Few changes are put row by row; a first sync, or very many changes, load the catalogue again, which readers see all at once. A
snapshot that changes the contents of too many releases is withheld: it becomes one question to the user.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice

from sqlalchemy import Connection

from catalog.followed.arriving import keep_arrived
from catalog.followed.changes import ChangeList, describe
from catalog.followed.checking import RecordCheck
from catalog.followed.comparing import compare_differences, compare_whole, gone_keys
from catalog.followed.fetching import NewSnapshot, chosen, shown_row
from catalog.followed.undoing import row_as_of, show_accepted
from catalog.home.home import Home
from catalog.home.records import local_records
from catalog.index.loading import Prepared, prepare_catalogue
from catalog.index.subscriptions import CatalogueRow
from catalog.index.update import IndexUpdate, snapshot_entries
from catalog.ipns.record import Record, check_record
from catalog.model.release import Release, format_time
from catalog.snapshot.difference import ReleaseDifference
from catalog.snapshot.reader import Snapshot
from catalog.trust.comparison import Comparison, note_contents
from catalog.trust.conflicts import Conflict, forget_conflicts, keep_contents
from catalog.trust.contents import accept_images, see_contents
from catalog.trust.decision import RecordChoice, Verdict, floor_of
from catalog.trust.ownership import claim_names, finish_first_sync, next_tick, see_names
from catalog.trust.provisional import drop_provisional, mark_time
from catalog.trust.store import get_floor, raise_floor, refuse_record, show_above_floor
from catalog.trust.withheld import WithheldState, forget_withheld, withhold

_BATCH = 2000


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
    shown = shown_row(home, str(record.name))
    row = row_of(record, new.snapshot, alias, home.time if check.confirmed or shown is None else shown.checked)
    with _prepare(home, new, row) as plan:
        if plan is None:
            return Taken(new, None, withheld=_withhold(home, record, first))
        keep_arrived(home, new.snapshot.root)
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
    suspicious = choice.verdict is Verdict.SUSPICIOUS
    at = mark_time(home.time) if suspicious else home.time

    def trust(connection: Connection) -> None:
        if first is not None:
            first(connection)
        _take_floor(connection, choice, record)
        forget_withheld(connection, catalogue)
        tick = next_tick(connection)
        if plan.prepared is not None:
            _note_prepared(home, connection, plan, plan.prepared, rank, tick, at)
        else:
            note_names(connection, catalogue, plan.releases, rank, tick)
        if plan.comparison is None:
            forget_conflicts(connection, catalogue)
        else:
            if suspicious:
                plan.comparison.completed.clear()  # they would become part of contents that were seen before
            note_contents(connection, plan.comparison, at)
        finish_first_sync(connection, catalogue)

    home.commit(plan.update, trust, prepared=plan.prepared)


def note_names(connection: Connection, catalogue: str, releases: Iterable[Release], rank: int | None, tick: int) -> None:
    """Note the names of new and changed releases of a followed catalogue; a name without any image is claimed by nobody."""
    names = sorted({release.name for release in releases if release.images})
    claim_names(connection, catalogue, names, rank=rank)
    see_names(connection, catalogue, names, tick)


def confirm_record(home: Home, check: RecordCheck, alias: str) -> None:
    """Note that what is held was confirmed, by a record of the same sequence that perhaps lives longer."""
    _, record = chosen(check)
    shown = shown_row(home, str(record.name))
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
    """Take the last record of a name: it brings no data, what was accepted stays, and nothing is accepted after it.

    A suspicious snapshot was not accepted: the one before it is shown again.
    """
    choice, record = chosen(check)
    shown = shown_row(home, str(record.name)) or CatalogueRow(str(record.name), alias=alias)
    row = replace(row_as_of(shown, record), alias=alias, checked=home.time)

    def trust(connection: Connection) -> None:
        _take_floor(connection, choice, record)

    stored = check.stored
    if stored is not None and stored.shown is not None and stored.record is not None:
        show_accepted(home, row, check_record(record.name, stored.record), trust)
    else:
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


@contextmanager
def _prepare(home: Home, new: NewSnapshot, row: CatalogueRow) -> Iterator[Plan | None]:
    """Compare, and load what is loaded whole without showing it; None where the snapshot is to be withheld."""
    if new.flooded:
        yield None
    elif new.differences is not None:
        yield _plan_differences(home, new, row, new.differences)
    else:
        comparison = (
            None
            if new.decided == "accepted"
            else compare_whole(home, new.record, new.snapshot.read(), settled=new.choice.verdict is not Verdict.SUSPICIOUS)
        )
        if comparison is not None and comparison.flooded:
            yield None
            return
        changes = ChangeList(row.catalogue, home.time)
        changes.counts["synced"] = new.snapshot.catalogue.releases
        differing = () if comparison is None else comparison.conflicts
        with prepare_catalogue(home.index, snapshot_entries(row, new.snapshot.source, differing)) as prepared:
            update = IndexUpdate(row.catalogue, row=row, changes=changes.history(), whole=True)
            yield Plan(update, changes, comparison, prepared=prepared)


def _plan_differences(home: Home, new: NewSnapshot, row: CatalogueRow, differences: list[ReleaseDifference]) -> Plan | None:
    comparison = compare_differences(home, new.record, differences)
    if comparison.flooded:
        return None
    changes = ChangeList(row.catalogue, home.time)
    describe(changes, differences, comparison.conflicts)
    after = [difference.after for difference in differences if difference.after is not None]
    put = [keep_contents(release, comparison.conflicts) if comparison.conflicts else release for release in after]
    update = IndexUpdate(row.catalogue, row=row, releases=put, gone=gone_keys(differences), changes=changes.history())
    return Plan(update, changes, comparison, releases=tuple(after))


def _note_prepared(
    home: Home, connection: Connection, plan: Plan, prepared: Prepared, rank: int | None, tick: int, at: str
) -> None:
    """Note contents and names of a catalogue that was loaded whole; current contents are replaced only where the user said so."""
    catalogue = plan.update.catalogue
    with home.index.read() as index:
        images = prepared.contents(index)
        while batch := list(islice(images, _BATCH)):
            names = list(dict.fromkeys(name for name, *_ in batch))
            claim_names(connection, catalogue, names, rank=rank)
            see_names(connection, catalogue, names, tick)
            if plan.comparison is None:
                accept_images(connection, catalogue, batch, at)
            else:
                see_contents(connection, catalogue, batch, at)


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
    if shown is not None:
        drop_provisional(connection, catalogue)
    for refused in {floor_of(entry) for entry in choice.passed_over} | ({shown} if shown is not None else set()):
        refuse_record(connection, catalogue, refused)
    raise_floor(connection, catalogue, floor_of(record), record.encoded)
