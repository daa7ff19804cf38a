"""Blocks in a Kubo node, by its RPC."""

from collections.abc import Collection, Iterable, Iterator

from catalog.blockstores.base import Block
from catalog.clients.kubo import KuboClient
from catalog.ipld.cid import Cid


class KuboBlockstore:
    """A node's blocks: what it holds itself (``offline``, the default), or also what its network has."""

    def __init__(self, client: KuboClient, *, offline: bool = True, name: str = "kubo") -> None:
        self._client = client
        self._offline = offline
        self.name = name

    def get(self, cid: Cid) -> bytes:
        """Give the block, verified."""
        raise NotImplementedError

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        """Give those that the node has."""
        raise NotImplementedError

    def has(self, cid: Cid) -> bool:
        """Tell whether the node itself holds the block."""
        raise NotImplementedError

    def missing(self, cids: Iterable[Cid]) -> list[Cid]:
        """Give those that the node does not hold."""
        raise NotImplementedError

    def put(self, cid: Cid, data: bytes) -> None:
        """Keep the block, unpinned."""
        raise NotImplementedError

    def put_many(self, blocks: Iterable[Block]) -> None:
        """Keep the blocks, unpinned, by one import."""
        raise NotImplementedError

    def put_dag(self, root: Block, others: Iterable[Block]) -> None:
        """Import a complete DAG in one request, pinned from the moment it is in; what the node holds already may be left out."""
        raise NotImplementedError

    def delete(self, cids: Iterable[Cid]) -> None:
        """Forget the blocks."""
        raise NotImplementedError

    def cids(self) -> Iterator[Cid]:
        """Give the CID of every block; Kubo tells raw ones only (``refs/local``)."""
        raise NotImplementedError

    def abort(self, threads: Collection[int] | None = None) -> None:
        """Cut what is under way in other threads."""
        raise NotImplementedError
