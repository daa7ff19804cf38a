"""Images as canonical archives, in memory."""

from collections.abc import Iterable, Iterator

from catalog.errors import BlockNotFoundError
from catalog.image.archive import read_export
from catalog.image.dag import FrameRef, LayerWriter, StoredArchive, build_archive
from catalog.image.export import Export
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid, verify_block
from tests.factory.images import SampleImage
from tests.factory.tars import pieces


class MemoryBlocks:
    """Blocks in a dictionary, verified when they are written and when they are read.

    `LayerWriter` writes to it and `read_archive` reads from it. ``compressed`` counts the frames that were made, not found.
    """

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


def read_images(data: bytes, blocks: MemoryBlocks, *, size: int = 64 * 1024, max_size: int = 1 << 30) -> Export:
    """Read an export in pieces of ``size`` bytes, and return what it holds."""
    return read_export(pieces(data, size), lambda: LayerWriter(blocks), max_size=max_size)


def store_export(data: bytes, blocks: MemoryBlocks, *, size: int = 64 * 1024) -> StoredArchive:
    """Store the one image of an export as its archive."""
    image = read_images(data, blocks, size=size).choose()
    return build_archive(image.config, list(image.layers), blocks)


def store_image(image: SampleImage, blocks: MemoryBlocks) -> StoredArchive:
    """Store an image as its archive, without an export around it."""
    layers = []
    for layer in image.layers:
        writer = LayerWriter(blocks)
        for piece in pieces(layer):
            writer.feed(piece)
        layers.append(writer.finish())
    return build_archive(image.config, layers, blocks)
