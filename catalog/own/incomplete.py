"""Archives of a snapshot that neither this home nor its Kubo node has whole, and how the node keeps everything else.

Kubo cannot pin a DAG that lacks a block: it looks for the block until a time limit ends the request, offline or not. So the node is
asked before a pin which blocks it lacks. Where an archive is incomplete, the node pins a substitute for the snapshot: a node that
links every complete DAG under it, and by a raw CID each block on the way to an incomplete archive, and each block left of that.
Kubo keeps blocks by their hash, so a raw CID keeps the block and leads no further.

Considered: a pin for each archive (thousands of pins to keep in step), and no pin (GC frees all archives because one lost a block).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from catalog.errors import BlockMismatchError, BlockNotFoundError
from catalog.ipld.block import Block, BlockSource, Blockstore
from catalog.ipld.cid import DAG_PB, RAW, Cid, cid_from_digest, cid_of
from catalog.ipld.dag_pb import PBLink, decode_node, encode_node
from catalog.own.linked import is_file

_LINKS_A_NODE = 1024
_MOST_ASKED_SINGLY = 2000


@dataclass(frozen=True, slots=True)
class Incomplete:
    """An archive or delta, its blocks that neither the home nor the node has, and those that one of them has."""

    root: Cid
    lost: tuple[Cid, ...]
    held: tuple[Cid, ...]


def find_incomplete(blocks: Blockstore, node: Blockstore, files: Sequence[Cid]) -> dict[Cid, Incomplete]:
    """Return those of ``files`` that are incomplete in the home's ``blocks`` and the node together, by their roots."""
    walks = {root: _walk(root, blocks, node) for root in files}
    absent = dict.fromkeys(cid for walk in walks.values() for cid in walk.absent)
    lacking = {cid.digest for cid in _find_lacking(node, list(absent))} if absent else set()
    found = {}
    for root, walk in walks.items():
        lost = [*walk.lost, *(cid for cid in walk.absent if cid.digest in lacking)]
        if lost:
            found[root] = Incomplete(root, tuple(lost), tuple(cid for cid in walk.seen if cid not in set(lost)))
    return found


def make_substitute(blocks: BlockSource, root: Cid, incomplete: Mapping[Cid, Incomplete]) -> list[Block]:
    """Return the nodes that keep everything under snapshot ``root`` but the lost blocks; the last one links all of it."""
    kept = list(dict.fromkeys(_Keeper(blocks, incomplete).list_kept(root)))
    made: list[Block] = []
    while True:
        level = [_make_node(kept[start : start + _LINKS_A_NODE]) for start in range(0, len(kept), _LINKS_A_NODE)]
        made += level
        if len(level) == 1:
            return made
        kept = [block.cid for block in level]


@dataclass(frozen=True, slots=True)
class _Walked:
    """The blocks of a file: all that are known, leaves that are not in the home, nodes that neither side has."""

    seen: tuple[Cid, ...]
    absent: tuple[Cid, ...]
    lost: tuple[Cid, ...]


def _walk(root: Cid, blocks: Blockstore, node: Blockstore) -> _Walked:
    seen: dict[Cid, None] = {root: None}
    absent: list[Cid] = []
    lost: list[Cid] = []
    pending = [root]
    while pending:
        absent += blocks.missing([cid for cid in pending if cid.codec != DAG_PB])
        below: dict[Cid, None] = {}
        for cid in pending:
            if cid.codec != DAG_PB:
                continue
            data = _read(cid, blocks, node)
            if data is None:
                lost.append(cid)
            else:
                below.update(dict.fromkeys(link.cid for link in decode_node(data).links))
        pending = [cid for cid in below if cid not in seen]
        seen.update(dict.fromkeys(pending))
    return _Walked(tuple(seen), tuple(absent), tuple(lost))


def _read(cid: Cid, *sources: BlockSource) -> bytes | None:
    for source in sources:
        try:
            return source.get(cid)
        except (BlockNotFoundError, BlockMismatchError):
            continue
    return None


def _find_lacking(node: Blockstore, cids: Sequence[Cid]) -> list[Cid]:
    """Return the blocks that the node lacks: asked for one by one, or looked up in the list of all its blocks."""
    if len(cids) <= _MOST_ASKED_SINGLY:
        return node.missing(cids)
    held = {cid.digest for cid in node.cids()}
    return [cid for cid in cids if cid.digest not in held]


class _Keeper:
    """Lists the roots of what is kept of a snapshot; directories without an incomplete file are kept as they are."""

    def __init__(self, blocks: BlockSource, incomplete: Mapping[Cid, Incomplete]) -> None:
        self._blocks = blocks
        self._incomplete = incomplete
        self._whole: dict[Cid, bool] = {}

    def list_kept(self, cid: Cid) -> Iterator[Cid]:
        if self._is_whole(cid):
            yield cid
            return
        yield _as_raw(cid)
        for link in self._links(cid):
            if link.cid in self._incomplete:
                yield from map(_as_raw, self._incomplete[link.cid].held)
            elif is_file(link):
                yield link.cid
            else:
                yield from self.list_kept(link.cid)

    def _is_whole(self, cid: Cid) -> bool:
        if cid.codec != DAG_PB:
            return True
        if cid not in self._whole:
            self._whole[cid] = all(
                link.cid not in self._incomplete and (is_file(link) or self._is_whole(link.cid)) for link in self._links(cid)
            )
        return self._whole[cid]

    def _links(self, cid: Cid) -> Sequence[PBLink]:
        return decode_node(self._blocks.get(cid)).links


def _as_raw(cid: Cid) -> Cid:
    return cid_from_digest(cid.digest, RAW)


def _make_node(links: Sequence[Cid]) -> Block:
    data = encode_node([PBLink(cid, b"", None) for cid in links], None)
    return Block(cid_of(data, DAG_PB), data)
