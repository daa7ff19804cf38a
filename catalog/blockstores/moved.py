"""Blocks that another place holds for this home, so that no second copy is needed here: the leaves of archives in a Kubo node.

Digest, codec, size and frame memo of a moved block stay here (table ``moved``), so that the next version of an image finds its
frames without compressing them again. For `EmbeddedBlockstore` such a block is absent; `ReachableBlocks` counts it as held and
reads it from the place. A copy that is put here again (by a save or a repair) is noted, and deleted by `drop_copies`.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Final

from catalog.blockstores.embedded import EmbeddedBlockstore
from catalog.blockstores.leasing import Lease, sweep
from catalog.blockstores.rows import BatchCount, NewBlock
from catalog.errors import BlockNotFoundError
from catalog.ipld.block import Block, BlockSource
from catalog.ipld.cid import Cid, cid_from_digest

_ROWS_A_TRANSACTION: Final = 10_000


def note_moved(store: EmbeddedBlockstore, cids: Collection[Cid]) -> None:
    """Record that the other place holds those of ``cids`` that are here; from then on they are copies."""
    with store.file.transaction() as connection:
        connection.executemany(
            "INSERT INTO moved SELECT digest, codec, size, content, 1 FROM blocks WHERE digest = ? "
            "ON CONFLICT (digest) DO UPDATE SET here = 1, content = coalesce(content, excluded.content)",
            [(cid.digest,) for cid in cids],
        )


def list_copies(store: EmbeddedBlockstore) -> list[Cid]:
    """Return the blocks that are both here and at the other place."""
    with store.file.reading() as connection:
        rows = connection.execute("SELECT digest, codec FROM moved WHERE here = 1").fetchall()
    return [cid_from_digest(digest, codec) for digest, codec in rows]


def drop_copies(store: EmbeddedBlockstore, cids: Iterable[Cid], now: datetime, own: Lease) -> None:
    """Delete blocks that the other place holds; raise `LockedError` as `sweep` does."""
    try:
        sweep(store, cids, now, own=own, forget=False)
    finally:
        with store.file.transaction() as connection:
            connection.execute(
                "UPDATE moved SET here = 0 WHERE here = 1 AND NOT EXISTS (SELECT 1 FROM blocks WHERE blocks.digest = moved.digest)"
            )


def list_moved(store: EmbeddedBlockstore) -> Iterator[Cid]:
    """Yield every block that the other place holds, whether it is here too or not."""
    return store.file.cids("moved")


def forget_moved(store: EmbeddedBlockstore, cids: Iterable[Cid]) -> None:
    """Record that the other place does not hold ``cids``."""
    with store.file.transaction() as connection:
        connection.executemany("DELETE FROM moved WHERE digest = ?", [(cid.digest,) for cid in cids])


def copy_moved(source: sqlite3.Connection, store: EmbeddedBlockstore) -> None:
    """Copy the table ``moved`` of another file into ``store``, as far as its rows can be read."""
    rows = source.execute("SELECT digest, codec, size, content FROM moved")
    while some := rows.fetchmany(_ROWS_A_TRANSACTION):
        with store.file.transaction() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO moved SELECT ?1, ?2, ?3, ?4, EXISTS (SELECT 1 FROM blocks WHERE digest = ?1)", some
            )


class ReachableBlocks:
    """The blocks of ``local`` and the moved ones, which are read from ``place``. What is put goes to ``local``.

    Nothing that comes from ``place`` is kept. Without ``place``, moved blocks count as held and cannot be read.
    """

    def __init__(self, local: EmbeddedBlockstore, place: BlockSource | None = None) -> None:
        self._local = local
        self._place = place

    def get(self, cid: Cid) -> bytes:
        try:
            return self._local.get(cid)
        except BlockNotFoundError:
            if self._place is None or not self._moved([cid]):
                raise
            return self._place.get(cid)

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        wanted = list(cids)
        absent = self._local.missing(wanted)
        elsewhere = {cid.digest for cid in absent}
        yield from self._local.get_many(cid for cid in wanted if cid.digest not in elsewhere)
        moved = self._moved(absent)
        if moved and self._place is not None:
            yield from self._place.get_many([cid for cid in absent if cid.digest in moved])

    def has(self, cid: Cid) -> bool:
        return not self.missing([cid])

    def missing(self, cids: Iterable[Cid]) -> list[Cid]:
        absent = self._local.missing(cids)
        moved = self._moved(absent)
        return [cid for cid in absent if cid.digest not in moved]

    def put(self, cid: Cid, data: bytes) -> None:
        self._local.put(cid, data)

    def put_many(self, blocks: Iterable[Block], *, durable: bool = True) -> None:
        self._local.put_many(blocks, durable=durable)

    def put_batch(self, batch: list[NewBlock], *, durable: bool = True, just_named: bool = False) -> BatchCount:
        return self._local.put_batch(batch, durable=durable, just_named=just_named)

    def flush(self) -> None:
        self._local.flush()

    def delete(self, cids: Iterable[Cid]) -> None:
        self._local.delete(cids)

    def cids(self) -> Iterator[Cid]:
        return self._local.cids()

    def find_frame(self, content: bytes) -> tuple[Cid, int] | None:
        """Return CID and stored size of the frame of a chunk, be it here or moved."""
        found = self._local.find_frame(content)
        if found is not None:
            return found
        with self._local.file.reading() as connection:
            rows = connection.execute("SELECT digest, codec, size FROM moved WHERE content = ?", (content,)).fetchall()
        return next(((cid_from_digest(digest, codec), size) for digest, codec, size in rows), None)

    def _moved(self, cids: Iterable[Cid]) -> set[bytes]:
        with self._local.file.reading() as connection:
            return {
                cid.digest for cid in cids if connection.execute("SELECT 1 FROM moved WHERE digest = ?", (cid.digest,)).fetchall()
            }
