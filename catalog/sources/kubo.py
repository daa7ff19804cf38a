"""Blocks and records of a Kubo node, by its RPC.

With ``offline`` (the default) a `KuboBlockstore` is a blockstore of what the node itself holds; otherwise the node also searches
its network (bitswap), as one source among others. Kubo stores blocks by multihash, so CIDv0, CIDv1 and any codec name the same
block. What the node acknowledged survives its crash as far as its own datastore syncs.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice

from catalog.clients.kubo import KuboClient
from catalog.clients.kubo_rpc import KuboRefusalError
from catalog.errors import BlockNotFoundError, CidError, SourceTimeoutError, UnavailableError
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid, parse_cid, verify_block
from catalog.ipns.name import IpnsName

_REMOVED_AT_ONCE = 64


class KuboBlockstore:
    """The blocks of a node: those that it holds itself (``offline``), or also those of its network."""

    def __init__(self, client: KuboClient, *, offline: bool = True, name: str = "kubo") -> None:
        self._client = client
        self._offline = offline
        self.name = name
        self.batch = 16 if offline else 256
        self.lanes = 8 if offline else 2
        self.eager = offline

    @property
    def gives_dags(self) -> bool:
        """Export only what the node holds: over bitswap an export fetches serially."""
        return self._offline

    def get(self, cid: Cid) -> bytes:
        """Return the block, verified.

        Raise `BlockNotFoundError` where the node lacks it, `SourceTimeoutError` where it is not found in time.
        """
        data = self._client.get_block(cid, offline=self._offline, timeout=self._client.timeouts.first_byte)
        verify_block(cid, data)
        return data

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        """Yield the blocks that the node has.

        Over its network it gathers ``batch`` blocks at a time; where a search times out, what arrived is yielded before
        `SourceTimeoutError` is raised.
        """
        pending = iter({cid.digest: cid for cid in cids}.values())
        while some := list(islice(pending, self.batch)):
            late: SourceTimeoutError | None = None
            left = dict.fromkeys(some)
            arrived = 0
            if not self._offline:
                try:
                    for block in self._client.gather_blocks(some):
                        if block.cid in left:
                            del left[block.cid]
                            arrived += 1
                            yield block
                except SourceTimeoutError as error:
                    late = error
            for cid in left:
                try:
                    data = self._client.get_block(cid, offline=True, timeout=self._client.timeouts.first_byte)
                except BlockNotFoundError:
                    continue
                verify_block(cid, data)
                arrived += 1
                yield Block(cid, data)
            if late is not None and arrived:  # its network is slow but works: the rest is worth another request
                raise UnavailableError(late.message, why=f"{arrived} of {len(some)} blocks came") from late
            if late is not None:
                raise late

    def get_dag(self, root: Cid) -> Iterator[Block]:
        """Yield the blocks of the DAG, verified, depth first, until one is missing."""
        try:
            yield from self._client.export_dag(root, offline=self._offline)
        except BlockNotFoundError:
            return

    def has(self, cid: Cid) -> bool:
        """Return whether the node itself holds the block."""
        return self._client.has_block(cid)

    def missing(self, cids: Iterable[Cid]) -> list[Cid]:
        """Return the CIDs whose blocks the node itself does not hold, each once, in their order."""
        absent: dict[bytes, Cid] = {}
        for cid in cids:
            if cid.digest not in absent and not self.has(cid):
                absent[cid.digest] = cid
        return list(absent.values())

    def put(self, cid: Cid, data: bytes) -> None:
        """Store the block, unpinned."""
        self.put_many([Block(cid, data)])

    def put_many(self, blocks: Iterable[Block], *, durable: bool = True) -> None:  # noqa: ARG002  # as durable as the node makes it
        """Store the blocks, unpinned, by one import; raise `BlockMismatchError` before one that does not match was sent whole."""
        self._client.import_blocks(_verified(blocks))

    def flush(self) -> None:
        """Do nothing: when an import returns, its blocks are as durable as the node's datastore makes them."""

    def put_dag(self, root: Block, others: Iterable[Block]) -> None:
        """Import a DAG in one request that also pins it; ``others`` may leave out blocks that the node holds."""
        self._client.import_blocks(_verified(others), root)

    def put_pinned(self, name: str, root: Block, others: Callable[[], Iterable[Block]]) -> None:
        """Import a DAG and make it the only one pinned under ``name``.

        Where a pin of that name exists, the blocks are imported unpinned and the pin is moved: Kubo then walks only the difference
        instead of the whole DAG. If its GC deleted a block in between, the move fails, and everything is imported again with a pin.
        """
        if self._client.find_pins(name) and not self._client.is_pinned(root.cid):
            self._client.import_blocks(_verified([*others(), root]))
            try:
                self._client.set_pin(name, root.cid)
            except (SourceTimeoutError, BlockNotFoundError, KuboRefusalError):
                pass
            else:
                return
        self.put_dag(root, others())
        self._client.set_pin(name, root.cid)

    def put_beside(self, root: Block, others: Callable[[], Iterable[Block]], last: Cid | None) -> None:
        """Import a DAG and pin it, beside all other pins; ``others`` may leave out what the pinned DAG ``last`` holds.

        With ``last``, Kubo walks only the difference, as with `put_pinned`.
        """
        if last is not None and not self._client.is_pinned(root.cid):
            self._client.import_blocks(_verified([*others(), root]))
            try:
                self._client.update_pin(str(last), root.cid, unpin=False)
            except (SourceTimeoutError, BlockNotFoundError, KuboRefusalError):
                pass
            else:
                return
        self.put_dag(root, others())

    def delete(self, cids: Iterable[Cid]) -> None:
        """Delete the blocks; raise `UnavailableError` where a pin keeps one."""
        pending = iter(cids)
        while some := list(islice(pending, _REMOVED_AT_ONCE)):
            self._client.remove_blocks(some)

    def cids(self) -> Iterator[Cid]:
        """Yield the CID of every block; Kubo lists all as raw, whatever their codec. Blocks with other hashes are left out."""
        for text in self._client.list_blocks():
            try:
                yield parse_cid(text)
            except CidError:
                continue

    def abort(self, threads: Collection[int] | None = None) -> None:
        """Abort the calls of the threads with these identifiers, or of all."""
        self._client.abort(threads)

    def close(self) -> None:
        """Abort all requests and close the connections of the client."""
        self._client.close()


def _verified(blocks: Iterable[Block]) -> Iterator[Block]:
    for block in blocks:
        verify_block(block.cid, block.data)
        yield block


class KuboRouting:
    """The routing of a Kubo node. A DHT look-up is slow, so each call has a time limit of its own, in seconds.

    ``allow_offline`` lets a node without peers store a record for itself.
    """

    def __init__(self, client: KuboClient, *, timeout: float = 60.0, allow_offline: bool = True, name: str = "kubo") -> None:
        self._client = client
        self._timeout = timeout
        self._allow_offline = allow_offline
        self.name = name

    def get(self, name: IpnsName) -> bytes | None:
        """Return the record that the node finds, not validated, or None; raise `UnavailableError` where it cannot be asked."""
        return self._client.get_record(str(name), timeout=self._timeout)

    def put(self, name: IpnsName, record: bytes) -> None:
        """Have the node publish ``record``; no error where the node knows a better one."""
        self._client.put_record(str(name), record, allow_offline=self._allow_offline, timeout=self._timeout)
