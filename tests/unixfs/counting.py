"""A block source that remembers what was asked of it."""

from collections.abc import Iterable, Iterator

from catalog.blockstores.memory import MemoryBlockstore
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid


class CountingSource(MemoryBlockstore):
    """Keeps every block that is put into it, and counts what is read: ``read`` CIDs in order, and ``requests`` for them."""

    def __init__(self, blocks: Iterable[Block] = ()) -> None:
        super().__init__(blocks)
        self.read: list[Cid] = []
        self.requests = 0

    def keep(self, block: Block) -> None:
        """Take a block from a builder."""
        self.put(*block)

    def reset(self) -> None:
        self.read.clear()
        self.requests = 0

    def get(self, cid: Cid) -> bytes:
        self.requests += 1
        self.read.append(cid)
        return super().get(cid)

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        self.requests += 1
        for cid in dict.fromkeys(cids):
            if self.has(cid):
                self.read.append(cid)
                yield Block(cid, super().get(cid))
