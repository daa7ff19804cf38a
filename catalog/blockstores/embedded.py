"""Blocks in one SQLite file, ``blocks.sqlite``: the default store of a home, with nothing to install and nothing to run.

After a crash every transaction that was reported as done is there in whole and no other is there at all; the next opening needs
no repair. Several processes may use the file at once. What rots on the disk is noticed when it is read.

Considered: one file a block (a publish of 3,000 blocks took 3,000 fsyncs, and a million files are slow to list and to copy); packs
with an index of our own (fast, but crash safety and shrinking would be ours to prove); SQLite: both are its trade, and below
100 KB it reads as fast as files.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from catalog.blockstores.blockfile import BlockFile
from catalog.errors import BlockMismatchError, BlockNotFoundError
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid, cid_from_digest, verify_block
from catalog.limits import BLOCK_BATCH_SIZE, WAL_LIMIT
from catalog.storage.sqlite import CrashPoint, no_crash

_DELETES_A_TRANSACTION: Final = 10_000
_FREED_A_TRANSACTION: Final = WAL_LIMIT // 3


class NewBlock(NamedTuple):
    """A block to be kept; ``content`` is the sha2-256 of the chunk whose frame it is, where this home's own encoder made it."""

    block: Block
    content: bytes | None = None


class BatchCount(NamedTuple):
    """What a batch added to a store."""

    new_blocks: int = 0
    new_bytes: int = 0


class StoreSize(NamedTuple):
    """What a store holds, and what its file takes."""

    blocks: int
    bytes: int
    file_size: int


