"""What a fetch wants next: the links of blocks that are here or arrive, each block once, within limits."""

import hashlib
import threading
from collections.abc import Callable, Iterable

from catalog import limits
from catalog.errors import BlockMismatchError, CodecError, StorageError
from catalog.ipld import dag_pb
from catalog.ipld.block import Block, Blockstore
from catalog.ipld.cid import DAG_PB, RAW, Cid, convert_to_v1
from catalog.sources.wantlist import Wantlist

_EMPTY_DIGEST = hashlib.sha256(b"").digest()
_FREE_SPACE_KEPT = 16 * limits.MIB
_LEAF_SIZE = 512 * limits.KIB  # a dag-pb child whose whole DAG is no larger counts as a leaf

_Link = tuple[Cid, int | None]  # with the size of a leaf


class SizeBudget:
    """The bytes that a fetch expects and has received, held against what may travel and what the disk can take.

    ``size`` is what a release states; ``free_space`` returns how many bytes the local store can still take.
    """

    def __init__(self, size: int | None, free_space: Callable[[], int] | None) -> None:
        self._limit = None if size is None else size + size // 10 + limits.MIB
        self._free_space = free_space
        self._lock = threading.Lock()
        self.expected = 0
        self.received = 0

    def expect(self, size: int) -> None:
        """Add bytes that links state; raise `CodecError` where they exceed the limit, `StorageError` where the disk is too full."""
        if not size:
            return
        with self._lock:
            self.expected += size
            expected = self.expected
        if self._limit is not None and expected > self._limit:
            raise CodecError("the DAG is larger than its stated size", why=f"its links state {expected} bytes")
        if self._free_space is not None:
            needs, has = (expected - self.received) * 11 // 10 + _FREE_SPACE_KEPT, self._free_space()
            if needs > has:
                raise StorageError("the disk is too full for what is to be fetched", why=f"needs {needs} bytes, has {has}")

    def add_node(self, size: int) -> None:
        """Add the bytes of an inner node, which no link states."""
        with self._lock:
            self.expected += size

    def check_delivered(self, size: int) -> None:
        """Raise `CodecError` where ``size`` delivered bytes exceed the limit."""
        if self._limit is not None and size > self._limit:
            raise CodecError("the DAG is larger than its stated size", why=f"more than {self._limit} bytes")


class Traversal:
    """Walks blocks that are here, and wants those that are not. With ``deep`` the links of blocks are followed."""

    def __init__(self, local: Blockstore, wantlist: Wantlist, budget: SizeBudget, *, deep: bool) -> None:
        self._local = local
        self._wantlist = wantlist
        self._budget = budget
        self._deep = deep
        self._seen: set[Cid] = set()
        self._lock = threading.Lock()

    def start(self, roots: Iterable[Cid]) -> None:
        """Want the roots, or what is missing below those that are here."""
        self._descend([(cid, None) for cid in roots], parent=None, depth=0)

    def add(self, key: Cid, block: Block, depth: int) -> None:
        """Want what a block that arrived links, if it is not here."""
        if key.codec != RAW:
            self._budget.add_node(len(block.data))
        if self._deep and key.codec == DAG_PB:
            self._descend(_links_of(block), parent=key, depth=depth + 1)

    def _descend(self, links: list[_Link], *, parent: Cid | None, depth: int) -> None:
        level = [(links, parent, depth)]
        while level:
            links, parent, depth = level.pop()
            if depth > limits.MAX_DAG_DEPTH:
                raise CodecError("the DAG is too deep", why=f"more than {limits.MAX_DAG_DEPTH} levels")
            fresh = self._see(links)
            absent = set(find_missing(self._local, [cid for _, cid, _ in fresh]))
            for key, cid, _ in fresh:
                if self._deep and key.codec == DAG_PB and cid not in absent:
                    try:
                        level.append((_links_of(Block(cid, self._local.get(cid))), key, depth + 1))
                    except BlockMismatchError:  # it rotted here
                        self._local.delete([cid])
                        absent.add(cid)
            wants = [entry for entry in fresh if entry[1] in absent]
            self._budget.expect(sum(size or 0 for key, _, size in wants if key.codec == RAW))
            self._wantlist.add(wants, parent=parent, links=len(links), depth=depth)

    def _see(self, links: list[_Link]) -> list[tuple[Cid, Cid, int | None]]:
        """Return the links not seen before, with their keys; each block is looked at once, however many nodes link it."""
        with self._lock:
            fresh = []
            for cid, size in links:
                key = convert_to_v1(cid)
                if key not in self._seen:
                    self._seen.add(key)
                    fresh.append((key, cid, size))
            if len(self._seen) > limits.MAX_DAG_BLOCKS:
                raise CodecError("the DAG is too large", why=f"more than {limits.MAX_DAG_BLOCKS} blocks")
            return fresh


def find_missing(local: Blockstore, cids: Iterable[Cid]) -> list[Cid]:
    """Return the CIDs whose blocks are not here.

    The empty block is stored without a fetch: bitswap cannot carry it.
    """
    missing = local.missing(cids)
    for cid in missing:
        if cid.digest == _EMPTY_DIGEST:
            local.put(cid, b"")
    return [cid for cid in missing if cid.digest != _EMPTY_DIGEST]


def _links_of(block: Block) -> list[_Link]:
    """Return a node's links, with the size of those that are leaves, where it is stated."""
    links: list[_Link] = []
    for link in dag_pb.decode_node(block.data).links:
        is_leaf = link.cid.codec == RAW or (link.tsize is not None and link.tsize <= _LEAF_SIZE)
        links.append((link.cid, link.tsize if is_leaf else None))
    return links
