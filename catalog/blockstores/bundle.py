"""Bundles: one file that carries blocks and signed records, for where there is no network (format ``dcat-bundle/1``).

A bundle is a CARv1. Its one root is the *manifest*, a DAG-CBOR block that stands first::

    {"format": "dcat-bundle/1", "roots": [link, …], "since": [link, …], "records": {"k51…": link, …}}

``roots`` are the DAGs that the bundle brings (snapshots, archives), whole but for blocks that are under ``since`` too, which the
receiver must hold already. ``records`` gives, by IPNS name, raw blocks with the bytes of signed records; they stand behind the
manifest. Then come the blocks, in any order. Exactly these keys. Nothing in it is trusted: blocks are verified when they are
read, records by whoever takes one.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from catalog.blockstores.base import Block
from catalog.ipld.cid import Cid


@dataclass(frozen=True, slots=True)
class BundleManifest:
    """What a bundle says it brings."""

    roots: tuple[Cid, ...]
    since: tuple[Cid, ...]
    records: Mapping[str, Cid]


class BundleSource:
    """A bundle file read as a block source; ``close`` it after use (a context manager)."""

    name: str
    manifest: BundleManifest
    records: Mapping[str, bytes]  # by IPNS name, unvalidated

    def __init__(self, path: Path) -> None:
        raise NotImplementedError

    def get(self, cid: Cid) -> bytes:
        """Give the block, verified."""
        raise NotImplementedError

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        """Give those that are in the file, in the order in which they stand there."""
        raise NotImplementedError

    def abort(self, threads: Collection[int] | None = None) -> None:
        """Nothing is ever under way for long."""


def write_bundle(
    out: BinaryIO, roots: Iterable[Cid], blocks: Iterable[Block], *, records: Mapping[str, bytes], since: Iterable[Cid] = ()
) -> int:
    """Write a bundle; give the number of its bytes. Memory is that of one block."""
    raise NotImplementedError
