"""The archives and deltas that a snapshot's ``images/`` links, and what of a snapshot is new since another one.

Two snapshots are walked side by side, level by level, so that directories and trees that both share are not read.
"""

from collections.abc import Iterator

from catalog.errors import BlockNotFoundError
from catalog.ipld.block import Block, BlockSource
from catalog.ipld.cid import DAG_PB, Cid
from catalog.ipld.dag_pb import PBLink, decode_node

ARCHIVES = (b".tar.zst",)
FILES = (b".tar.zst", b".delta")

_BATCH = 512


def is_file(link: PBLink, endings: tuple[bytes, ...] = FILES) -> bool:
    """Return whether a link of a directory under ``images/`` is that of an archive or delta."""
    return (link.name or b"").endswith(endings)


def list_linked(blocks: BlockSource, root: Cid, last: Cid | None, endings: tuple[bytes, ...] = FILES) -> list[Cid]:
    """Return the archives and deltas (of these ``endings``) under snapshot ``root`` that are not under ``last``."""
    new, old = [root], [last] if last is not None and last != root else []
    found: dict[Cid, None] = {}
    known: set[Cid] = set()
    seen = {root, *old}
    while new:
        before, after = _links(blocks, old), _links(blocks, new)
        known.update(link.cid for link in before if is_file(link, endings))
        found.update(dict.fromkeys(link.cid for link in after if is_file(link, endings)))
        old_nodes = dict.fromkeys(link.cid for link in before if not is_file(link))
        new_nodes = dict.fromkeys(link.cid for link in after if not is_file(link))
        old = [cid for cid in old_nodes if cid not in new_nodes]
        new = [cid for cid in new_nodes if cid not in old_nodes and cid not in seen]
        seen.update(new)
    return [cid for cid in found if cid not in known]


def new_blocks(blocks: BlockSource, root: Cid, last: Cid | None) -> Iterator[Block]:
    """Yield the blocks under ``root`` that are in ``blocks`` and not under ``last``, each once.

    A block that is missing is skipped together with everything below it: an archive that lives in the node only.
    """
    new, old = [root], [last] if last is not None and last != root else []
    seen: set[bytes] = {cid.digest for cid in old}
    while new:
        old = [cid for cid in old if cid not in set(new)]
        known = set(_children(blocks, old))
        fresh: dict[Cid, None] = {}
        for start in range(0, len(new), _BATCH):
            for block in blocks.get_many(new[start : start + _BATCH]):
                yield block
                if block.cid.codec == DAG_PB:
                    fresh.update(dict.fromkeys(link.cid for link in decode_node(block.data).links))
        seen.update(cid.digest for cid in known)
        seen.update(cid.digest for cid in new)
        new = [cid for cid in fresh if cid.digest not in seen]
        old = [cid for cid in known if cid not in fresh]


def _links(blocks: BlockSource, cids: list[Cid]) -> list[PBLink]:
    nodes = [cid for cid in cids if cid.codec == DAG_PB]
    return [link for block in blocks.get_many(nodes) for link in decode_node(block.data).links]


def _children(blocks: BlockSource, cids: list[Cid]) -> Iterator[Cid]:
    for cid in cids:
        if cid.codec != DAG_PB:
            continue
        try:
            data = blocks.get(cid)
        except BlockNotFoundError:
            continue
        yield from (link.cid for link in decode_node(data).links)
