"""The file ``blocks.sqlite``: its schema, readers and writer.

Rows and bytes of blocks are in two tables, so that listing, counting and looking for missing blocks never read the bytes. Blocks
are found by their 32-byte digest: CIDv0, CIDv1 and any codec name the same bytes. ``content`` is the digest of the chunk whose
frame a block is (the frame memo), and is deleted with the block. ``moved`` lists the blocks that another place holds for this home
(`catalog.blockstores.moved`), with their memo; ``here`` is 1 for those that were put here again. ``layers`` says which layer a
blob of a registry was (`catalog.blockstores.layers`). ``leases`` are in this file so that one transaction can check them and delete
blocks.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal

from catalog.errors import StorageError
from catalog.ipld.cid import Cid, cid_from_digest
from catalog.limits import WAL_LIMIT
from catalog.storage.database import Schema, open_schema
from catalog.storage.files import CrashPoint, no_crash
from catalog.storage.space import free_space
from catalog.storage.sqlite import bound_log, connect, translated

PAGE_SIZE: Final = 16384
_IDLE_READERS: Final = 8
_READER_CACHE: Final = 512  # KiB of pages for each; blocks are read once

_CIDS_A_QUERY: Final = 5000
_CHECKPOINT_PAGES: Final = 1000  # SQLite's own default
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
CREATE TABLE moved (
    digest BLOB NOT NULL PRIMARY KEY,
    codec INTEGER NOT NULL,
    size INTEGER NOT NULL,
    content BLOB,
    here INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX moved_content ON moved (content) WHERE content IS NOT NULL;
CREATE INDEX moved_here ON moved (here) WHERE here = 1;
CREATE TABLE leases (
    lease_id TEXT NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    host TEXT NOT NULL,
    process INTEGER NOT NULL,
    since TEXT NOT NULL,
    expires TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE flushes (flush_id INTEGER PRIMARY KEY, flushes INTEGER NOT NULL);
INSERT INTO flushes VALUES (1, 0);
CREATE TABLE layers (
    blob BLOB NOT NULL PRIMARY KEY,
    diff_id BLOB NOT NULL,
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    codec INTEGER NOT NULL,
    stored_size INTEGER NOT NULL,
    dag_size INTEGER NOT NULL,
    blob_size INTEGER
) WITHOUT ROWID;
CREATE TABLE provenance (
    archive BLOB NOT NULL,
    manifest BLOB NOT NULL,
    document BLOB NOT NULL,
    PRIMARY KEY (archive, manifest)
)
"""

# Set in another order, auto_vacuum would have no effect, and the file would never shrink.
SCHEMA: Final = Schema(
    name="blocks",
    revisions=("blocks_1", "blocks_2", "blocks_3"),
    needs="0.1.0",
    statements=lambda: _STATEMENTS.split(";"),
    pragmas=(f"page_size = {PAGE_SIZE}", "auto_vacuum = INCREMENTAL"),
    copied=False,
)


