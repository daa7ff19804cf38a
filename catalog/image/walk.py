"""The order of an archive's blocks: depth first, a node before its children, links in order, each block at its first place."""

from collections.abc import Iterator
from typing import NamedTuple

from catalog.blockstores.base import BlockSource
from catalog.ipld.cid import Cid


class WalkedBlock(NamedTuple):
    """A block of a file's DAG; ``size`` is that of the block itself."""

    cid: Cid
    size: int
    is_leaf: bool


def walk(cid: Cid, source: BlockSource) -> Iterator[WalkedBlock]:
    """Give the distinct blocks of a UnixFS file's DAG (an archive or a layer's sub-DAG) in the order of design.md, "Deltas".

    Reads inner nodes only; leaves are not looked at, and need not be there. Raises `CodecError` for what is no strict file DAG, or
    is too deep; `BlockNotFoundError` where a node is absent.
    """
    raise NotImplementedError