class EmbeddedBlockstore:
    """The blockstore of a home. Its methods may be called from any thread; close it when done."""

    def __init__(self, path: Path, *, read_only: bool = False, crash_point: CrashPoint = no_crash) -> None:
        """Open ``path`` (a file), making it where it does not exist.

        Raises `CorruptHomeError`, `NewerHomeError`, `StorageError`.
        """
        self.file = BlockFile(path, read_only=read_only, crash_point=crash_point)
        self._rotten: set[bytes] = set()

    def get(self, cid: Cid) -> bytes:
        """Give the block, verified now; a block that rotted raises `BlockMismatchError` and counts as absent from then on."""
        with self.file.reading() as connection:
            data = _read(connection, cid)
        if data is None:
            raise BlockNotFoundError(f"block {cid} is not here")
        return self._verified(cid, data)

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        """Give those of ``cids`` that are here, verified, each distinct block once, in their order."""
        seen: set[bytes] = set()
        for cid in cids:
            if cid.digest in seen:
                continue
            seen.add(cid.digest)
            with self.file.reading() as connection:
                data = _read(connection, cid)
            if data is not None:
                yield Block(cid, self._verified(cid, data))

    def has(self, cid: Cid) -> bool:
        return not self.missing([cid])

    def missing(self, cids: Iterable[Cid]) -> list[Cid]:
        """Give those of ``cids`` that are not here, each block once, in their order; rotten blocks are missing too."""
        distinct: dict[bytes, Cid] = {}
        for cid in cids:
            distinct.setdefault(cid.digest, cid)
        with self.file.reading() as connection:
            return [
                cid
                for digest, cid in distinct.items()
                if digest in self._rotten or not connection.execute("SELECT 1 FROM blocks WHERE digest = ?", (digest,)).fetchall()
            ]

    def sizes(self, cids: Iterable[Cid]) -> dict[Cid, int]:
        """Give the sizes of those of ``cids`` that are here, without reading them."""
        found: dict[Cid, int] = {}
        with self.file.reading() as connection:
            for cid in cids:
                for (size,) in connection.execute("SELECT size FROM blocks WHERE digest = ?", (cid.digest,)).fetchall():
                    found[cid] = size
        return found

    def put(self, cid: Cid, data: bytes) -> None:
        self.put_many([Block(cid, data)])

    def put_many(self, blocks: Iterable[Block], *, durable: bool = True) -> None:
        """Store all blocks, in several transactions where they are many."""
        stream = iter(blocks)
        batch: list[NewBlock] = []
        pending = 0
        for block in stream:
            batch.append(NewBlock(block))
            pending += len(block.data)
            if pending >= BLOCK_BATCH_SIZE:
                self.put_batch(batch, durable=durable)
                batch, pending = [], 0
        if batch:
            self.put_batch(batch, durable=durable)

    def put_batch(self, batch: Sequence[NewBlock], *, durable: bool = True) -> BatchCount:
        """Keep the blocks in one transaction, verified first; tell what was new. One that rotted is written anew.

        Not ``durable``, it survives kill -9 but perhaps not a power cut, until a durable batch or `flush` follows.
        """
        for (cid, data), _ in batch:
            verify_block(cid, data)
        count = size = 0
        total = sum(len(new.block.data) for new in batch)
        with self.file.transaction(durable=durable, needs=total) as connection:
            (next_id,) = connection.execute("SELECT coalesce(max(payload_id), 0) + 1 FROM payloads").fetchone()
            payloads: list[tuple[int, bytes]] = []
            rows: list[tuple[bytes, int, int, int, bytes | None]] = []
            known: set[bytes] = set()
            for (cid, data), content in batch:
                digest = cid.digest
                if digest in self._rotten and digest not in known:
                    delete_some(connection, iter([digest]))
                elif digest in known or connection.execute("SELECT 1 FROM blocks WHERE digest = ?", (digest,)).fetchall():
                    if content is not None:
                        connection.execute("UPDATE blocks SET content = ? WHERE digest = ? AND content IS NULL", (content, digest))
                    continue
                known.add(digest)
                payload_id = next_id + count
                payloads.append((payload_id, data))
                rows.append((digest, cid.codec, len(data), payload_id, content))
                count += 1
                size += len(data)
            connection.executemany("INSERT INTO payloads VALUES (?, ?)", payloads)
            connection.executemany("INSERT INTO blocks VALUES (?, ?, ?, ?, ?)", rows)
            connection.executemany("UPDATE moved SET here = 1 WHERE digest = ?", ((row[0],) for row in rows))
        self._rotten.difference_update(known)
        return BatchCount(count, size)

    def flush(self) -> None:
        """Make durable what was put in batches that were not."""
        with self.file.transaction() as connection:
            connection.execute("UPDATE flushes SET flushes = flushes + 1")  # a commit syncs the log only if it wrote to it

    def find_frame(self, content: bytes) -> tuple[Cid, int] | None:
        """Give the CID and the stored size of the frame that this home's own encoder made of the chunk with this sha2-256."""
        with self.file.reading() as connection:
            rows = connection.execute("SELECT digest, codec, size FROM blocks WHERE content = ?", (content,)).fetchall()
        for digest, codec, size in rows:
            if digest not in self._rotten:
                return cid_from_digest(digest, codec), size
        return None

    def delete(self, cids: Iterable[Cid]) -> None:
        """Forget the blocks, and give their space back to the file system."""
        digests = iter([cid.digest for cid in cids])
        taken = 1
        while taken:
            with self.file.transaction(compact=True) as connection:
                taken, _ = delete_some(connection, digests)
        self.file.truncate_log()

    def shrink(self) -> None:
        """Give space that is still free within the file back to the file system; `delete` and sweeping do that by themselves."""
        with self.file.transaction(compact=True) as connection:
            connection.execute("UPDATE flushes SET flushes = flushes + 1")  # a commit without a change moves nothing
        self.file.truncate_log()

    def cids(self) -> Iterator[Cid]:
        """Give the CID (CIDv1) of every block that is here."""
        return self.file.cids("blocks")

    def find_rotten(self) -> Iterator[Cid]:
        """Read every block and give the CIDs of those that do not match; they count as absent from then on."""
        for cid in self.cids():
            try:
                self.get(cid)
            except BlockMismatchError:
                yield cid
            except BlockNotFoundError:
                continue  # deleted meanwhile

    def size(self) -> StoreSize:
        """Tell how much is here."""
        with self.file.reading() as connection:
            blocks, total = connection.execute("SELECT count(*), coalesce(sum(size), 0) FROM blocks").fetchone()
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        return StoreSize(blocks, total, pages * page_size)

    def close(self) -> None:
        """Close all connections; no other thread may be at work in the store."""
        self.file.close()

    def _verified(self, cid: Cid, data: bytes) -> bytes:
        try:
            verify_block(cid, data)
        except BlockMismatchError:
            self._rotten.add(cid.digest)
            raise
        return data


def _read(connection: sqlite3.Connection, cid: Cid) -> bytes | None:
    """Give the bytes that stand under a digest; None where there is no such block. One that lost its bytes has rotted."""
    rows = connection.execute(
        "SELECT data FROM blocks LEFT JOIN payloads USING (payload_id) WHERE digest = ?", (cid.digest,)
    ).fetchall()
    if not rows:
        return None
    data = rows[0][0]
    return data if isinstance(data, bytes) else b""


def delete_some(connection: sqlite3.Connection, digests: Iterator[bytes], *, forget: bool = False) -> tuple[int, int]:
    """Take digests, and delete their blocks, until a bounded number of bytes is freed; call it in a compacting transaction.

    With ``forget``, that another place holds them is forgotten too.
    Gives how many digests were taken (0: there are no more), and how many of their blocks were there.
    """
    taken = deleted = freed = 0
    for digest in digests:
        taken += 1
        for size, payload_id in connection.execute("SELECT size, payload_id FROM blocks WHERE digest = ?", (digest,)).fetchall():
            connection.execute("DELETE FROM payloads WHERE payload_id = ?", (payload_id,))
            connection.execute("DELETE FROM blocks WHERE digest = ?", (digest,))
            deleted += 1
            freed += size
        if forget:
            connection.execute("DELETE FROM moved WHERE digest = ?", (digest,))
        if freed >= _FREED_A_TRANSACTION or taken >= _DELETES_A_TRANSACTION:
            break
    return taken, deleted
