"""The own catalogue in a Kubo node: its blocks under one pin, its record offered to the node's network.

The blocks that the node lacks of the snapshot's DAG, archives included, go there in one import; the pin of the catalogue then moves
from the last snapshot to this one, so that Kubo's GC keeps what is released and frees the rest. The snapshot that a node has is
remembered by the node's URL, so that nothing is sent twice and no block is asked for one by one. Afterwards the leaves of archives
live in the node only (`catalog.own.moving`). The catalogue's key never leaves the home.

Where the pin is lost, blocks may be: the node is asked which it lacks, and everything else is shared without the archives that lost
some (`catalog.own.incomplete`).
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

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
from catalog.own.moving import explain_place, move_archives
from catalog.own.nodes import KuboState, distrust, kubo_state, moved_to, pin_name, remember_state
from catalog.progress import Progress, Step
from catalog.sources.kubo import KuboBlockstore, KuboRouting


@dataclass(frozen=True, slots=True)
class LostBlocks:
    """Blocks of a release's archives and deltas that neither this home nor the node has."""

    reference: str
    blocks: int


def share_to_kubo(home: Home, client: KuboClient, record: Record, progress: Progress) -> tuple[LostBlocks, ...]:
    """Put the snapshot of ``record`` into the node, then the record; neither is sent again if the node has it.

    Return the releases that lost blocks; the rest of the snapshot is shared. Raises `UnavailableError` where the node is down or
    refuses. What it accepted stays there, and the next call continues.
    """
    with home.lock("kubo"):
        state = kubo_state(home, client.url)
        root = record.snapshot_cid
        lost: tuple[LostBlocks, ...] = ()
        if state.root != str(root) or state.substitute or _lost_pin(home, client, root):
            progress(Step("phase", "Sharing the catalogue through Kubo"))
            try:
                state, lost = _Upload(home, client, record, state).run()
            except UnavailableError as error:
                _doubt(home, client, pin_name(record.name))
                explain_place(home, client, error)
                raise
        if not state.substitute:
            move_archives(home, client, root)
        if state.sequence < record.sequence:
            progress(Step("phase", "Offering the record to Kubo's network"))
            KuboRouting(client).put(record.name, record.encoded)
            remember_state(home, client.url, replace(state, sequence=record.sequence, offered=home.time))
    return lost


class _Upload:
    """The import of one snapshot into a node, and its pin."""

    def __init__(self, home: Home, client: KuboClient, record: Record, state: KuboState) -> None:
        self._home = home
        self._client = client
        self._node = KuboBlockstore(client)
        self._name = str(record.name)
        self._pin = pin_name(record.name)
        self._root = record.snapshot_cid
        self._state = state

    def run(self) -> tuple[KuboState, tuple[LostBlocks, ...]]:
        """Import and pin; return the node's state afterwards, which is remembered, and the releases that lost blocks."""
        last = self._find_last()
        incomplete = find_incomplete(self._home.blocks, self._node, list_linked(self._home.blocks, self._root, last))
        if incomplete:
            explain_place(self._home, self._client, UnavailableError(f"it lacks blocks of {len(incomplete)} archives"))
            state = self._put_rest(incomplete)
        else:
            self._put_whole(last)
            state = self._next_state()
        remember_state(self._home, self._client.url, state)
        return state, self._name_lost(incomplete) if incomplete else ()

    def _find_last(self) -> Cid | None:
        """Return the snapshot that the node has whole; None where its pin is not there any more."""
        if not self._state.root or self._state.substitute:
            return None
        return parse_cid(self._state.root) if self._state.root in self._client.find_pins(self._pin) else None

    def _put_whole(self, last: Cid | None) -> None:
        blocks, root = self._home.blocks, self._root
        block = Block(root, blocks.get(root))

        def others(known: Cid | None) -> Iterator[Block]:
            return (other for other in new_blocks(blocks, root, known) if other.cid != root)

        try:
            self._node.put_pinned(self._pin, block, lambda: others(last))
        except UnavailableError:
            if last is None:
                raise
            # The pin may have been removed meanwhile, and its blocks collected: everything that is here is sent again.
            self._node.put_pinned(self._pin, block, lambda: others(None))

    def _put_rest(self, incomplete: dict[Cid, Incomplete]) -> KuboState:
        """Pin everything but what was lost; nothing counts as moved until the snapshot is whole again."""
        distrust(self._home, self._client.url)
        forget_moved(self._home.blocks, [cid for entry in incomplete.values() for cid in entry.lost])
        *nodes, top = make_substitute(self._home.blocks, self._root, incomplete)
        if not (self._state.substitute == str(top.cid) and self._client.is_pinned(top.cid)):
            self._node.put_pinned(self._pin, top, lambda: (*nodes, *new_blocks(self._home.blocks, self._root, None)))
        return self._next_state(str(top.cid))

    def _next_state(self, substitute: str = "") -> KuboState:
        """Return the node's state with this snapshot; a record of it that was offered before stays offered."""
        if self._state.root == str(self._root):
            return replace(self._state, substitute=substitute)
        return KuboState(str(self._root), substitute=substitute)

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


def _lost_pin(home: Home, client: KuboClient, root: Cid) -> bool:
    """Return whether the node is up and pins the snapshot no more that it was given; blocks may be lost then."""
    try:
        pinned = client.is_pinned(root)
    except UnavailableError:
        return False
    if not pinned:
        distrust(home, client.url)
    return not pinned


def _doubt(home: Home, client: KuboClient, pin: str) -> None:
    """Distrust a node that is up and refuses to pin: blocks that moved there may be lost."""
    if moved_to(home).url == client.url:
        with suppress(UnavailableError):
            client.find_pins(pin)
            distrust(home, client.url)
