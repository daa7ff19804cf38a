"""A sink and a source in one: blocks in a dictionary, checked on both sides."""

from collections.abc import Iterable, Iterator

from catalog.errors import BlockNotFoundError
from catalog.image.dag import FrameRef
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid, verify_block


class MemoryBlocks:
    """What `LayerWriter` writes to and `read_archive` reads from. ``compressed`` counts the frames that were made, not found."""

    def __init__(self, blocks: Iterable[Block] = ()) -> None:
        self.blocks: dict[Cid, bytes] = dict(blocks)
        self.frames: dict[bytes, FrameRef] = {}
        self.compressed = 0
        self.read: list[Cid] = []

    def find_frame(self, content_digest: bytes) -> FrameRef | None:
        return self.frames.get(content_digest)

    def put_frame(self, content_digest: bytes, block: Block) -> None:
        verify_block(*block)
        self.compressed += 1
        self.blocks[block.cid] = block.data
        self.frames[content_digest] = FrameRef(block.cid, len(block.data))

    def put_node(self, block: Block) -> None:
        verify_block(*block)
        self.blocks[block.cid] = block.data

    def get(self, cid: Cid) -> bytes:
        if cid not in self.blocks:
            raise BlockNotFoundError(f"no block {cid}")
        verify_block(cid, self.blocks[cid])
        self.read.append(cid)
        return self.blocks[cid]

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        for cid in dict.fromkeys(cids):
            if cid in self.blocks:
                yield Block(cid, self.get(cid))
