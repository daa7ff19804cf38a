"""The order of an archive's blocks: depth first, a node before its children, links in order, each block at its first position."""

from collections.abc import Iterator
from typing import NamedTuple

from catalog.errors import CodecError
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import RAW, Cid
from catalog.limits import MAX_DAG_DEPTH
from catalog.unixfs.file import FileLink, decode_file_node


class WalkedBlock(NamedTuple):
    """A block of a file's DAG; ``size`` is that of the block itself."""

    cid: Cid
    size: int
    is_leaf: bool


def walk(cid: Cid, source: BlockSource) -> Iterator[WalkedBlock]:
    """Yield the distinct blocks of a UnixFS file's DAG (an archive or a layer's sub-DAG) in the order of docs/formats/delta.md,
    section 1.

    Reads inner nodes only; raw leaves are not read and may be absent, except a root that is one. Raise `CodecError` for a DAG that
    is not a strict file, or is too deep; `BlockNotFoundError` if a node is absent. Memory grows with the number of blocks.
    """
    if cid.codec == RAW:
        yield WalkedBlock(cid, len(source.get(cid)), is_leaf=True)
        return
    seen: set[Cid] = {cid}
    stack: list[Iterator[FileLink]] = [iter((FileLink(cid, 0, 0),))]
    while stack:
        link = next(stack[-1], None)
        if link is None:
            stack.pop()
            continue
        if len(stack) > 1:
            if link.cid in seen:
                continue
            seen.add(link.cid)
        if link.cid.codec == RAW:
            yield WalkedBlock(link.cid, link.file_size, is_leaf=True)
            continue
        if len(stack) > MAX_DAG_DEPTH:
            raise CodecError(f"file {cid} is deeper than {MAX_DAG_DEPTH} nodes")
        block = source.get(link.cid)
        node = decode_file_node(link.cid, block)
        if len(stack) > 1 and node.file_size != link.file_size:
            raise CodecError(f"block {link.cid} holds {node.file_size} bytes of its file, its parent says {link.file_size}")
        yield WalkedBlock(link.cid, len(block), is_leaf=not node.links)
        stack.append(iter(node.links))
