"""Fetching the snapshot of a chosen record, without any lock."""

from dataclasses import dataclass
from itertools import islice

from catalog.delivery import open_store
from catalog.errors import BlockNotFoundError, CatalogueNotFoundError
from catalog.followed.arriving import arriving_blocks
from catalog.followed.checking import RecordCheck
from catalog.followed.comparing import compare_differences
from catalog.home.home import Home
from catalog.index.subscriptions import CatalogueRow, get_catalogue
from catalog.ipld.cid import parse_cid
from catalog.ipns.record import Record
from catalog.limits import MAX_DIFFERENCES, MAX_OPEN_CONFLICTS, MAX_SNAPSHOT_SIZE
from catalog.model.text import format_count
from catalog.progress import Progress, Step
from catalog.snapshot.difference import ReleaseDifference, diff_snapshots
from catalog.snapshot.reader import Snapshot, open_snapshot
from catalog.sources.network import Network
from catalog.sources.store import FetchingBlockstore, SourceUse
from catalog.trust.decision import RecordChoice, Verdict, floor_of
from catalog.trust.store import get_floor
from catalog.trust.withheld import WithheldState, get_withheld


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


def fetch_snapshot(
    home: Home, network: Network, check: RecordCheck, alias: str, *, deadline: float | None = None, progress: Progress
) -> NewSnapshot:
    """Fetch the snapshot of the chosen record, as far as it is read. Raise what reading a snapshot raises.

    ``deadline`` is the moment (`time.monotonic`) at which fetching ends, done or not; what was fetched stays for the next time.
    """
    choice, record = chosen(check)
    progress(Step("phase", f"Fetching the index of {alias}"))
    store = open_store(home, network, str(record.name)).over(arriving_blocks(home))
    store.deadline = deadline
    store.expect([record.snapshot_cid])
    shown = shown_row(home, str(record.name))
    with home.trust.read() as connection:
        stored = get_floor(connection, str(record.name))
        noted = get_withheld(connection, str(record.name))
    undoes = stored is not None and stored.shown is not None and choice.verdict is not Verdict.SUSPICIOUS
    # After a suspicious snapshot all is compared: what did not change since then may be noted only as part of that one.
    last = None if undoes else _open_last(home, shown)
    decided = noted.state if noted is not None and noted.floor == floor_of(record) else None
    snapshot = open_snapshot(record.snapshot_cid, store)
    flooded = decided in ("open", "refused")
    differences = None
    if last is not None and decided is None:
        differences = list(islice(diff_snapshots(last, snapshot), MAX_DIFFERENCES + 1))
        flooded = len(differences) > MAX_OPEN_CONFLICTS and compare_differences(home, record, differences).flooded
        if len(differences) > MAX_DIFFERENCES and not flooded:
            differences = None
    if differences is None and not flooded:
        store.fetch_dag([snapshot.releases.cid], size=MAX_SNAPSHOT_SIZE, progress=progress)
        progress(Step("phase", f"Reading {format_count(snapshot.catalogue.releases, 'release')} of {alias}"))
        snapshot = open_snapshot(snapshot.root, store.local)
    base = None if shown is None else shown.root
    return NewSnapshot(choice, record, snapshot, base, differences, flooded, decided, _uses(store))


def is_current(home: Home, new: NewSnapshot) -> bool:
    """Return whether the index still shows the snapshot that a fetched one was compared with."""
    shown = shown_row(home, str(new.record.name))
    return (None if shown is None else shown.root) == new.base


def chosen(check: RecordCheck) -> tuple[RecordChoice, Record]:
    """Return the choice of a check, and its record; there must be one."""
    if check.choice is None or check.choice.record is None:
        raise ValueError("the check found no record")
    return check.choice, check.choice.record


def shown_row(home: Home, catalogue: str) -> CatalogueRow | None:
    """Return what the index shows of a catalogue; None where it shows none of it."""
    with home.index.read() as connection:
        try:
            return get_catalogue(connection, catalogue)
        except CatalogueNotFoundError:
            return None


def _open_last(home: Home, shown: CatalogueRow | None) -> Snapshot | None:
    """Open the snapshot that is shown, as far as it is here; None where there is none or it is not."""
    if shown is None or shown.root is None:
        return None
    try:
        return open_snapshot(parse_cid(shown.root), home.blocks)
    except BlockNotFoundError:
        return None


def _uses(store: FetchingBlockstore) -> tuple[SourceUse, ...]:
    return store.fetch_many([]).sources
