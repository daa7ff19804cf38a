"""Small DAGs of raw leaves under dag-pb nodes, for tests of what moves blocks."""

import random
from collections.abc import Sequence

from catalog.ipld.block import Block
from catalog.ipld.cid import DAG_PB, cid_of
from catalog.ipld.dag_pb import PBLink, encode_node


def make_leaves(count: int, *, seed: int = 1, size: int = 2000) -> list[Block]:
    """Return raw blocks of random bytes, of about ``size``."""
    source = random.Random(seed)
    return [Block(cid_of(data), data) for data in (source.randbytes(source.randint(size // 2, size)) for _ in range(count))]


def make_node(children: Sequence[Block], *, tsizes: Sequence[int] | None = None) -> Block:
    """Return a dag-pb node over ``children``, without data: no UnixFS, but a DAG."""
    sizes = tsizes or [len(child.data) for child in children]
    data = encode_node([PBLink(child.cid, b"", size) for child, size in zip(children, sizes, strict=True)], None)
    return Block(cid_of(data, DAG_PB), data)


def make_dag(leaves: Sequence[Block], *, width: int = 32) -> tuple[Block, list[Block]]:
    """Return a root and all blocks of a balanced DAG over ``leaves``, the root first."""
    blocks: list[Block] = list(leaves)
    sizes = {leaf.cid: len(leaf.data) for leaf in leaves}
    level = list(leaves)
    while len(level) > 1:
        parents = []
        for start in range(0, len(level), width):
            children = level[start : start + width]
            node = make_node(children, tsizes=[sizes[child.cid] for child in children])
            sizes[node.cid] = len(node.data) + sum(sizes[child.cid] for child in children)
            parents.append(node)
        blocks = parents + blocks
        level = parents
    return level[0], blocks
