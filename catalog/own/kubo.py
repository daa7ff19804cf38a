"""The own catalogue in a Kubo node: its blocks under one pin, its record offered to the node's network.

The blocks that the node lacks of the snapshot's DAG, archives included, go there in one import; the pin of the catalogue then moves
from the last snapshot to this one, so that Kubo's GC keeps what is released and frees the rest. The snapshot that a node has is
remembered by the node's URL, so that nothing is sent twice and no block is asked for one by one. Afterwards the leaves of archives
live in the node only (`catalog.own.moving`). The catalogue's key never leaves the home.
"""

from collections.abc import Iterator
from contextlib import suppress

from catalog.clients.kubo import KuboClient
from catalog.errors import BlockNotFoundError, UnavailableError
from catalog.home.home import Home
from catalog.ipld.block import Block, BlockSource
from catalog.ipld.cid import DAG_PB, Cid, parse_cid
from catalog.ipld.dag_pb import decode_node
from catalog.ipns.record import Record
from catalog.own.moving import explain_place, move_archives
from catalog.own.nodes import KuboState, distrust, kubo_state, moved_to, remember_state
from catalog.progress import Progress, Step
from catalog.sources.kubo import KuboBlockstore, KuboRouting

_BATCH = 512


def share_to_kubo(home: Home, client: KuboClient, record: Record, progress: Progress) -> None:
    """Put the snapshot of ``record`` into the node, then the record; neither is sent again if the node has it.

    Raises `UnavailableError` where the node is down or refuses. What it accepted stays there, and the next call continues.
    """
    with home.lock("kubo"):
        state = kubo_state(home, client.url)
        root = record.snapshot_cid
        if state.root != str(root):
            progress(Step("phase", "Sharing the catalogue through Kubo"))
            last = parse_cid(state.root) if state.root else None
            try:
                _put_dag(home, KuboBlockstore(client), pin_name(record), root, last)
            except UnavailableError as error:
                _doubt(home, client, pin_name(record))
                explain_place(home, client, error)
                raise
            state = KuboState(str(root))
            remember_state(home, client.url, state)
        move_archives(home, client, root)
        if state.sequence < record.sequence:
            progress(Step("phase", "Offering the record to Kubo's network"))
            KuboRouting(client).put(record.name, record.encoded)
            remember_state(home, client.url, KuboState(str(root), record.sequence, home.time))


def pin_name(record: Record) -> str:
    """Return the name of the one pin that a catalogue has in a node."""
    return f"dcat {record.name}"


def _put_dag(home: Home, node: KuboBlockstore, pin: str, root: Cid, last: Cid | None) -> None:
    block = Block(root, home.blocks.get(root))

    def others(known: Cid | None) -> Iterator[Block]:
        return (other for other in new_blocks(home.blocks, root, known) if other.cid != root)

    try:
        node.put_pinned(pin, block, lambda: others(last))
    except UnavailableError:
        if last is None:
            raise
        # The pin may have been removed there, and its blocks collected: everything that is here is sent again.
        node.put_pinned(pin, block, lambda: others(None))


def _doubt(home: Home, client: KuboClient, pin: str) -> None:
    """Distrust a node that is up and refuses to pin: blocks that moved there may be lost."""
    if moved_to(home).url == client.url:
        with suppress(UnavailableError):
            client.find_pins(pin)
            distrust(home, client.url)


def new_blocks(blocks: BlockSource, root: Cid, last: Cid | None) -> Iterator[Block]:
    """Yield the blocks under ``root`` that are in ``blocks`` and not under ``last``, level by level, each once.

    Both DAGs are walked side by side, so that shared parts are not entered. A block that is missing is skipped together with
    everything below it: an archive that lives in the node only.
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


def _children(blocks: BlockSource, cids: list[Cid]) -> Iterator[Cid]:
    for cid in cids:
        if cid.codec != DAG_PB:
            continue
        try:
            data = blocks.get(cid)
        except BlockNotFoundError:
            continue
        yield from (link.cid for link in decode_node(data).links)
