"""Blocks of indexes under way: they are kept apart, in ``arriving.sqlite``, until the snapshot that they belong to is taken over.

They match their CIDs, but those are a publisher's word: what it calls its index may be anything, a private file of this user's Kubo
node for example. They are stored as they come, so that an interrupted sync continues where it stopped; the server reads the home's
other store only, so nobody is shown them meanwhile. What a refused snapshot brought is deleted; what is left of a fetch that failed
stays for the next one, until `gc`.
"""

from collections.abc import Collection
from contextlib import suppress

from catalog.blockstores.leasing import COLLECTING, Lease, refuse_others, sweep
from catalog.blockstores.staging import StagedBlockstore
from catalog.errors import LockedError, StorageError
from catalog.home.home import ARRIVING_FILE, Home
from catalog.home.roots import Root, mark
from catalog.ipld.cid import Cid
from catalog.limits import MAX_ARRIVING


def arriving_blocks(home: Home) -> StagedBlockstore:
    """Return the home's blocks over which an index is fetched: what is put is kept apart."""
    return StagedBlockstore(home.arriving, home.blocks)


def keep_arrived(home: Home, snapshot: Cid) -> None:
    """Move what arrived of a snapshot that was read whole to the home's blocks; durable when this returns."""
    store = arriving_blocks(home)
    arrived = list(home.arriving.sizes(mark(Root(snapshot, "snapshot", ""), store, set())))
    if arrived:
        store.accept(arrived)
        with suppress(StorageError):  # a full disk: they are in both stores until `gc`
            home.arriving.delete(arrived)


def tidy_arriving(home: Home, refused: Collection[Cid]) -> None:
    """Delete what arrived of refused snapshots, and everything if fetches that failed have left too much.

    Nothing is deleted while another command runs that may rely on a block: they are garbage then, and `gc` deletes them.
    """
    file = home.path / ARRIVING_FILE
    is_large = file.exists() and file.stat().st_size > MAX_ARRIVING
    if not refused and not is_large:
        return
    with suppress(LockedError), home.lease(COLLECTING) as own:
        refuse_others(home.blocks, home.now, own)
        if is_large:
            delete_arriving(home, own)
            return
        found: set[bytes] = set()
        store = arriving_blocks(home)
        brought = [cid for root in refused for cid in mark(Root(root, "refused", ""), store, found)]
        sweep(home.blocks, home.arriving.sizes(brought), home.now, own=own, beside=home.arriving)


def count_arriving(home: Home) -> tuple[int, int]:
    """Return the number and total size of the blocks of indexes that were not taken over."""
    if not (home.path / ARRIVING_FILE).exists():
        return 0, 0
    size = home.arriving.size()
    return size.blocks, size.bytes


def delete_arriving(home: Home, own: Lease) -> None:
    """Delete the blocks of all indexes that were not taken over, under a lease for collecting; raise as `sweep` does."""
    if (home.path / ARRIVING_FILE).exists():
        sweep(home.blocks, home.arriving.cids(), home.now, own=own, beside=home.arriving)
