"""Finding damaged files of a home, and salvaging blocks from one (docs/safety.md D6).

SQLite checks a file's structure; that its contents are readable is checked by reading them. The blocks themselves are not hashed
here: whoever reads one does that.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from catalog.blockstores.blockfile import SCHEMA as BLOCKS
from catalog.blockstores.embedded import EmbeddedBlockstore
from catalog.blockstores.moved import copy_moved
from catalog.blockstores.rows import NewBlock
from catalog.errors import CodecError, CorruptHomeError, DcatError, StorageError
from catalog.home.home import ARRIVING_FILE, BLOCKS_FILE, INDEX_FILE, TRUST_FILE, Home
from catalog.ipld.block import Block
from catalog.ipld.cid import DAG_PB, RAW, cid_from_digest
from catalog.ipld.dag_pb import decode_node
from catalog.limits import BLOCK_BATCH_SIZE, MAX_BLOCK_SIZE
from catalog.snapshot.line import decode_line
from catalog.storage.database import Schema, find_missing
from catalog.storage.files import sync_directory
from catalog.storage.sqlite import connect, require_room, translated

_LINES = {"releases", "unshared"}
_MOST_PAYLOADS_A_PAGE = 64
_NEXT_PAYLOAD = """
SELECT payload_id, data FROM payloads WHERE payload_id > ? AND length(data) <= ? ORDER BY payload_id LIMIT 1
"""
# Rows that contradict their bytes, and the difference between the numbers of rows and of payloads.
_COUNT_ODD = """
SELECT count(*) FILTER (WHERE typeof(data) != 'blob' OR size != length(data) OR codec NOT IN (?, ?)),
    (SELECT count(*) FROM blocks) - (SELECT count(*) FROM payloads)
FROM blocks LEFT JOIN payloads USING (payload_id)
"""


@dataclass(frozen=True, slots=True)
class DamagedFile:
    """A damaged file of the home, and the first problem that was found in it."""

    path: Path
    problem: str


def find_damaged_files(home: Home) -> list[DamagedFile]:
    """Return the damaged files of the home. None of its files needs to be open, or possible to open.

    Raise `StorageError` if the disk is full: SQLite cannot check files then, and what it says is not damage.
    """
    from catalog.index.schema import SCHEMA as INDEX
    from catalog.trust.schema import SCHEMA as TRUST

    require_room(home.path)
    found = []
    for file, schema in ((TRUST_FILE, TRUST), (INDEX_FILE, INDEX), (BLOCKS_FILE, BLOCKS), (ARRIVING_FILE, BLOCKS)):
        path = home.path / file
        if path.exists() and (problem := _find_problem(path, schema, contents=schema is not BLOCKS)):
            found.append(DamagedFile(path, problem))
    return found


def salvage_blocks(home: Home) -> int:
    """Replace a damaged ``blocks.sqlite`` by one with the blocks that can still be read; return their number.

    The damaged file is put aside. No other command may be running in the home. A crash leaves the old file or the new one.
    """
    home.close_file("blocks")
    path = home.path / BLOCKS_FILE
    made = path.with_name(f"{BLOCKS_FILE}.salvaged")
    for ending in ("", "-wal", "-shm"):
        made.with_name(made.name + ending).unlink(missing_ok=True)
    store = EmbeddedBlockstore(made, crash_point=home.crash_point)
    try:
        count = _copy_readable(path, store)
    finally:
        store.close()
    aside = path.with_name(f"{BLOCKS_FILE}.damaged")
    aside.unlink(missing_ok=True)
    try:
        aside.hardlink_to(path)
    except OSError:  # on a file system without links; unlike a rename, this leaves no moment without a file of blocks
        shutil.copyfile(path, aside)
    home.crash_point("salvage: before rename")
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    made.replace(path)
    sync_directory(home.path)
    home.crash_point("salvage: after rename")
    return count


def discard_arriving(home: Home) -> None:
    """Delete ``arriving.sqlite``: a sync fetches again what was in it. No other command may be running in the home."""
    home.close_file("arriving")
    for ending in ("-wal", "-shm", ""):
        (home.path / f"{ARRIVING_FILE}{ending}").unlink(missing_ok=True)


def _find_problem(path: Path, schema: Schema, *, contents: bool) -> str:
    try:
        with translated(path), closing(connect(path, read_only=True)) as connection:
            (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if said != "ok":
                return str(said).splitlines()[-1]
            if missing := find_missing(path, connection, schema):
                return missing
            if contents:
                _read_all(connection)
            elif connection.execute(_COUNT_ODD, (RAW, DAG_PB)).fetchone() != (0, 0):
                return "blocks and their bytes do not agree"
    except StorageError:
        raise
    except CorruptHomeError as error:
        return error.why or error.message
    except (sqlite3.Error, DcatError) as error:
        return str(error)
    return ""


def _read_all(connection: sqlite3.Connection) -> None:
    """Read every row and decode every release line; raise `sqlite3.Error` or `DcatError` for what cannot be read."""
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'").fetchall()
    for (table,) in tables:
        rows = connection.execute(f'SELECT * FROM "{table}"')  # noqa: S608 (a name of the file's own)
        columns = [column[0] for column in rows.description]
        line = columns.index("line") if table in _LINES else None
        for row in rows:
            if (
                line is not None
                and f"{row[columns.index('name')]}@{row[columns.index('version')]}" != decode_line(row[line]).reference
            ):
                raise CorruptHomeError(f"a row of {table} holds another release than its columns name")


def _copy_readable(path: Path, store: EmbeddedBlockstore) -> int:
    count = pending = 0
    batch: list[NewBlock] = []
    try:
        connection = connect(path, read_only=True)
    except sqlite3.Error:
        return 0
    with closing(connection):
        for data in _read_payloads(connection):
            batch.append(_identify(connection, data))
            pending += len(data)
            count += 1
            if pending >= BLOCK_BATCH_SIZE:
                store.put_batch(batch, durable=False)
                batch, pending = [], 0
        store.put_batch(batch)
        with suppress(sqlite3.Error):
            copy_moved(connection, store)
    return count


def _identify(connection: sqlite3.Connection, data: bytes) -> NewBlock:
    """Return the block of a payload: as its row describes it, or, if that cannot be read, as a node if it decodes as one."""
    digest = sha256(data).digest()
    with suppress(sqlite3.Error):
        row = connection.execute("SELECT codec, content FROM blocks WHERE digest = ?", (digest,)).fetchone()
        if row is not None and row[0] in {RAW, DAG_PB}:
            content = row[1] if isinstance(row[1], bytes) and len(row[1]) == len(digest) else None
            return NewBlock(Block(cid_from_digest(digest, row[0]), data), content)
    codec = RAW
    with suppress(CodecError):
        decode_node(data)
        codec = DAG_PB
    return NewBlock(Block(cid_from_digest(digest, codec), data))


def _read_payloads(connection: sqlite3.Connection) -> Iterator[bytes]:
    """Yield every payload that can still be read, and skip the others."""
    after = failures = 0
    most_failures = _count_pages(connection) * _MOST_PAYLOADS_A_PAGE
    while failures <= most_failures:
        try:
            row = connection.execute(_NEXT_PAYLOAD, (after, MAX_BLOCK_SIZE)).fetchone()
        except sqlite3.Error:
            after += 1
            failures += 1
            continue
        if row is None or row[0] <= after:
            return
        after = row[0]
        if isinstance(row[1], bytes):
            yield row[1]


def _count_pages(connection: sqlite3.Connection) -> int:
    with suppress(sqlite3.Error):
        return int(connection.execute("PRAGMA page_count").fetchone()[0])
    return 0
