"""What a home shows to others: the one thing that the routes read from.

What this home *holds for others* is what its own block store holds, and that is the whole check. Nothing but this home's own acts
puts a block there: its own catalogue and archives, the newest snapshots of the catalogues it follows, archives that its user
pulled, pinned or mirrored. No request can add a block, and nothing is fetched for a caller, so a CID that no catalogue of this home
brought in is not there. What was removed, or let go of, is answered until `gc` frees it, and no longer.

Considered: a walk from the roots that the index knows. It would cost each request for a leaf a search through millions of links, or
a second index of all blocks that must never disagree with the first. A shared store (a Kubo node's, which holds other things too)
is another matter: of it only those blocks are shown that something which this home keeps links (`catalog.server.linked`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from catalog.home.deltas import KeptDelta
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import Cid
from catalog.ipns.name import IpnsName
from catalog.server.chores import Chore


class HeldBlocks(BlockSource, Protocol):
    """The blocks that may be shown. Reading one asks no network."""

    def has(self, cid: Cid) -> bool:
        """Tell whether the block is here, without reading it."""
        ...


class HeldRecords(Protocol):
    """The signed records that may be shown, and taken in."""

    def get(self, name: IpnsName) -> bytes | None:
        """Give the best record that this home has for ``name``, or None."""
        ...

    def put(self, name: IpnsName, record: bytes) -> None:
        """Keep ``record``, which was validated and is better than what `get` gave."""
        ...

    def knows(self, name: IpnsName) -> bool:
        """Tell whether this home owns or follows ``name``: of no other name is a record taken in."""
        ...


class OfferedDeltas(Protocol):
    """The deltas that may be asked for."""

    def offers(self, base: Cid, target: Cid) -> bool:
        """Tell whether both are archives of releases that this home knows."""
        ...

    def find(self, base: Cid, target: Cid) -> KeptDelta | None:
        """Give a delta that was made before, or None."""
        ...

    def make(self, base: Cid, target: Cid, stopped: Callable[[], bool]) -> KeptDelta:
        """Make a delta and keep it; raise as `DeltaCache.make` does."""
        ...


@dataclass(frozen=True, slots=True)
class Site:
    """A home as the server sees it.

    ``catalogue`` gives the own catalogue's name, None before the first publish; ``chores`` keep the site itself up to date.
    """

    blocks: HeldBlocks
    records: HeldRecords
    catalogue: Callable[[], IpnsName | None]
    now: Callable[[], datetime]
    deltas: OfferedDeltas | None = None
    chores: tuple[Chore, ...] = ()
