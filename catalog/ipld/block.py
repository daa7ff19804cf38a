"""Where blocks are: the read-only and the read-write protocol that everything above them speaks.

The contract, which ``tests/contracts/`` runs over every implementation:

- What `get` and `get_many` give matched its CID *in this call*: nothing is trusted because it was checked before.
- Reading what is absent raises `BlockNotFoundError` (`get`) or leaves it out (`get_many`); a source that cannot be reached raises
  `UnavailableError`; a block that does not match raises `BlockMismatchError` and is never returned.
- `put` verifies before it writes. Putting what is there, and deleting what is not, are fine.
- When `put_many` returns, all blocks survive kill -9 and a power cut; when it raises, any subset of them may be there. With
  ``durable=False`` they may be lost in a power cut until `flush` returns or a durable write follows.
- All methods may be called from several threads at once.
- CIDv0 and CIDv1 of one dag-pb block name the same block: a store keeps it once and finds it under either.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from catalog.ipld.cid import Cid


class Block(NamedTuple):
    """A CID and the bytes it names."""

    cid: Cid
    data: bytes


class BlockSource(Protocol):
    """Where blocks can be read."""

    def get(self, cid: Cid) -> bytes:
        """Give the block, verified; raise `BlockNotFoundError` where it is absent."""
        ...

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        """Give those of ``cids`` that are here, verified, each distinct one once, in any order, as they come."""
        ...


class Blockstore(BlockSource, Protocol):
    """Where blocks are kept."""

    def has(self, cid: Cid) -> bool:
        """Tell whether the block is here, without reading it."""
        ...

    def missing(self, cids: Iterable[Cid]) -> list[Cid]:
        """Give those of ``cids`` that are not here, each once, in their order."""
        ...

    def put(self, cid: Cid, data: bytes) -> None:
        """Keep the block; raise `BlockMismatchError` if ``data`` is not it."""
        ...

    def put_many(self, blocks: Iterable[Block], *, durable: bool = True) -> None:
        """Store all blocks."""
        ...

    def flush(self) -> None:
        """Make durable what was stored with ``durable=False``."""
        ...

    def delete(self, cids: Iterable[Cid]) -> None:
        """Forget the blocks."""
        ...

    def cids(self) -> Iterator[Cid]:
        """Give the CID (CIDv1) of every block that is here, in any order."""
        ...
