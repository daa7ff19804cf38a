from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.blockstores.embedded import EmbeddedBlockstore
from catalog.blockstores.leasing import COLLECTING, hold_lease, sweep
from catalog.blockstores.memory import MemoryBlockstore
from catalog.blockstores.moved import ReachableBlocks, copy_moved, drop_copies, forget_moved, list_copies, list_moved, note_moved
from catalog.blockstores.rows import NewBlock
from catalog.errors import BlockNotFoundError, LockedError
from catalog.ipld.block import Block
from catalog.ipld.cid import RAW, cid_of
from tests.factory.times import NOW

MOVED, STAYS = (Block(cid_of(data, RAW), data) for data in (b"moved" * 5000, b"stays" * 5000))
MEMO = b"m" * 32


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedBlockstore]:
    opened = EmbeddedBlockstore(tmp_path / "blocks.sqlite")
    yield opened
    opened.close()


def drop_all(store: EmbeddedBlockstore) -> None:
    with hold_lease(store, COLLECTING, NOW) as own:
        drop_copies(store, list_copies(store), NOW, own)


@pytest.fixture
def held(store: EmbeddedBlockstore) -> ReachableBlocks:
    """A store from which one of two blocks moved."""
    store.put_batch([NewBlock(MOVED, MEMO), NewBlock(STAYS)])
    note_moved(store, [MOVED.cid, cid_of(b"never here", RAW)])
    assert list_copies(store) == [MOVED.cid]
    drop_all(store)
    place = MemoryBlockstore()
    place.put(*MOVED)
    return ReachableBlocks(store, place)


def test_what_moved_is_not_here_and_held(store: EmbeddedBlockstore, held: ReachableBlocks) -> None:
    both = [MOVED.cid, STAYS.cid]
    assert store.missing(both) == [MOVED.cid]
    with pytest.raises(BlockNotFoundError):
        store.get(MOVED.cid)
    assert list(store.cids()) == [STAYS.cid]
    assert store.size().bytes == len(STAYS.data)
    assert held.missing(both) == []
    assert held.get(MOVED.cid) == MOVED.data
    assert set(held.get_many(both)) == {MOVED, STAYS}
    assert list(list_moved(store)) == [MOVED.cid]


def test_the_memo_of_what_moved_stays(store: EmbeddedBlockstore, held: ReachableBlocks) -> None:
    assert store.find_frame(MEMO) is None
    assert held.find_frame(MEMO) == (MOVED.cid, len(MOVED.data))


def test_a_copy_that_is_put_again_is_noted_and_goes(store: EmbeddedBlockstore, held: ReachableBlocks) -> None:
    held.put(*MOVED)
    assert store.get(MOVED.cid) == MOVED.data
    assert list_copies(store) == [MOVED.cid]
    with hold_lease(store, COLLECTING, NOW) as own:
        with hold_lease(store, "a pull", NOW), pytest.raises(LockedError):
            drop_copies(store, list_copies(store), NOW, own)
        with pytest.raises(LockedError, match="another command ran"):  # it may have pinned what was found to be a copy
            drop_copies(store, list_copies(store), NOW, own)
    assert store.has(MOVED.cid)
    drop_all(store)
    assert not store.has(MOVED.cid)
    assert list_copies(store) == []
    assert held.find_frame(MEMO) == (MOVED.cid, len(MOVED.data))


def test_deleting_a_copy_forgets_nothing_and_sweeping_does(store: EmbeddedBlockstore, held: ReachableBlocks) -> None:
    held.put(*MOVED)
    store.delete([MOVED.cid])
    assert held.missing([MOVED.cid]) == []
    with hold_lease(store, COLLECTING, NOW) as own:
        sweep(store, [MOVED.cid], NOW, own=own)
    assert held.missing([MOVED.cid]) == [MOVED.cid]
    with pytest.raises(BlockNotFoundError):
        held.get(MOVED.cid)


def test_what_the_place_lost_is_forgotten(store: EmbeddedBlockstore, held: ReachableBlocks) -> None:
    forget_moved(store, [MOVED.cid])
    assert held.missing([MOVED.cid]) == [MOVED.cid]
    assert held.find_frame(MEMO) is None


def test_a_file_made_anew_knows_what_moved(store: EmbeddedBlockstore, held: ReachableBlocks, tmp_path: Path) -> None:
    held.put(*MOVED)
    anew = EmbeddedBlockstore(tmp_path / "anew.sqlite")
    with store.file.reading() as connection:
        copy_moved(connection, anew)
    assert list(list_moved(anew)) == [MOVED.cid]
    assert list_copies(anew) == []
    assert ReachableBlocks(anew).find_frame(MEMO) == (MOVED.cid, len(MOVED.data))
    anew.close()


def test_without_a_place_it_counts_and_cannot_be_read(store: EmbeddedBlockstore, held: ReachableBlocks) -> None:
    counting = ReachableBlocks(store)
    assert counting.missing([MOVED.cid]) == held.missing([MOVED.cid]) == []
    assert list(counting.get_many([MOVED.cid])) == []
    with pytest.raises(BlockNotFoundError):
        counting.get(MOVED.cid)
