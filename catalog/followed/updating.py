"""Updating followed catalogues: all are asked for and fetched at once, and whichever is ready is taken.

Fetching needs no lock, so a slow catalogue holds up no other one; taking holds the sync lock of the home, and so does fetching for
an update that other commands came before again and again. New names rank in the order of subscription, whatever the order in which
catalogues are ready.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from queue import Empty, Queue
from threading import Lock, Thread
from time import monotonic
from typing import Literal

from sqlalchemy import Connection

from catalog.errors import CatalogueNotFoundError, DcatError, LockedError, RecordError, RollbackError, VerificationError
from catalog.followed.arriving import tidy_arriving
from catalog.followed.changes import ChangeList
from catalog.followed.checking import RecordCheck, ask_for_record, keep_sightings
from catalog.followed.fetching import NewSnapshot, chosen, fetch_snapshot, is_current, shown_row
from catalog.followed.offering import offer_record
from catalog.followed.taking import Taken, confirm_record, take_revocation, take_snapshot
from catalog.home.home import Home
from catalog.index.subscriptions import freshness_of, get_catalogue
from catalog.ipld.cid import Cid
from catalog.ipns.name import IpnsName, parse_ipns_name
from catalog.ipns.record import Record
from catalog.limits import FETCHES_AT_ONCE, FOLLOWED_BUDGET
from catalog.progress import Progress, Step, silent
from catalog.sources.network import Network
from catalog.trust.conflicts import Conflict
from catalog.trust.decision import Verdict, floor_of
from catalog.trust.ownership import Subscription, get_subscription, reserve_ranks
from catalog.trust.store import get_floor

State = Literal["new", "updated", "unchanged", "suspicious", "withheld", "revoked", "failed"]
_ATTEMPTS = 5  # of one update, while other commands change the same catalogue
_LOCKED_BUDGET = 60.0  # for the one after these, which all others wait for: most blocks came before


@dataclass(frozen=True, slots=True)
class Update:
    """The result for one followed catalogue.

    ``error`` says why it failed: nothing has changed then. ``warnings`` name sources that sent wrong data, and say where the clock
    looks wrong, ``equivocations`` two values for one sequence. ``record`` is the one in force now, None where nothing was ever
    accepted; for a withheld snapshot it is the record of that. ``refused`` is the root of a snapshot that is not valid; its blocks
    were deleted.
    """

    catalogue: str
    alias: str
    state: State
    record: Record | None = None
    changes: ChangeList | None = None
    conflicts: tuple[Conflict, ...] = ()
    releases: int = 0
    fetched: int = 0
    successor: IpnsName | None = None
    warnings: tuple[str, ...] = ()
    equivocations: tuple[RollbackError, ...] = ()
    error: DcatError | None = None
    refused: Cid | None = None


def update_followed(
    home: Home, network: Network, subscriptions: Sequence[Subscription], *, progress: Progress = silent
) -> list[Update]:
    """Update followed catalogues; return the updates in the order of subscription."""
    ordered = sorted(subscriptions, key=lambda subscription: subscription.position)
    ranks: Mapping[str, int] = {}
    if len(ordered) > 1:
        with home.trust.write() as connection:
            ranks = reserve_ranks(connection, [subscription.catalogue for subscription in ordered])
    updates: dict[str, Update] = {}
    with home.lease("sync"), _asking(home, network, ordered, _one_at_a_time(progress)) as ready:
        for subscription, check, fetched in ready:
            keep_sightings(home, check)
            rank = ranks.get(subscription.catalogue)
            doubts = _doubt_clock(home, subscription.catalogue)
            update = _finish(home, network, check, subscription.alias, fetched, rank=rank)
            updates[subscription.catalogue] = replace(update, warnings=(*doubts, *update.warnings))
    tidy_arriving(home, [update.refused for update in updates.values() if update.refused is not None])
    return [updates[subscription.catalogue] for subscription in ordered]


def update_one(
    home: Home,
    network: Network,
    check: RecordCheck,
    alias: str,
    *,
    first: Callable[[Connection], None] | None = None,
    progress: Progress = silent,
) -> Update:
    """Take over the result of a check. Failures of sources and publishers are not raised: they are the ``error`` of the update."""
    keep_sightings(home, check)
    with home.lease(f"sync {alias}"):
        fetched = _fetch(home, network, check, alias, None, progress)
        update = _finish(home, network, check, alias, fetched, first=first, progress=progress)
    tidy_arriving(home, [update.refused] if update.refused is not None else [])
    return update


_Fetched = NewSnapshot | DcatError | None


@contextmanager
def _asking(
    home: Home, network: Network, subscriptions: Sequence[Subscription], progress: Progress
) -> Iterator[Iterator[tuple[Subscription, RecordCheck, _Fetched]]]:
    """Ask for the records of catalogues and fetch their snapshots, side by side; yield an iterator over those that are ready."""
    waiting = deque(subscriptions)
    done: Queue[tuple[Subscription, RecordCheck, _Fetched] | BaseException] = Queue()

    def work() -> None:
        with suppress(IndexError):
            while True:
                subscription = waiting.popleft()
                try:
                    check = ask_for_record(home, network, parse_ipns_name(subscription.catalogue))
                    deadline = monotonic() + FOLLOWED_BUDGET
                    done.put((subscription, check, _fetch(home, network, check, subscription.alias, deadline, progress)))
                except BaseException as error:
                    done.put(error)

    def ready() -> Iterator[tuple[Subscription, RecordCheck, _Fetched]]:
        left = len(subscriptions)
        while left:
            some = [done.get()]
            with suppress(Empty):
                while True:
                    some.append(done.get_nowait())
            left -= len(some)
            for entry in some:
                if isinstance(entry, BaseException):
                    raise entry
            yield from sorted((entry for entry in some if isinstance(entry, tuple)), key=lambda entry: entry[0].position)

    # Daemons, which nobody waits for: after Ctrl-C the command ends at once, and a home survives an end at any moment.
    for _ in range(min(len(waiting), FETCHES_AT_ONCE)):
        Thread(target=work, name="follow", daemon=True).start()
    try:
        yield ready()
    except BaseException:
        waiting.clear()
        for source in network.sources:
            source.abort()
        raise


def _fetch(home: Home, network: Network, check: RecordCheck, alias: str, deadline: float | None, progress: Progress) -> _Fetched:
    """Fetch the snapshot of a check where one is to be taken; return the failure where that fails."""
    if not _brings_snapshot(home, check):
        return None
    try:
        return fetch_snapshot(home, network, check, alias, deadline=deadline, progress=progress)
    except DcatError as error:
        return error


def _finish(
    home: Home,
    network: Network,
    check: RecordCheck,
    alias: str,
    fetched: _Fetched,
    *,
    first: Callable[[Connection], None] | None = None,
    rank: int | None = None,
    progress: Progress = silent,
) -> Update:
    """Take what was fetched. Where another command changed the catalogue meanwhile, ask and fetch again.

    The last time that holds the lock throughout, so that no other command can come first once more.
    """

    def again(deadline: float | None = None) -> tuple[RecordCheck, _Fetched]:
        newer = ask_for_record(home, network, check.name)
        return newer, _fetch(home, network, newer, alias, deadline, progress)

    try:
        for _ in range(_ATTEMPTS):
            with home.lock("sync"):
                update = _take_unchanged(home, check, alias, fetched, first, rank)
            if update is not None:
                break
            check, fetched = again()
        else:
            with home.lock("sync"):
                check, fetched = again(monotonic() + _LOCKED_BUDGET)
                update = _take_unchanged(home, check, alias, fetched, first, rank)
            if update is None:
                raise LockedError(f"the catalogue {alias} could not be updated", why="other commands change it all the time")
    except DcatError as error:
        return Update(str(check.name), alias, "failed", error=error, refused=_find_refused(check, error))
    if update.state != "failed" and (refused := offer_record(home, network, check.name)):
        return replace(update, warnings=(*update.warnings, refused))
    return update


def _take_unchanged(
    home: Home,
    check: RecordCheck,
    alias: str,
    fetched: _Fetched,
    first: Callable[[Connection], None] | None,
    rank: int | None,
) -> Update | None:
    """Take what was fetched; return None where the catalogue changed since the check. The caller holds the sync lock."""
    if isinstance(fetched, DcatError):
        raise fetched
    if first is None:
        _check_followed(home, check.name, alias)
    if not _is_unchanged(home, check) or (fetched is not None and not is_current(home, fetched)):
        return None
    return _take(home, check, alias, fetched, first, rank)


def _doubt_clock(home: Home, catalogue: str) -> tuple[str, ...]:
    """Return that the clock looks wrong, if it does: a sync notes its time as the one at which what is new was first seen."""
    row = shown_row(home, catalogue)
    freshness = None if row is None else freshness_of(row, home.now)
    return (freshness.text,) if freshness is not None and freshness.age == "clock looks wrong" else ()


def _find_refused(check: RecordCheck, error: DcatError) -> Cid | None:
    """Return the root of a snapshot that is not valid; one that could not be fetched is not refused."""
    record = check.choice.record if check.choice is not None else None
    if record is None or not isinstance(error, VerificationError):
        return None
    try:
        return record.snapshot_cid
    except RecordError:  # the record points to no snapshot at all
        return None


def _take(
    home: Home,
    check: RecordCheck,
    alias: str,
    fetched: NewSnapshot | None,
    first: Callable[[Connection], None] | None,
    rank: int | None,
) -> Update:
    name = str(check.name)
    if check.choice is None or check.choice.record is None:
        return Update(name, alias, "failed", error=check.error)
    choice, record = chosen(check)
    equivocations = choice.conflicts
    if fetched is not None:
        taken = take_snapshot(home, check, fetched, alias, first=first, rank=rank)
        return _describe(check, alias, taken)
    if choice.verdict is Verdict.REVOKED:
        take_revocation(home, check, alias)
        return Update(name, alias, "revoked", record, successor=record.successor, equivocations=equivocations)
    if choice.verdict is Verdict.SAME and (record.revoked or _shows(home, record)):
        confirm_record(home, check, alias)
        state: State = "revoked" if record.revoked else "unchanged"
        successor = record.successor if record.revoked else None
        return Update(name, alias, state, record, successor=successor, equivocations=equivocations)
    return Update(name, alias, "suspicious", record, equivocations=equivocations)


def _brings_snapshot(home: Home, check: RecordCheck) -> bool:
    """Return whether a check found a record whose snapshot is to be taken."""
    if check.choice is None or check.choice.record is None or check.choice.verdict is Verdict.REVOKED:
        return False
    record, verdict = check.choice.record, check.choice.verdict
    if record.revoked or (verdict is Verdict.SAME and _shows(home, record)):
        return False
    shown = check.stored.shown if check.stored is not None else None
    if verdict is Verdict.SUSPICIOUS and shown == floor_of(record) and _shows(home, record):
        return False  # any other one is noted, although its snapshot may be shown already: the user is asked about it
    # A late source must not decide what the user was asked about.
    return verdict is not Verdict.SAME or shown is None


def _check_followed(home: Home, name: IpnsName, alias: str) -> None:
    """Raise `CatalogueNotFoundError` where a catalogue was unsubscribed from while it was fetched."""
    with home.trust.read() as connection:
        if get_subscription(connection, str(name)).since is None:
            raise CatalogueNotFoundError(f'the catalogue "{alias}" is no longer followed', why="it was unsubscribed from meanwhile")


def _is_unchanged(home: Home, check: RecordCheck) -> bool:
    """Return whether the floor is still the one that a check was made with."""
    with home.trust.read() as connection:
        return get_floor(connection, str(check.name)) == check.stored


def _shows(home: Home, record: Record) -> bool:
    """Return whether the index shows the record's snapshot already."""
    try:
        with home.index.read() as connection:
            return get_catalogue(connection, str(record.name)).root == str(record.snapshot_cid)
    except DcatError:
        return False


def _describe(check: RecordCheck, alias: str, taken: Taken) -> Update:
    choice, record = chosen(check)
    state: State = "suspicious" if choice.verdict is Verdict.SUSPICIOUS else "new" if check.stored is None else "updated"
    if taken.withheld is not None:
        state = "withheld"
    lies = tuple(
        f"{use.name} sent what was not asked for or does not match; it was dropped ({use.failure})"
        for use in taken.snapshot.sources
        if use.lied
    )
    return Update(
        str(check.name),
        alias,
        state,
        record,
        taken.changes,
        taken.conflicts,
        taken.snapshot.snapshot.catalogue.releases,
        taken.fetched,
        warnings=lies,
        equivocations=choice.conflicts,
    )


def _one_at_a_time(progress: Progress) -> Progress:
    """Return a progress that several threads may call."""
    lock = Lock()

    def tell(step: Step) -> None:
        with lock:
            progress(step)

    return tell
