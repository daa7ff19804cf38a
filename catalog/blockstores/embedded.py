"""Blocks in one SQLite file, ``blocks.sqlite``: the default store of a home, with nothing to install and nothing to run.

After a crash every transaction that was reported as done is there in whole and no other is there at all; the next opening needs
no repair. Several processes may use the file at once. What rots on the disk is noticed when it is read.

A block's row and its bytes stand in two tables, so that listing, counting and asking for what is missing never touch the bytes.
Blocks are found by their 32-byte digest: CIDv0, CIDv1 and any codec name the same bytes. ``content`` remembers which chunk's own
frame a block is (the frame memo); it goes with the block.

Considered: one file a block (a publish of 3,000 blocks took 3,000 fsyncs, and a million files are slow to list and to copy); packs
with an index of our own (fast, but crash safety and shrinking would be ours to prove); SQLite: both are its trade, and below
100 KB it reads as fast as files.
"""

import queue
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from catalog.blockstores.base import Block
from catalog.database import CrashPoint, Schema, connect, no_crash, open_schema, translated
from catalog.errors import BlockMismatchError, BlockNotFoundError, StorageError
from catalog.ipld.cid import Cid, cid_from_digest, verify_block
from catalog.limits import BLOCK_BATCH_SIZE, WAL_LIMIT

PAGE_SIZE: Final = 16384
_IDLE_READERS: Final = 8
_CIDS_A_QUERY: Final = 5000
_DELETES_A_TRANSACTION: Final = 1000
_FREED_PAGES_A_TRANSACTION: Final = WAL_LIMIT // PAGE_SIZE // 4


_STATEMENTS: Final = """
CREATE TABLE payloads (payload_id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE blocks (
    digest BLOB NOT NULL PRIMARY KEY,
    codec INTEGER NOT NULL,
    size INTEGER NOT NULL,
    payload_id INTEGER NOT NULL,
    content BLOB
) WITHOUT ROWID;
CREATE INDEX blocks_content ON blocks (content) WHERE content IS NOT NULL;
CREATE TABLE leases (
    lease_id TEXT NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    host TEXT NOT NULL,
    process INTEGER NOT NULL,
    since TEXT NOT NULL,
    expires TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE flushes (flush_id INTEGER PRIMARY KEY, flushes INTEGER NOT NULL);
INSERT INTO flushes VALUES (1, 0)
"""

