"""Blocks to put into a store, and what a disk does to them."""

import sqlite3
from pathlib import Path

from catalog.blockstores.embedded import EmbeddedBlockstore
from catalog.errors import BlockMismatchError
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid, cid_of


def blocks_of(count: int, size: int = 40_000, salt: int = 0) -> list[Block]:
    return [Block(cid_of(data), data) for data in (f"{salt} {n:09}".encode().ljust(size, b".") for n in range(count))]


def rot(path: Path, cid: Cid) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(
            "UPDATE payloads SET data = zeroblob(length(data)) WHERE payload_id = (SELECT payload_id FROM blocks WHERE digest = ?)",
            (cid.digest,),
        )
    connection.close()


def find_damaged(store: EmbeddedBlockstore) -> list[Cid]:
    """Read every block; return the CIDs of those that do not match."""
    damaged = []
    for cid in store.cids():
        try:
            store.get(cid)
        except BlockMismatchError:
            damaged.append(cid)
    return damaged


def limit_pages(store: EmbeddedBlockstore, pages: int) -> None:
    """Limit the size of a store's file, as a full disk does."""
    with store.file.transaction() as connection:
        connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()
