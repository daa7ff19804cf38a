"""Blocks in a Kubo node, by its RPC.

Two readers in one: ``offline`` (the default) speaks of what the node itself holds, as a blockstore; otherwise the node also looks
in its network (bitswap), as one source beside others. Kubo keeps blocks by their hash, so CIDv0, CIDv1 and any codec name the
same block. After a crash of the node what it acknowledged is there as far as its own datastore syncs.
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
_UPDATE_WAIT = 60.0


class KuboBlockstore:
    """A node's blocks: what it holds itself (``offline``), or also what its network has."""

    def __init__(self, client: KuboClient, *, offline: bool = True, name: str = "kubo") -> None:
        self._client = client
        self._offline = offline
        self.name = name
        self.batch = 16 if offline else 256
        self.lanes = 8 if offline else 2
        self.eager = offline

    @property
    def gives_dags(self) -> bool:
        """Only what the node holds is worth an export: over its network that asks for one block after the other."""
        return self._offline

    def get(self, cid: Cid) -> bytes:
        """Give the block, verified; `BlockNotFoundError` where the node lacks it, `SourceTimeoutError` where it does not find it
        in time.
        """
        data = self._client.get_block(cid, offline=self._offline, timeout=self._client.timeouts.first_byte)
        verify_block(cid, data)
        return data

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        """Give those that the node has.

        Over its network it gathers ``batch`` at a time; where a search ends without a block, what came is given before
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
            if late is not None and arrived:  # its network is slow, and brings something: the rest is worth asking for again
                raise UnavailableError(late.message, why=f"{arrived} of {len(some)} blocks came") from late
            if late is not None:
                raise late

    def get_dag(self, root: Cid) -> Iterator[Block]:
        """Give the blocks of the DAG, verified, depth first, until one is missing."""
        try:
            yield from self._client.export_dag(root, offline=self._offline)
        except BlockNotFoundError:
            return

    def has(self, cid: Cid) -> bool:
        """Tell whether the node itself holds the block."""
        return self._client.has_block(cid)

    def missing(self, cids: Iterable[Cid]) -> list[Cid]:
        """Give those that the node itself does not hold, each once, in their order."""
        absent: dict[bytes, Cid] = {}
        for cid in cids:
            if cid.digest not in absent and not self.has(cid):
                absent[cid.digest] = cid
        return list(absent.values())

    def put(self, cid: Cid, data: bytes) -> None:
        """Keep the block, unpinned."""
        self.put_many([Block(cid, data)])

    def put_many(self, blocks: Iterable[Block]) -> None:
        """Keep the blocks, unpinned, by one import; raise `BlockMismatchError` before one that does not match is sent whole."""
        self._client.import_blocks(_verified(blocks))

    def put_dag(self, root: Block, others: Iterable[Block]) -> None:
        """Import a DAG in one request, pinned from the moment it is in; what the node holds already may be left out of
        ``others``.
        """
        self._client.import_blocks(_verified(others), root)

    def put_pinned(self, name: str, root: Block, others: Callable[[], Iterable[Block]]) -> None:
        """Import a DAG and make it the one thing that is pinned under ``name``.

        Where something is pinned under ``name``, the blocks go in unpinned and the pin moves: only what differs is walked, in
        place of the whole DAG. If GC took a block between the two, the move fails, and all goes in once more in one pinned request.
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

    def delete(self, cids: Iterable[Cid]) -> None:
        """Forget the blocks; `UnavailableError` where a pin keeps one."""
        pending = iter(cids)
        while some := list(islice(pending, _REMOVED_AT_ONCE)):
            self._client.remove_blocks(some)

    def cids(self) -> Iterator[Cid]:
        """Give the CID of every block; Kubo calls each a raw one, whatever its codec. Blocks with other hashes are left out."""
        for text in self._client.list_blocks():
            try:
                yield parse_cid(text)
            except CidError:
                continue

    def abort(self, threads: Collection[int] | None = None) -> None:
        """Cut what is under way in the threads of these identifiers, or in all."""
        self._client.abort(threads)


def _verified(blocks: Iterable[Block]) -> Iterator[Block]:
    for block in blocks:
        verify_block(block.cid, block.data)
        yield block


class KuboRouting:
    """A Kubo node's routing; slow by nature (a full look-up), so each call has its own time limit in seconds.

    ``allow_offline`` lets a node without peers keep a record for itself.
    """

    def __init__(self, client: KuboClient, *, timeout: float = 60.0, allow_offline: bool = True, name: str = "kubo") -> None:
        self._client = client
        self._timeout = timeout
        self._allow_offline = allow_offline
        self.name = name

    def get(self, name: IpnsName) -> bytes | None:
        """Give the record that the node finds, unvalidated, or None; raise `UnavailableError` where it cannot be asked."""
        return self._client.get_record(str(name), timeout=self._timeout)

    def put(self, name: IpnsName, record: bytes) -> None:
        """Have the node offer ``record``; where it knows a better one nothing is said."""
        self._client.put_record(str(name), record, allow_offline=self._allow_offline, timeout=self._timeout)