# In another order the file would never shrink (design.md, section 6).
SCHEMA: Final = Schema(
    name="blocks",
    revisions=("blocks-1",),
    needs="0.1.0",
    statements=lambda: _STATEMENTS.split(";"),
    pragmas=(f"page_size = {PAGE_SIZE}", "auto_vacuum = INCREMENTAL"),
    copied=False,
)


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
        open_schema(path, SCHEMA, read_only=read_only, crash_point=crash_point)
        self.path = path
        self.read_only = read_only
        self._crash_point = crash_point
        self._readers: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._writer: sqlite3.Connection | None = None
        self._write_lock = threading.Lock()
        self._rotten: set[bytes] = set()

    def get(self, cid: Cid) -> bytes:
        """Give the block, verified now; a block that rotted raises `BlockMismatchError` and counts as absent from then on."""
        with self._reading() as connection:
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
            with self._reading() as connection:
                data = _read(connection, cid)
            if data is not None:
                yield Block(cid, self._verified(cid, data))

    def has(self, cid: Cid) -> bool:
        return not self.missing([cid])

    def missing(self, cids: Iterable[Cid]) -> list[Cid]:
        """Give those of ``cids`` that are not here, each block once, in their order; rotten blocks are missing too."""
        distinct = {cid.digest: cid for cid in reversed(list(cids))}
        with self._reading() as connection:
            return [
                cid
                for digest, cid in reversed(distinct.items())
                if digest in self._rotten or not connection.execute("SELECT 1 FROM blocks WHERE digest = ?", (digest,)).fetchall()
            ]

    def sizes(self, cids: Iterable[Cid]) -> dict[Cid, int]:
        """Give the sizes of those of ``cids`` that are here, without reading them."""
        found: dict[Cid, int] = {}
        with self._reading() as connection:
            for cid in cids:
                for (size,) in connection.execute("SELECT size FROM blocks WHERE digest = ?", (cid.digest,)).fetchall():
                    found[cid] = size
        return found

    def put(self, cid: Cid, data: bytes) -> None:
        self.put_many([Block(cid, data)])

    def put_many(self, blocks: Iterable[Block]) -> None:
        """Keep all blocks: in several transactions where they are many, and durable when this returns."""
        stream = iter(blocks)
        batch: list[NewBlock] = []
        pending = 0
        for block in stream:
            batch.append(NewBlock(block))
            pending += len(block.data)
            if pending >= BLOCK_BATCH_SIZE:
                self.put_batch(batch)
                batch, pending = [], 0
        if batch:
            self.put_batch(batch)

    def put_batch(self, batch: Sequence[NewBlock], *, durable: bool = True) -> BatchCount:
        """Keep the blocks in one transaction, verified first; tell what was new. One that rotted is written anew.

        Not ``durable``, it survives kill -9 but perhaps not a power cut, until a durable batch or `flush` follows.
        """
        for (cid, data), _ in batch:
            verify_block(cid, data)
        count = size = 0
        total = sum(len(new.block.data) for new in batch)
        with self._writing(durable=durable, needs=total) as connection:
            (next_id,) = connection.execute("SELECT coalesce(max(payload_id), 0) + 1 FROM payloads").fetchone()
            payloads: list[tuple[int, bytes]] = []
            rows: list[tuple[bytes, int, int, int, bytes | None]] = []
            known: set[bytes] = set()
            for (cid, data), content in batch:
                digest = cid.digest
                if digest in self._rotten and digest not in known:
                    _delete(connection, [digest])
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
        self._rotten.difference_update(known)
        return BatchCount(count, size)

    def flush(self) -> None:
        """Make durable what was put in batches that were not."""
        with self._writing() as connection:
            connection.execute("UPDATE flushes SET flushes = flushes + 1")  # a commit syncs the log only if it wrote to it

    def find_frame(self, content: bytes) -> tuple[Cid, int] | None:
        """Give the CID and the stored size of the frame that this home's own encoder made of the chunk with this sha2-256."""
        with self._reading() as connection:
            rows = connection.execute("SELECT digest, codec, size FROM blocks WHERE content = ?", (content,)).fetchall()
        for digest, codec, size in rows:
            if digest not in self._rotten:
                return cid_from_digest(digest, codec), size
        return None

    def delete(self, cids: Iterable[Cid]) -> None:
        """Forget the blocks, and give their space back to the file system."""
        stream = iter(cids)
        while some := [cid.digest for cid in islice(stream, _DELETES_A_TRANSACTION)]:
            with self._writing() as connection:
                _delete(connection, some)
            self._rotten.difference_update(some)
        self.shrink()

    def shrink(self) -> None:
        """Give free pages back to the file system, a bounded piece of the log at a time."""
        while True:
            with self._writing() as connection:
                if not connection.execute("PRAGMA freelist_count").fetchone()[0]:
                    break
                connection.execute(f"PRAGMA incremental_vacuum({_FREED_PAGES_A_TRANSACTION})").fetchall()
        with self._write_lock, translated(self.path):
            self._open_writer().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def cids(self) -> Iterator[Cid]:
        """Give the CID (CIDv1) of every block that is here."""
        after = b""
        while True:
            with self._reading() as connection:
                rows = connection.execute(
                    "SELECT digest, codec FROM blocks WHERE digest > ? ORDER BY digest LIMIT ?", (after, _CIDS_A_QUERY)
                ).fetchall()
            if not rows:
                return
            after = rows[-1][0]
            yield from (cid_from_digest(digest, codec) for digest, codec in rows)

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
        with self._reading() as connection:
            blocks, total = connection.execute("SELECT count(*), coalesce(sum(size), 0) FROM blocks").fetchone()
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        return StoreSize(blocks, total, pages * page_size)

    def close(self) -> None:
        """Close all connections; no other thread may be at work in the store."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        while not self._readers.empty():
            self._readers.get_nowait().close()

    def _verified(self, cid: Cid, data: bytes) -> bytes:
        try:
            verify_block(cid, data)
        except BlockMismatchError:
            self._rotten.add(cid.digest)
            raise
        return data

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with translated(self.path):
            try:
                connection = self._readers.get_nowait()
            except queue.Empty:
                connection = connect(self.path, read_only=True)
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            if self._readers.qsize() < _IDLE_READERS:
                self._readers.put(connection)
            else:
                connection.close()

    def _open_writer(self) -> sqlite3.Connection:
        if self.read_only:
            raise StorageError(f"{self.path} cannot be written")
        if self._writer is None:
            self._writer = connect(self.path)
        return self._writer

    @contextmanager
    def _writing(self, *, durable: bool = True, needs: int | None = None) -> Iterator[sqlite3.Connection]:
        with self._write_lock, translated(self.path, needs):
            connection = self._open_writer()
            self._bound_log(connection)
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                self._crash_point("blocks: before commit")
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            self._crash_point("blocks: after commit")

    def _bound_log(self, connection: sqlite3.Connection) -> None:
        """Wait for readers and empty the write-ahead log where they kept it from being emptied on the way."""
        try:
            size = self.path.with_name(self.path.name + "-wal").stat().st_size
        except FileNotFoundError:
            return
        if size > WAL_LIMIT - 2 * BLOCK_BATCH_SIZE:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _read(connection: sqlite3.Connection, cid: Cid) -> bytes | None:
    rows = connection.execute("SELECT data FROM payloads JOIN blocks USING (payload_id) WHERE digest = ?", (cid.digest,)).fetchall()
    return rows[0][0] if rows else None


def _delete(connection: sqlite3.Connection, digests: Sequence[bytes]) -> None:
    for digest in digests:
        connection.execute("DELETE FROM payloads WHERE payload_id = (SELECT payload_id FROM blocks WHERE digest = ?)", (digest,))
    connection.executemany("DELETE FROM blocks WHERE digest = ?", ((digest,) for digest in digests))
