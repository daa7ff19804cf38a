"""Kubo's RPC: the commands that dcat needs, each with its errors told apart."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from catalog.blockstores.base import Block
from catalog.clients.proxy import Proxies
from catalog.clients.timeouts import Timeouts
from catalog.ipld.cid import Cid


class KuboClient:
    """A Kubo node by its RPC address (``http://127.0.0.1:5001``). Raises `UnavailableError` with what is wrong with the node."""

    def __init__(
        self,
        url: str,
        *,
        token_file: Path | None = None,
        ca_file: Path | None = None,
        timeouts: Timeouts | None = None,
        proxies: Proxies | None = None,
    ) -> None:
        raise NotImplementedError

    def version(self) -> str:
        """Give the node's version, asked for once; raise `UnavailableError` where the node is down, too old or closed to us."""
        raise NotImplementedError

    def get_block(self, cid: Cid, *, offline: bool, timeout: float) -> bytes:
        """Give a block, unverified; raise `BlockNotFoundError`."""
        raise NotImplementedError

    def has_block(self, cid: Cid) -> bool:
        """Tell whether the node itself holds the block."""
        raise NotImplementedError

    def import_blocks(self, blocks: Iterable[Block], root: Block | None, *, pin: bool) -> None:
        """Stream blocks in by one request; with ``root`` and ``pin`` its complete DAG is pinned, or `UnavailableError` says why
        not.
        """
        raise NotImplementedError

    def export_dag(self, root: Cid, *, offline: bool) -> Iterator[Block]:
        """Give the blocks of a DAG, verified; the end means nothing: check completeness."""
        raise NotImplementedError

    def find_pin(self, name: str) -> Cid | None:
        """Give the root of the recursive pin of exactly that name."""
        raise NotImplementedError

    def set_pin(self, name: str, root: Cid) -> None:
        """Move the one recursive pin called ``name`` to ``root``, or make it."""
        raise NotImplementedError

    def remove_pin(self, name: str) -> None:
        """Let go of the pin called ``name``, if it is there."""
        raise NotImplementedError

    def get_record(self, name: str, *, timeout: float) -> bytes | None:
        """Give the IPNS record of a name, unvalidated."""
        raise NotImplementedError

    def put_record(self, name: str, record: bytes, *, allow_offline: bool, timeout: float) -> None:
        """Offer an IPNS record."""
        raise NotImplementedError
