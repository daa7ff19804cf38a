"""blocks.sqlite shrinks, keeps its log bounded, and says clearly when a disk is full or the file damaged."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.blockstores.blockfile import PAGE_SIZE
from catalog.blockstores.embedded import EmbeddedBlockstore
from catalog.errors import (
    BlockNotFoundError,
    CorruptHomeError,
    NewerHomeError,
    StorageError,
)
from catalog.ipld.cid import cid_of
from catalog.limits import WAL_LIMIT
from tests.blockstores.blocks import blocks_of, find_damaged, limit_pages
from tests.contracts.blockstore import A, B
from tests.needs import ROOT


def test_file_is_made_so_that_it_can_shrink(store: EmbeddedBlockstore) -> None:
    with store.file.reading() as connection:
        pragmas = [connection.execute(f"PRAGMA {pragma}").fetchone()[0] for pragma in ("page_size", "auto_vacuum", "journal_mode")]
    assert pragmas == [PAGE_SIZE, 2, "wal"]


def test_write_ahead_log_stays_bounded_under_a_slow_reader(store: EmbeddedBlockstore) -> None:
    store.put_many(blocks_of(10))
    reading = store.get_many([block.cid for block in blocks_of(10)])
    next(reading)  # a reader that goes on for ever holds no state of the file
    store.put_many(blocks_of(3000, salt=1))
    assert store.file.path.with_name("blocks.sqlite-wal").stat().st_size <= WAL_LIMIT
    assert len(list(reading)) == 9


def test_full_file_is_a_clean_failure(store: EmbeddedBlockstore) -> None:
    store.put_many(blocks_of(5))
    limit_pages(store, 40)
    with pytest.raises(StorageError, match="no space left") as caught:
        store.put_many(blocks_of(100, salt=2))
    assert "needs 4000000 bytes, has" in caught.value.why
    assert store.size().blocks == 5
    limit_pages(store, 4294967294)
    store.put_many(blocks_of(100, salt=2))
    assert find_damaged(store) == []


FULL_DISK = """
import resource, sys
from pathlib import Path
from catalog.blockstores.embedded import EmbeddedBlockstore
from catalog.errors import StorageError
from tests.blockstores.blocks import blocks_of
store = EmbeddedBlockstore(Path(sys.argv[1]))
store.put_many(blocks_of(20))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    store.put_many(blocks_of(400, salt=3))
except StorageError as error:
    print("refused:", error.why)
"""


@pytest.mark.parametrize("limit", [1_000_000, 2_500_000, 5_000_000, 9_000_000])
def test_full_disk_leaves_whole_blocks_only(tmp_path: Path, limit: int) -> None:
    """B15: a file that may not grow stands for a disk that is full."""
    path = tmp_path / "blocks.sqlite"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path), str(limit)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("refused:"), done.stderr
    store = EmbeddedBlockstore(path)
    assert store.missing(block.cid for block in blocks_of(20)) == []
    assert find_damaged(store) == []
    store.put_many(blocks_of(400, salt=3))
    store.close()


def test_read_only_directory_is_read(tmp_path: Path) -> None:
    writing = EmbeddedBlockstore(tmp_path / "blocks.sqlite")
    writing.put_many([A, B])
    writing.close()
    reading = EmbeddedBlockstore(tmp_path / "blocks.sqlite", read_only=True)
    assert reading.get(B.cid) == B.data
    with pytest.raises(StorageError):
        reading.put(*A)
    with pytest.raises(BlockNotFoundError):
        reading.get(cid_of(b"absent"))
    reading.close()


@pytest.mark.parametrize(
    "content", [b"no database at all, and long enough to have a header" * 50, b"SQLite format 3\x00" + bytes(4000)]
)
def test_other_file_is_a_corrupt_home(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "blocks.sqlite"
    path.write_bytes(content)
    with pytest.raises(CorruptHomeError):
        EmbeddedBlockstore(path)
    assert path.read_bytes() == content


def test_foreign_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "blocks.sqlite"
    foreign = sqlite3.connect(path)
    foreign.execute("CREATE TABLE their_table (x)")
    foreign.close()
    with pytest.raises(CorruptHomeError, match="not a file of dcat"):
        EmbeddedBlockstore(path)


def test_newer_file_names_the_version_needed(store: EmbeddedBlockstore) -> None:
    with store.file.transaction() as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'blocks-99'")
        connection.execute("UPDATE needs SET version = '9.1.0'")
    with pytest.raises(NewerHomeError) as caught:
        EmbeddedBlockstore(store.file.path)
    assert "9.1.0" in caught.value.why


@pytest.mark.slow
def test_log_stays_bounded_while_blocks_are_deleted(tmp_path: Path) -> None:
    """Returning space moves pages through the log; it is done a piece at a time."""
    path = tmp_path / "blocks.sqlite"
    blocks = blocks_of(2500)
    largest = 0

    def watch(label: str) -> None:
        nonlocal largest
        if deleting:
            largest = max(largest, path.with_name("blocks.sqlite-wal").stat().st_size)

    deleting = False
    store = EmbeddedBlockstore(path, crash_point=watch)
    store.put_many(blocks)
    deleting = True
    store.delete(block.cid for block in blocks[::2])
    assert 0 < largest <= WAL_LIMIT
    assert store.missing(block.cid for block in blocks[1::2]) == []
    assert find_damaged(store) == []
    with store.file.reading() as connection:
        assert connection.execute("PRAGMA freelist_count").fetchone() == (0,)
        assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
    store.shrink()
    store.close()
