"""The blockstore of a home: blocks in one SQLite file, ``blocks.sqlite``.

After a crash every transaction that was reported as done is there in whole, and no other is there in part; the next opening needs
no repair. Several processes may use the file at once. A block that was damaged on the disk is noticed when it is read.

Considered: one file a block (a publish of 3,000 blocks took 3,000 fsyncs, and a million files are slow to list and to copy); pack
files with an index of our own (fast, but crash safety and shrinking would be ours to prove). Chosen: SQLite, which has both, and
reads blocks below 100 KB as fast as files.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from catalog.blockstores.blockfile import BlockFile
from catalog.blockstores.rows import (
    BatchCount,
    NewBlock,
    delete_some,
    find_present,
    find_size,
    insert_batch,
    read_block,
    read_blocks,
    read_start,
)
from catalog.errors import BlockMismatchError, BlockNotFoundError
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid, cid_from_digest, verify_block
from catalog.limits import BLOCK_BATCH_SIZE
from catalog.storage.files import CrashPoint, no_crash

_BLOCKS_A_QUERY: Final = 32
_LOOKED_UP_A_QUERY: Final = 256


class StoreSize(NamedTuple):
    """The number and total size of a store's blocks, and the size of its file."""

    blocks: int
    bytes: int
    file_size: int


