"""Blocks in memory: for what is on trial, and for tests. A crash loses all of it."""

import threading
from collections.abc import Iterable, Iterator

from catalog.errors import BlockNotFoundError
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid, convert_to_v1, verify_block


class MemoryBlockstore:
    """A blockstore in a dictionary."""

    def __init__(self, blocks: Iterable[Block] = ()) -> None:
        self._blocks: dict[bytes, Block] = {}
        self._lock = threading.Lock()
        self.put_many(blocks)

    def get(self, cid: Cid) -> bytes:
        """Return the block, verified."""
        block = self._blocks.get(cid.digest)
        if block is None:
            raise BlockNotFoundError(f"block {cid} is not here")
        verify_block(cid, block.data)
        return block.data

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        """Yield those of ``cids`` that are here, each distinct block once, in their order."""
        seen: set[bytes] = set()
        for cid in cids:
            if cid.digest not in seen and self.has(cid):
                seen.add(cid.digest)
                yield Block(cid, self.get(cid))

    def has(self, cid: Cid) -> bool:
        return cid.digest in self._blocks

    def missing(self, cids: Iterable[Cid]) -> list[Cid]:
        """Return those of ``cids`` that are not here, each block once, in their order."""
        absent: dict[bytes, Cid] = {}
        for cid in cids:
            if cid.digest not in self._blocks:
                absent.setdefault(cid.digest, cid)
        return list(absent.values())

    def put(self, cid: Cid, data: bytes) -> None:
        verify_block(cid, data)
        with self._lock:
            self._blocks.setdefault(cid.digest, Block(convert_to_v1(cid), bytes(data)))

    def put_many(self, blocks: Iterable[Block], *, durable: bool = True) -> None:  # noqa: ARG002  # nothing here is durable
        for cid, data in blocks:
            self.put(cid, data)

    def flush(self) -> None:
        pass

    def delete(self, cids: Iterable[Cid]) -> None:
        with self._lock:
            for cid in cids:
                self._blocks.pop(cid.digest, None)

    def cids(self) -> Iterator[Cid]:
        yield from [block.cid for block in list(self._blocks.values())]
