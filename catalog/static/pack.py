"""Packs: blocks of many snapshots joined in one file, and the index that says where each stands.

The index is, for each block in the order of the pack, its CID (36 bytes) and its size as a minimal varint. It is read whole; the
pack is read by ranges.
"""

from collections.abc import Iterable, Iterator

from catalog.errors import CidError, CodecError
from catalog.ipld.block import Block
from catalog.ipld.cid import decode_cid_prefix
from catalog.ipld.varint import decode_varint, encode_varint
from catalog.limits import MAX_BLOCK_SIZE
from catalog.static.spans import Span


def encode_index(blocks: Iterable[Block]) -> bytes:
    """Return the index of a pack that holds these blocks in this order."""
    return b"".join(block.cid.binary + encode_varint(len(block.data)) for block in blocks)


def decode_index(data: bytes, size: int) -> Iterator[Span]:
    """Yield the blocks of a pack of ``size`` bytes; raise `CodecError` for a malformed index, or one of another pack."""
    place = offset = 0
    while place < len(data):
        try:
            cid, place = decode_cid_prefix(data, place)
        except CidError as error:
            raise CodecError("the index of a pack is malformed", why=error.message) from error
        length, place = decode_varint(data, place)
        if length > MAX_BLOCK_SIZE:
            raise CodecError(f"a pack with a block of {length} bytes", why=f"at most {MAX_BLOCK_SIZE} are read")
        yield Span(cid, offset, length)
        offset += length
    if offset != size:
        raise CodecError(f"the index of a pack is about {offset} bytes, not {size}")