class BlockFile:
    """Connections to the file: one reader for each reading thread, and one writer. Any thread may use it."""

    def __init__(self, path: Path, *, read_only: bool = False, crash_point: CrashPoint = no_crash) -> None:
        """Open the file, and create it if it does not exist."""
        open_schema(path, SCHEMA, read_only=read_only, crash_point=crash_point)
        self.path = path
        self.read_only = read_only
        self._crash_point = crash_point
        self._readers: deque[sqlite3.Connection] = deque()  # unlike a queue, Ctrl-C cannot leave it locked
        self._writer: sqlite3.Connection | None = None
        self._write_lock = threading.Lock()
        self.keeps_log = False

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection for single statements; fetch all rows of each. Every statement sees the last commit."""
        with translated(self.path):
            try:
                connection = self._readers.pop()
            except IndexError:
                connection = connect(self.path, read_only=True)
                connection.execute(f"PRAGMA cache_size = -{_READER_CACHE}")
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            if len(self._readers) < _IDLE_READERS:
                self._readers.append(connection)
            else:
                connection.close()

    @contextmanager
    def transaction(
        self, *, durable: bool = True, compact: bool = False, spills: bool = True, needs: int | None = None
    ) -> Iterator[sqlite3.Connection]:
        """Yield a connection that holds the write lock. Its changes are committed when this ends, and undone when it raises.

        With ``durable=False`` they survive kill -9, but perhaps not a power cut. With ``compact`` the commit returns freed pages to
        the file system: it moves as many pages from the file's end through the log, so free a bounded number at a time. ``needs``
        is how many bytes are to be written. Without ``spills`` all changes are in memory until the commit, and pages that are freed
        again before it are never written.
        """
        with self._write_lock, translated(self.path, needs):
            connection = self._open_writer()
            if not self.keeps_log:
                bound_log(connection, self.path)
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.execute(f"PRAGMA cache_spill = {int(spills)}").fetchall()
            self._set_compacting(connection, compact)
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

    def cids(self, table: Literal["blocks", "moved"]) -> Iterator[Cid]:
        """Yield the CID (CIDv1) of every row of a table, by digest. No statement is open while the caller works."""
        after = b""
        while True:
            with self.reading() as connection:
                rows = connection.execute(
                    f"SELECT digest, codec FROM {table} WHERE digest > ? ORDER BY digest LIMIT ?",  # noqa: S608 (one of ours)
                    (after, _CIDS_A_QUERY),
                ).fetchall()
            if not rows:
                return
            after = rows[-1][0]
            yield from (cid_from_digest(digest, codec) for digest, codec in rows)

    @property
    def is_short_of_room(self) -> bool:
        """Whether the disk may not hold the log of a compacting transaction."""
        return free_space(self.path.parent) < 2 * WAL_LIMIT

    def keep_log(self) -> None:
        """Do not move the log into the file before something was deleted, if the disk may lack the room.

        What the log holds may be what is going to be deleted, such as the blocks of a publish that filled the disk. Moved into the
        file, it would take the room that deleting needs. Deleted in transactions that compact, it never is.
        """
        if self.is_short_of_room:
            self._set_keeping(True)

    def empty_kept_log(self) -> None:
        """Move a log that is kept into the file if that need not grow for it, and keep it no longer where there is room again."""
        with self.reading() as connection:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
        if pages * PAGE_SIZE <= self.path.stat().st_size + free_space(self.path.parent) // 4:
            self.truncate_log()
            if not self.is_short_of_room:
                self._set_keeping(False)

    def compact_slowly(self) -> None:
        """Return free pages to the file system in pieces that the disk has room for, however little; stop when it has none."""
        if self.keeps_log:
            with suppress(StorageError):
                while self._compact_some():
                    pass
            self._set_keeping(False)
        with suppress(StorageError):
            self.truncate_log()
            while self._compact_some():
                self.truncate_log()
            self.truncate_log()

    def _compact_some(self) -> bool:
        """Return some free pages, and whether there are more."""
        pages = max(1, free_space(self.path.parent) // 4 // PAGE_SIZE)
        with self.transaction() as connection:
            connection.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()
            (left,) = connection.execute("PRAGMA freelist_count").fetchone()
        return bool(left)

    def _set_keeping(self, keeps_log: bool) -> None:
        with self._write_lock, translated(self.path):
            self._open_writer().execute(f"PRAGMA wal_autocheckpoint = {0 if keeps_log else _CHECKPOINT_PAGES}").fetchall()
            self.keeps_log = keeps_log

    def finish_deleting(self) -> None:
        """Let the file be as short as it can be, after a transaction that deleted."""
        if self.is_short_of_room:
            self.compact_slowly()
        else:
            self.truncate_log()

    def truncate_log(self) -> None:
        """Move the write-ahead log into the file, so that a file that shrank takes less space at once."""
        with self._write_lock, translated(self.path):
            self._open_writer().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close all connections; no other thread may be using them."""
        while self._readers:
            self._readers.pop().close()
        if self._writer is not None:  # last: it empties the log, which a reader cannot
            self._writer.close()
            self._writer = None

    def _set_compacting(self, connection: sqlite3.Connection, compact: bool) -> None:
        """Set whether commits return freed pages to the file system.

        `PRAGMA incremental_vacuum` searches the list of free pages for each page: 1 GB took half a minute. The mode is stored in
        the file and setting it is a commit, so it is set only if it differs.
        """
        full, incremental = 1, 2
        wanted = full if compact else incremental
        if connection.execute("PRAGMA auto_vacuum").fetchone() != (wanted,):
            connection.execute(f"PRAGMA auto_vacuum = {wanted}").fetchall()

    def _open_writer(self) -> sqlite3.Connection:
        if self.read_only:
            raise StorageError(f"{self.path} cannot be written")
        if self._writer is None:
            self._writer = connect(self.path)
        return self._writer