class EmbeddedBlockstore:
    """The blockstore of a home. Any thread may call its methods; close it when done.

    `put_batch`, `read_start`, `find_frame`, `sizes` and `size` go beyond the `Blockstore` protocol.
    """

    def __init__(self, path: Path, *, read_only: bool = False, crash_point: CrashPoint = no_crash) -> None:
        """Open the file ``path``, and create it if it does not exist.

        Raise `CorruptHomeError`, `NewerHomeError`, `StorageError`.
        """
        self.file = BlockFile(path, read_only=read_only, crash_point=crash_point)
        self._damaged: set[bytes] = set()

    def get(self, cid: Cid) -> bytes:
        """Return the block, verified. A damaged one raises `BlockMismatchError`, and counts as absent from then on."""
        with self.file.reading() as connection:
            data = read_block(connection, cid.digest)
        if data is None:
            raise BlockNotFoundError(f"block {cid} is not here")
        return self._verified(cid, data)

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        """Yield those of ``cids`` that are here, verified, each distinct block once, in their order.

        Several are read by one query, at most `READ_A_QUERY` bytes and one block more. None is open while the caller works.
        """
        seen: set[bytes] = set()
        wanted: deque[Cid] = deque()
        for cid in cids:
            digest = cid.binary[-32:]
            if digest not in seen:
                seen.add(digest)
                wanted.append(cid)
            if len(wanted) == _BLOCKS_A_QUERY:
                yield from self._read_some(wanted)
        while wanted:
            yield from self._read_some(wanted)

    def _read_some(self, wanted: deque[Cid]) -> Iterator[Block]:
        """Take some CIDs from the left of ``wanted`` and yield their blocks, verified."""
        digests = [cid.binary[-32:] for cid in wanted]
        with self.file.reading() as connection:
            found, last = read_blocks(connection, digests)
        for digest in digests:
            cid = wanted.popleft()
            data = found.pop(digest, None)
            if data is not None:
                yield Block(cid, self._verified(cid, data))
            if digest == last:
                return

    def read_start(self, cid: Cid, size: int) -> bytes | None:
        """Return the first bytes of a block, at most ``size``, without reading or verifying the rest; None where it is not here.

        Nothing shows that they are right: whoever uses them must find out in another way.
        """
        if cid.digest in self._damaged:
            return None
        with self.file.reading() as connection:
            return read_start(connection, cid.digest, size)

    def has(self, cid: Cid) -> bool:
        return not self.missing([cid])

    def missing(self, cids: Iterable[Cid]) -> list[Cid]:
        """Return those of ``cids`` that are not here, each block once, in their order. Damaged ones count as missing."""
        distinct: dict[bytes, Cid] = {}
        for cid in cids:
            distinct.setdefault(cid.digest, cid)
        wanted = [digest for digest in distinct if digest not in self._damaged]
        with self.file.reading() as connection:
            for start in range(0, len(wanted), _LOOKED_UP_A_QUERY):
                some = wanted[start : start + _LOOKED_UP_A_QUERY]
                for digest in find_present(connection, some):
                    del distinct[digest]
        return list(distinct.values())

    def sizes(self, cids: Iterable[Cid]) -> dict[Cid, int]:
        """Return the sizes of those of ``cids`` that are here, without reading them."""
        found: dict[Cid, int] = {}
        with self.file.reading() as connection:
            for cid in cids:
                size = find_size(connection, cid.digest)
                if size is not None:
                    found[cid] = size
        return found

    def put(self, cid: Cid, data: bytes) -> None:
        self.put_many([Block(cid, data)])

    def put_many(self, blocks: Iterable[Block], *, durable: bool = True) -> None:
        """Keep all blocks, in one transaction for each `BLOCK_BATCH_SIZE` bytes."""
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

    def put_batch(self, batch: Sequence[NewBlock], *, durable: bool = True, just_named: bool = False) -> BatchCount:
        """Verify the blocks, keep them in one transaction, and return what was new. A damaged block is replaced.

        With ``just_named`` frames that have their ``content`` are not hashed again: this process made them and their CIDs.
        With ``durable=False`` they survive kill -9, but a power cut only after a later durable batch or `flush`.
        """
        for (cid, data), content in batch:
            if content is None or not just_named:
                verify_block(cid, data)
        total = sum(len(new.block.data) for new in batch)
        with self.file.transaction(durable=durable, needs=total) as connection:
            count, known = insert_batch(connection, batch, self._damaged)
        self._damaged.difference_update(known)
        return count

    def flush(self) -> None:
        """Make durable what was put with ``durable=False``."""
        with self.file.transaction() as connection:
            connection.execute("UPDATE flushes SET flushes = flushes + 1")  # a commit syncs the log only if it wrote to it

    def find_frame(self, content: bytes) -> tuple[Cid, int] | None:
        """Return CID and stored size of the frame that this home's own encoder made of the chunk with this sha2-256."""
        with self.file.reading() as connection:
            rows = connection.execute("SELECT digest, codec, size FROM blocks WHERE content = ?", (content,)).fetchall()
        for digest, codec, size in rows:
            if digest not in self._damaged:
                return cid_from_digest(digest, codec), size
        return None

    def newest_first(self, digests: Iterable[bytes]) -> list[bytes]:
        """Return digests in the order in which their blocks were written, the last one first; then those without a block."""
        with self.file.reading() as connection:
            written = dict(connection.execute("SELECT digest, payload_id FROM blocks").fetchall())
        return sorted(digests, key=lambda digest: written.get(digest, -1), reverse=True)

    def delete(self, cids: Iterable[Cid]) -> None:
        """Delete the blocks, and return their space to the file system."""
        digests = iter([cid.digest for cid in cids])
        taken = 1
        while taken:
            with self.file.transaction(compact=not self.file.is_short_of_room) as connection:
                taken, _ = delete_some(connection, digests)
        self.file.finish_deleting()

    def shrink(self) -> None:
        """Return the free pages of the file to the file system. Deleting and sweeping do that by themselves."""
        if self.file.is_short_of_room:
            self.file.compact_slowly()
            return
        with self.file.transaction(compact=True) as connection:
            connection.execute("UPDATE flushes SET flushes = flushes + 1")  # a commit without a change moves no page
        self.file.truncate_log()

    def cids(self) -> Iterator[Cid]:
        """Yield the CID (CIDv1) of every block that is here."""
        return self.file.cids("blocks")

    def size(self) -> StoreSize:
        """Return how much is here."""
        with self.file.reading() as connection:
            blocks, total = connection.execute("SELECT count(*), coalesce(sum(size), 0) FROM blocks").fetchone()
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        return StoreSize(blocks, total, pages * page_size)

    def close(self) -> None:
        """Close all connections; no other thread may be using the store."""
        self.file.close()

    def _verified(self, cid: Cid, data: bytes) -> bytes:
        try:
            verify_block(cid, data)
        except BlockMismatchError:
            self._damaged.add(cid.digest)
            raise
        return data
