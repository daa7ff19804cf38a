"""What a store holds of an archive: all of it, or what is missing."""

from collections.abc import Iterable, Iterator
from itertools import islice

from catalog.errors import BlockMismatchError, BlockNotFoundError
from catalog.image.walk import WalkedBlock, walk
from catalog.ipld.block import Blockstore
from catalog.ipld.cid import Cid

_LEAVES_A_QUERY = 2000


def blocks_of(archives: Iterable[Cid], store: Blockstore) -> Iterator[WalkedBlock]:
    """Give each distinct block of the archives once. Raises `BlockNotFoundError` where an inner node is absent."""
    seen: set[bytes] = set()
    for archive_cid in archives:
        for block in walk(archive_cid, store):
            if block.cid.digest not in seen:
                seen.add(block.cid.digest)
                yield block


def is_whole(archive_cid: Cid, store: Blockstore) -> bool:
    """Tell whether every block of an archive is here; leaves are looked up, not read."""
    try:
        blocks = walk(archive_cid, store)
        while some := [block.cid for block in islice(blocks, _LEAVES_A_QUERY)]:
            if store.missing(some):
                return False
    except (BlockNotFoundError, BlockMismatchError):
        return False
    return True
