"""Deleting what a refused snapshot brought: its blocks would lie in the store, and be served, until the next `gc`."""

from collections.abc import Iterable

from catalog.blockstores.leasing import COLLECTING, refuse_others, sweep
from catalog.errors import LockedError
from catalog.home.home import Home
from catalog.home.roots import Root, list_roots, mark
from catalog.ipld.cid import Cid


def delete_refused(home: Home, snapshots: Iterable[Cid]) -> int:
    """Delete the blocks under refused snapshots that nothing which this home keeps links; return how many.

    Nothing is deleted while another command runs that may rely on a block: they are garbage then, and `gc` deletes them.
    """
    try:
        with home.lease(COLLECTING) as own:
            refuse_others(home.blocks, home.now, own)
            found: set[bytes] = set()
            brought = [cid for root in snapshots for cid in mark(Root(root, "refused", ""), home.blocks, found)]
            brought = list(home.blocks.sizes(brought))
            if not brought:
                return 0
            kept: set[bytes] = set()
            for root in list_roots(home):
                for _ in mark(root, home.blocks, kept):
                    pass
            return sweep(home.blocks, [cid for cid in brought if cid.digest not in kept], home.now, own=own)
    except LockedError:
        return 0
