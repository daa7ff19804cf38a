"""Blocks, and the read-only and read-write protocols of everything that holds them.

The contract, which ``tests/contracts/`` runs over every implementation:

- What `get` and `get_many` return matched its CID *in this call*: no earlier check is relied on.
- An absent block raises `BlockNotFoundError` (`get`) or is left out (`get_many`); a source that cannot be reached raises
  `UnavailableError`; a block that does not match its CID raises `BlockMismatchError` and is never returned.
- `put` and `put_many` verify before they write. Putting a block that is there, and deleting one that is not, do nothing.
- When `put` or `put_many` returns, the blocks survive kill -9 and a power cut; with ``durable=False`` they survive kill -9, and a
  power cut only once `flush` has returned. When it raises, any subset of the blocks may be there.
- All methods may be called from several threads at once.
- CIDv0 and CIDv1 of one dag-pb block name the same block: a store keeps it once and finds it under either.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol

from catalog.ipld.cid import Cid


class Block(NamedTuple):
    """A CID and the bytes it names."""

    cid: Cid
    data: bytes


Put = Callable[[Block], None]
"""Receives the blocks that a writer makes, children before parents."""


class BlockSource(Protocol):
    """Something that blocks can be read from."""

    def get(self, cid: Cid) -> bytes:
        """Return the block, verified; raise `BlockNotFoundError` if it is absent."""
        ...

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        """Yield those of ``cids`` that are here, verified, each distinct one once, in any order, as they arrive."""
        ...


class Blockstore(BlockSource, Protocol):
    """Something that keeps blocks."""

    def has(self, cid: Cid) -> bool:
        """Return whether the block is here, without reading it."""
        ...

    def missing(self, cids: Iterable[Cid]) -> list[Cid]:
        """Return those of ``cids`` that are not here, each once, in their order."""
        ...

    def put(self, cid: Cid, data: bytes) -> None:
        """Keep the block, durably; raise `BlockMismatchError` if ``data`` does not match."""
        ...

    def put_many(self, blocks: Iterable[Block], *, durable: bool = True) -> None:
        """Keep all blocks."""
        ...

    def flush(self) -> None:
        """Make durable what was put with ``durable=False``."""
        ...

    def delete(self, cids: Iterable[Cid]) -> None:
        """Delete the blocks."""
        ...

    def cids(self) -> Iterator[Cid]:
        """Yield the CID (CIDv1) of every block that is here, in any order."""
        ...
