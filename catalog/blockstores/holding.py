"""Whether a store holds all of an archive."""

from itertools import islice

from catalog.errors import BlockMismatchError, BlockNotFoundError
from catalog.image.walk import walk
from catalog.ipld.block import Blockstore
from catalog.ipld.cid import Cid

_LEAVES_A_QUERY = 2000


def is_whole(archive_cid: Cid, store: Blockstore) -> bool:
    """Return whether every block of an archive is here; leaves are looked up, not read."""
    try:
        blocks = walk(archive_cid, store)
        while some := [block.cid for block in islice(blocks, _LEAVES_A_QUERY)]:
            if store.missing(some):
                return False
    except (BlockNotFoundError, BlockMismatchError):
        return False
    return True
