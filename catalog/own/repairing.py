"""Finding and repairing snapshots that lost blocks, or whose blocks no longer match their CIDs."""

from dataclasses import dataclass

from catalog.delivery import open_store
from catalog.errors import CodecError, UnavailableError, VerificationError
from catalog.home.home import Home
from catalog.home.roots import Root, mark
from catalog.index.subscriptions import list_catalogues
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import Cid, parse_cid
from catalog.ipns.name import parse_ipns_name
from catalog.ipns.record import check_record
from catalog.own.share import renew_own_snapshot
from catalog.progress import Progress, Step, silent
from catalog.snapshot.reader import open_snapshot
from catalog.snapshot.writer import has_canonical_tree
from catalog.sources.network import Network
from catalog.sources.store import FetchingBlockstore
from catalog.trust.store import get_floor


@dataclass(frozen=True, slots=True)
class DamagedSnapshot:
    """The newest snapshot of a catalogue, incomplete; ``shown`` says that the index has its releases nevertheless."""

    catalogue: str
    label: str
    root: Cid
    own: bool
    shown: bool


def find_damaged_snapshots(home: Home) -> list[DamagedSnapshot]:
    """Return the newest snapshots that are incomplete in this home, or that the index does not show.

    A followed snapshot needs its releases only, the own one also the directories of its images. A block that no longer matches its
    CID counts as missing once the store has noticed.
    """
    return [found for found in _list_snapshots(home) if not found.shown or not _is_whole(found, home)]


def repair_snapshots(home: Home, network: Network, progress: Progress = silent) -> None:
    """Fetch the missing blocks of snapshots, and have the index show them."""
    incomplete = False
    for found in find_damaged_snapshots(home):
        store = open_store(home, network, found.catalogue)
        if not _is_readable(found.root, store):  # the store keeps every block that it fetches
            progress(Step("warning", f"the snapshot of {found.label} is incomplete, and no source has the rest"))
            continue
        if found.own:
            _fetch_directories(found.root, store)
        incomplete = incomplete or not found.shown
    if incomplete:
        home.rebuild_index()


def renew_damaged_snapshot(home: Home, network: Network, progress: Progress = silent) -> None:
    """Write and sign a successor of the own snapshot, if that is still incomplete and the index has its releases.

    Raise `UnavailableError` where the root of an archive is neither in this home nor at a source.
    """
    if any(found.own and found.shown for found in find_damaged_snapshots(home)):
        renew_own_snapshot(home, network, progress=progress)


def find_uncanonical_snapshot(home: Home) -> Cid | None:
    """Return the root of the own newest snapshot if it is whole, but its releases' tree is not the one that a whole build gives.

    It is read and followed as any other, but another home of the same releases has another root.
    """
    for found in _list_snapshots(home):
        if found.own and found.shown and _is_whole(found, home):
            return None if has_canonical_tree(open_snapshot(found.root, home.blocks)) else found.root
    return None


def renew_uncanonical_snapshot(home: Home, network: Network, progress: Progress = silent) -> None:
    """Where the own snapshot's tree is not canonical, write the snapshot anew from the index and sign it.

    Every archive's root has to be here, or at a source: raises `UnavailableError` otherwise.
    """
    if find_uncanonical_snapshot(home) is not None:
        renew_own_snapshot(home, network, progress=progress)


def _list_snapshots(home: Home) -> list[DamagedSnapshot]:
    found = []
    with home.index.read() as index, home.trust.read() as trust:
        for row in list_catalogues(index):
            if row.root is not None:
                found.append(DamagedSnapshot(row.catalogue, row.label, parse_cid(row.root), row.own, shown=True))
                continue
            held = get_floor(trust, row.catalogue)
            encoded = None if held is None else held.shown_record or held.record
            if encoded is not None and not (record := check_record(parse_ipns_name(row.catalogue), encoded)).revoked:
                found.append(DamagedSnapshot(row.catalogue, row.label, record.snapshot_cid, row.own, shown=False))
    return found


def _is_whole(found: DamagedSnapshot, home: Home) -> bool:
    if not _is_readable(found.root, home.blocks):
        return False
    try:
        return not found.own or not home.blocks.missing(list(mark(Root(found.root, "snapshot", ""), home.blocks, set())))
    except VerificationError:
        return False


def _is_readable(root: Cid, source: BlockSource) -> bool:
    try:
        for _ in open_snapshot(root, source).read():
            pass
    except (UnavailableError, VerificationError):
        return False
    return True


def _fetch_directories(root: Cid, store: FetchingBlockstore) -> None:
    try:
        store.fetch_many(list(mark(Root(root, "snapshot", ""), store, set())))
    except (UnavailableError, CodecError):
        return  # its successor is written instead
