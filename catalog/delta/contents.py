"""The contents of an archive's blocks, from which deltas are made: a leaf's inflated frame, or a node's own bytes.

Source: docs/formats/delta.md, section 1.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from catalog.errors import BlockNotFoundError
from catalog.image.encoder import frame_content_size, inflate_frame
from catalog.ipld.block import Block, BlockSource
from catalog.ipld.cid import RAW, Cid

_READ_AHEAD: Final = 32  # blocks of one request; each has at most 514 KiB


def content_size(block: Block) -> int:
    """Return the size of a block's content; nothing is inflated.

    Raise `VerificationError` for a leaf that is not a stored frame.
    """
    return frame_content_size(block.data) if block.cid.codec == RAW else len(block.data)


def content_of(block: Block) -> bytes:
    """Return a block's content."""
    return inflate_frame(block.data) if block.cid.codec == RAW else block.data


def read_blocks(cids: Sequence[Cid], source: BlockSource) -> Iterator[Block]:
    """Yield the blocks in their order, fetched a few at a time; raise `BlockNotFoundError` at the first that is absent."""
    for start in range(0, len(cids), _READ_AHEAD):
        wanted = cids[start : start + _READ_AHEAD]
        found = dict(source.get_many(wanted))
        for cid in wanted:
            if cid not in found:
                raise BlockNotFoundError(f"block {cid} is not here")
            yield Block(cid, found[cid])
