"""Blocks as rows of ``blocks.sqlite``: the queries over one connection. Nothing is verified here.

A block is a row in ``blocks``, its bytes are a row in ``payloads``: looking up, counting and listing read no bytes. The numbers of
payloads grow, so they tell in which order blocks were written. The tables are made in ``migrations/blocks/``.
"""

import sqlite3
from collections.abc import Iterator, Sequence, Set
from functools import cache
from typing import Final, NamedTuple

from catalog.ipld.block import Block
from catalog.limits import KIB, WAL_LIMIT

_DELETES_A_TRANSACTION: Final = 10_000
READ_A_QUERY: Final = 256 * KIB
FREED_A_TRANSACTION: Final = WAL_LIMIT // 3  # compacting sends as much through the log


class NewBlock(NamedTuple):
    """A block to keep. ``content`` is the sha2-256 of the chunk whose frame it is, if this home's own encoder made it."""

    block: Block
    content: bytes | None = None


class BatchCount(NamedTuple):
    """What a batch added to a store."""

    new_blocks: int = 0
    new_bytes: int = 0


def read_block(connection: sqlite3.Connection, digest: bytes) -> bytes | None:
    """Return the bytes of a block; None if there is no such block, and no bytes for a row that lost its payload."""
    rows = connection.execute(
        "SELECT data FROM blocks LEFT JOIN payloads USING (payload_id) WHERE digest = ?", (digest,)
    ).fetchall()
    return _bytes_of(rows[0][0]) if rows else None


def read_blocks(connection: sqlite3.Connection, digests: Sequence[bytes]) -> tuple[dict[bytes, bytes], bytes]:
    """Return the blocks of the first of ``digests``, as `read_block` does, and the last digest of which that is known.

    Reading stops once there are `READ_A_QUERY` bytes.
    """
    found: dict[bytes, bytes] = {}
    last, room = digests[-1], READ_A_QUERY
    cursor = connection.execute(_select_many(len(digests)), digests)
    for digest, data in cursor:
        found[digest] = _bytes_of(data)
        room -= len(found[digest])
        if room <= 0:
            last = digest
            break
    cursor.close()
    return found, last


def read_start(connection: sqlite3.Connection, digest: bytes, size: int) -> bytes | None:
    """Return the first bytes of a block, at most ``size``, without reading the rest; None where it is not here."""
    for (payload_id,) in connection.execute("SELECT payload_id FROM blocks WHERE digest = ?", (digest,)).fetchall():
        try:
            with connection.blobopen("payloads", "data", payload_id, readonly=True) as blob:
                return blob.read(size)
        except sqlite3.OperationalError:  # the row lost its payload, or another process deleted the block just now
            return None
    return None


def find_present(connection: sqlite3.Connection, digests: Sequence[bytes]) -> list[bytes]:
    """Return those of ``digests`` that have a block."""
    return [digest for (digest,) in connection.execute(_look_up_many(len(digests)), digests).fetchall()]


def find_size(connection: sqlite3.Connection, digest: bytes) -> int | None:
    """Return the size of a block, without reading it; None where it is not here."""
    rows = connection.execute("SELECT size FROM blocks WHERE digest = ?", (digest,)).fetchall()
    return rows[0][0] if rows else None


def insert_batch(connection: sqlite3.Connection, batch: Sequence[NewBlock], damaged: Set[bytes]) -> tuple[BatchCount, set[bytes]]:
    """Insert the blocks that are not here, and those that are ``damaged`` anew; return what that added, and the digests.

    A block that is here learns its ``content``, if that was not known.
    """
    (next_id,) = connection.execute("SELECT coalesce(max(payload_id), 0) + 1 FROM payloads").fetchone()
    payloads: list[tuple[int, bytes]] = []
    rows: list[tuple[bytes, int, int, int, bytes | None]] = []
    known: set[bytes] = set()
    size = 0
    for (cid, data), content in batch:
        digest = cid.digest
        if digest in damaged and digest not in known:
            delete_some(connection, iter([digest]))
        elif digest in known or connection.execute("SELECT 1 FROM blocks WHERE digest = ?", (digest,)).fetchall():
            if content is not None:
                connection.execute("UPDATE blocks SET content = ? WHERE digest = ? AND content IS NULL", (content, digest))
            continue
        known.add(digest)
        payload_id = next_id + len(payloads)
        payloads.append((payload_id, data))
        rows.append((digest, cid.codec, len(data), payload_id, content))
        size += len(data)
    connection.executemany("INSERT INTO payloads VALUES (?, ?)", payloads)
    connection.executemany("INSERT INTO blocks VALUES (?, ?, ?, ?, ?)", rows)
    connection.executemany("UPDATE moved SET here = 1 WHERE digest = ?", ((row[0],) for row in rows))
    return BatchCount(len(rows), size), known


def delete_some(
    connection: sqlite3.Connection, digests: Iterator[bytes], *, forget: bool = False, most: int = FREED_A_TRANSACTION
) -> tuple[int, int]:
    """Delete the blocks of the next ``digests``, until ``most`` bytes are freed.

    With ``forget`` their rows in ``moved`` are deleted too. Return how many digests were taken (0: there are no more), and how many
    of them had a block.
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
        if freed >= most or taken >= _DELETES_A_TRANSACTION:
            break
    return taken, deleted


def _bytes_of(data: object) -> bytes:
    return data if isinstance(data, bytes) else b""


@cache
def _look_up_many(count: int) -> str:
    """Return a query for those of ``count`` blocks that are there: a third of the time of a query for each."""
    return f"SELECT digest FROM blocks WHERE digest IN ({', '.join('?' * count)})"  # noqa: S608 (placeholders only)


@cache
def _select_many(count: int) -> str:
    """Return a query for ``count`` blocks whose rows come in the order of its values: of a cross join SQLite reads the left side
    first.
    """
    values = ", ".join(["(?)"] * count)
    return (
        f"WITH wanted (digest) AS (VALUES {values}) "  # noqa: S608 (placeholders only)
        "SELECT digest, data FROM wanted CROSS JOIN blocks USING (digest) LEFT JOIN payloads USING (payload_id)"
    )
