"""The leaves of a layer's sub-DAG, in order: each is one zstd frame that states the size of its content."""

from collections.abc import Iterator
from typing import NamedTuple

from catalog.errors import CodecError
from catalog.image.reader import ArchivedLayer
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import RAW, Cid
from catalog.limits import MAX_DAG_BLOCKS, MAX_DAG_DEPTH
from catalog.unixfs.file import FileLink, decode_file_node


class Leaf(NamedTuple):
    """A leaf: its CID and its size as stored."""

    cid: Cid
    stored_size: int


def list_leaves(layer: ArchivedLayer, source: BlockSource) -> list[Leaf]:
    """Return a layer's leaves in order, each as often as it occurs; only inner nodes are read.

    Raise `CodecError` for what is not a file DAG or is too large, `BlockNotFoundError` where a node is absent.
    """
    if layer.cid.codec == RAW:
        return [Leaf(layer.cid, layer.stored_size)]
    leaves: list[Leaf] = []
    stack: list[Iterator[FileLink]] = [iter((FileLink(layer.cid, layer.stored_size, 0),))]
    steps = 0
    while stack:
        link = next(stack[-1], None)
        if link is None:
            stack.pop()
            continue
        steps += 1
        if steps > MAX_DAG_BLOCKS:
            raise CodecError(f"layer {layer.cid} has more than {MAX_DAG_BLOCKS} blocks")
        if link.cid.codec == RAW:
            if link.file_size:
                leaves.append(Leaf(link.cid, link.file_size))
            continue
        if len(stack) > MAX_DAG_DEPTH:
            raise CodecError(f"layer {layer.cid} is deeper than {MAX_DAG_DEPTH} nodes")
        node = decode_file_node(link.cid, source.get(link.cid))
        if node.file_size != link.file_size:
            raise CodecError(f"block {link.cid} holds {node.file_size} bytes of its file, its parent says {link.file_size}")
        stack.append(iter(node.links))
    return leaves
