"""What a home shows to others: the protocols that the routes read from.

Everything in the home's own blockstore is shown. Only this home's own commands put blocks there: its own catalogue and archives,
the newest snapshots of the catalogues it follows, archives that its user pulled, pinned or mirrored. No request adds a block but a
push, where that was allowed, and nothing is fetched for a client. What was removed or unpinned is shown until `gc` deletes it.

Considered: a walk from the roots that the index knows. It would cost each request for a leaf a search through millions of links, or
need a second index of all blocks that must never disagree with the first. Of a shared store (a Kubo node's, which holds other
things too) only blocks are shown that something which this home keeps links (`catalog.server.site.linked`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from catalog.home.deltas import KeptDelta
from catalog.home.home import Home
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import Cid
from catalog.ipns.name import IpnsName
from catalog.server.chores import Chore
from catalog.server.feeding.feeder import Feeder
from catalog.server.publishing import Publisher


class HeldBlocks(BlockSource, Protocol):
    """The blocks that may be shown. Reading one never uses the network."""

    def has(self, cid: Cid) -> bool:
        """Return whether the block is here, without reading it."""
        ...

    def missing(self, cids: Iterable[Cid]) -> list[Cid]:
        """Return the CIDs whose blocks are not here, each once."""
        ...


class HeldRecords(Protocol):
    """The signed records that may be shown, and accepted from clients."""

    def get(self, name: IpnsName) -> bytes | None:
        """Return the best record that this home has for ``name``, or None."""
        ...

    def put(self, name: IpnsName, record: bytes) -> None:
        """Store ``record``, which was validated and is better than what `get` returned."""
        ...

    def snapshot(self, name: IpnsName) -> Cid | None:
        """Return the snapshot that this home shows under ``name``, the last one that it accepted; None where there is none."""
        ...

    def knows(self, name: IpnsName) -> bool:
        """Return whether this home owns or follows ``name``: records of other names are not accepted."""
        ...


class OfferedDeltas(Protocol):
    """The deltas that clients may request."""

    def offers(self, base: Cid, target: Cid) -> bool:
        """Return whether both are archives of releases that this home knows."""
        ...

    def find(self, base: Cid, target: Cid) -> KeptDelta | None:
        """Return a delta that was made before, or None."""
        ...

    def make(self, base: Cid, target: Cid, stopped: Callable[[], bool]) -> KeptDelta:
        """Make a delta, keep and return it; raise as `DeltaCache.make` does."""
        ...


@dataclass(frozen=True, slots=True)
class Site:
    """A home as the server sees it.

    ``catalogue`` returns the own catalogue's name, None before the first publish; ``chores`` keep the site itself up to date.
    ``home`` is what the pages for people read, None where there are none; ``state`` returns a value that differs whenever the home
    changed. ``feeder`` fetches for clients of the registry, and ``publisher`` takes what they push, where that was asked for.
    """

    blocks: HeldBlocks
    records: HeldRecords
    catalogue: Callable[[], IpnsName | None]
    now: Callable[[], datetime]
    deltas: OfferedDeltas | None = None
    home: Home | None = None
    state: Callable[[], object] = object
    chores: tuple[Chore, ...] = ()
    feeder: Feeder | None = None
    publisher: Publisher | None = None
