"""The import of a snapshot into a Kubo node: what the node lacks of its DAG, archives included, in one request, and its pin.

Where blocks are lost that neither this home nor the node has, everything else is pinned without the archives that lost some
(`catalog.own.incomplete`).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from catalog.blockstores.moved import forget_moved
from catalog.clients.kubo import KuboClient
from catalog.errors import UnavailableError
from catalog.home.home import Home
from catalog.index.releases import iterate_releases
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid, parse_cid
from catalog.ipns.record import Record
from catalog.own.incomplete import Incomplete, find_incomplete, make_substitute
from catalog.own.linked import list_linked, new_blocks
from catalog.own.moving import explain_place
from catalog.own.nodes import KuboState, distrust
from catalog.own.places import Place
from catalog.sources.kubo import KuboBlockstore


@dataclass(frozen=True, slots=True)
class LostBlocks:
    """Blocks of a release's archives and deltas that neither this home nor the node has."""

    reference: str
    blocks: int


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What the node pins now: the snapshot, or what stands for it (``substitute``), and the releases that lost blocks."""

    top: Cid
    substitute: str
    lost: tuple[LostBlocks, ...]


class Pins(Protocol):
    """How a node keeps the snapshots of one catalogue."""

    def keeps(self, root: Cid) -> bool:
        """Return whether the node pins ``root`` for the catalogue."""

    def put(self, root: Block, others: Callable[[], Iterable[Block]], last: Cid | None) -> None:
        """Import a DAG and pin it. ``last`` is a snapshot that the node keeps; ``others`` may leave out what that holds."""


class SinglePin:
    """One pin for the catalogue, by its name, which moves from snapshot to snapshot."""

    def __init__(self, client: KuboClient, name: str) -> None:
        self._client = client
        self._name = name

    def keeps(self, root: Cid) -> bool:
        return str(root) in self._client.find_pins(self._name)

    def put(self, root: Block, others: Callable[[], Iterable[Block]], last: Cid | None) -> None:  # noqa: ARG002
        KuboBlockstore(self._client).put_pinned(self._name, root, others)


class PinBeside:
    """A pin for each snapshot: the one before stays until a cluster has enough replicas of the new one."""

    def __init__(self, client: KuboClient) -> None:
        self._client = client

    def keeps(self, root: Cid) -> bool:
        return self._client.is_pinned(root)

    def put(self, root: Block, others: Callable[[], Iterable[Block]], last: Cid | None) -> None:
        KuboBlockstore(self._client).put_beside(root, others, last)


def upload_snapshot(home: Home, place: Place, pins: Pins, record: Record, state: KuboState) -> Uploaded:
    """Import the snapshot of ``record`` into the place's node and pin it there; ``state`` is what the node was given before.

    Raise `UnavailableError` where the node is down or refuses. What it accepted stays there, and the next call continues.
    """
    return _Upload(home, place, pins, record, state).run()


class _Upload:
    def __init__(self, home: Home, place: Place, pins: Pins, record: Record, state: KuboState) -> None:
        self._home = home
        self._place = place
        self._pins = pins
        self._name = str(record.name)
        self._root = record.snapshot_cid
        self._state = state

    def run(self) -> Uploaded:
        last = self._find_last()
        incomplete = find_incomplete(self._home.blocks, self._place.blocks, list_linked(self._home.blocks, self._root, last))
        if incomplete:
            explain_place(self._home, self._place, UnavailableError(f"it lacks blocks of {len(incomplete)} archives"))
            top = self._put_rest(incomplete)
            return Uploaded(top, str(top), self._name_lost(incomplete))
        self._put_whole(last)
        return Uploaded(self._root, "", ())

    def _find_last(self) -> Cid | None:
        """Return the snapshot that the node has whole; None where its pin is not there any more."""
        if not self._state.root or self._state.substitute:
            return None
        last = parse_cid(self._state.root)
        return last if self._pins.keeps(last) else None

    def _put_whole(self, last: Cid | None) -> None:
        blocks, root = self._home.blocks, self._root
        block = Block(root, blocks.get(root))

        def others(known: Cid | None) -> Iterator[Block]:
            return (other for other in new_blocks(blocks, root, known) if other.cid != root)

        try:
            self._pins.put(block, lambda: others(last), last)
        except UnavailableError:
            if last is None:
                raise
            # The pin may have been removed meanwhile, and its blocks collected: everything that is here is sent again.
            self._pins.put(block, lambda: others(None), None)

    def _put_rest(self, incomplete: dict[Cid, Incomplete]) -> Cid:
        """Pin everything but what was lost; nothing counts as moved until the snapshot is whole again."""
        distrust(self._home, self._place.key)
        if self._place.cluster is None:  # of a cluster, a peer that is down now may have them
            forget_moved(self._home.blocks, [cid for entry in incomplete.values() for cid in entry.lost])
        *nodes, top = make_substitute(self._home.blocks, self._root, incomplete)
        if not (self._state.substitute == str(top.cid) and self._pins.keeps(top.cid)):
            self._pins.put(top, lambda: (*nodes, *new_blocks(self._home.blocks, self._root, None)), None)
        return top.cid

    def _name_lost(self, incomplete: dict[Cid, Incomplete]) -> tuple[LostBlocks, ...]:
        found = []
        with self._home.index.read() as connection:
            for release in iterate_releases(connection, self._name):
                roots = {image.archive for image in release.images.values()}
                roots |= {delta.cid for image in release.images.values() for delta in image.deltas.values()}
                lost = {cid for root in roots & incomplete.keys() for cid in incomplete[root].lost}
                if lost:
                    found.append(LostBlocks(release.reference, len(lost)))
        return tuple(found)
