"""Blocks over HTTP: a teammate's dcat server, or any trustless gateway."""

from collections.abc import Iterable, Iterator

from catalog.blockstores.base import Block
from catalog.clients.http import HttpClient
from catalog.ipld.cid import Cid


class HttpBlockSource:
    """A server asked by ``POST /dcat/v1/blocks``, or, where it does not know that, as a trustless gateway."""

    def __init__(self, client: HttpClient, *, name: str | None = None) -> None:
        self._client = client
        self.name = name or client.name

    def get(self, cid: Cid) -> bytes:
        """Give the block, verified."""
        raise NotImplementedError

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        """Give those that the server has, as they come."""
        raise NotImplementedError

    def get_dag(self, root: Cid) -> Iterator[Block]:
        """Give the blocks of the DAG as one CAR brings them, each linked from one that came before; the end means nothing."""
        raise NotImplementedError

    def abort(self) -> None:
        """Cut what is under way in other threads."""
        self._client.abort()
