"""The writer keeps what it was given, tells what was new, and hands on the failures of its thread."""

import threading

import pytest

from catalog.blockstores.embedded import EmbeddedBlockstore
from catalog.blockstores.rows import BatchCount, NewBlock
from catalog.blockstores.writing import BlockWriter, FrameStore
from catalog.errors import StorageError
from catalog.image.dag import ChunkSink
from catalog.ipld.block import Block
from catalog.ipld.cid import cid_of
from tests.blockstores.blocks import blocks_of, limit_pages


def test_keeps_everything_and_counts(store: EmbeddedBlockstore) -> None:
    blocks = blocks_of(100)
    store.put_many(blocks[:10])
    with BlockWriter(store, batch_size=300_000) as writer:
        sink: ChunkSink = writer
        for block in blocks:
            sink.put_frame(block.cid.digest, block)
        sink.put_node(blocks[0])
    assert (writer.count.blocks, writer.count.new_blocks) == (101, 90)
    assert (writer.count.bytes, writer.count.new_bytes, writer.count.present_bytes) == (101 * 40_000, 90 * 40_000, 11 * 40_000)
    assert store.missing(block.cid for block in blocks) == []


def test_finds_frames_before_and_behind_their_commit(store: EmbeddedBlockstore) -> None:
    first, second = blocks_of(2)
    with BlockWriter(store, batch_size=1) as writer:
        assert writer.find_frame(b"1" * 32) is None
        writer.put_frame(b"1" * 32, first)
        assert writer.find_frame(b"1" * 32) == (first.cid, 40_000)
        writer.put_frame(b"2" * 32, second)
        writer.flush()
        assert writer.find_frame(b"1" * 32) == (first.cid, 40_000)
    assert writer.count.blocks == 4


def test_the_first_batches_are_small_and_each_is_reported(store: EmbeddedBlockstore) -> None:
    """Who waits for blocks finds them there when they are reported."""
    blocks = blocks_of(20)
    reported: list[tuple[int, int]] = []

    def note(new: int) -> None:
        reported.append((new, len(blocks) - len(store.missing(block.cid for block in blocks))))

    with BlockWriter(store, batch_size=240_000, first_size=40_000, stored=note) as writer:
        for block in blocks:
            writer.put_node(block)
    assert reported == [(40_000 * count, count) for count in (1, 3, 7, 13, 19, 20)]


def test_what_a_report_raises_reaches_the_caller(store: EmbeddedBlockstore) -> None:
    def refuse(_: int) -> None:
        raise StorageError("enough")

    writer = BlockWriter(store, batch_size=40_000, stored=refuse)
    with pytest.raises(StorageError, match="enough"), writer:
        writer.put_node(blocks_of(1)[0])
    assert "block writer" not in {thread.name for thread in threading.enumerate()}


def test_failure_of_the_thread_reaches_the_caller(store: EmbeddedBlockstore) -> None:
    limit_pages(store, 30)
    writer = BlockWriter(store, batch_size=400_000)

    def put_all() -> None:
        with writer:
            for block in blocks_of(1000):
                writer.put_node(block)

    with pytest.raises(StorageError):
        put_all()
    assert "block writer" not in {thread.name for thread in threading.enumerate()}


def test_block_that_does_not_match_is_refused(store: EmbeddedBlockstore) -> None:
    from catalog.errors import BlockMismatchError

    with pytest.raises(BlockMismatchError), BlockWriter(store) as writer:
        writer.put_node(Block(cid_of(b"a"), b"b"))


def test_nothing_is_written_behind_an_exception(store: EmbeddedBlockstore) -> None:
    def give_up() -> None:
        with BlockWriter(store) as writer:
            writer.put_node(blocks_of(1)[0])
            raise KeyError

    with pytest.raises(KeyError):
        give_up()
    assert store.size().blocks == 0


def test_memory_stays_bounded(store: EmbeddedBlockstore) -> None:
    """A writer waits for the disk instead of queueing."""

    class Slow:
        batches = 0
        put = 0

        def put_batch(self, batch: list[NewBlock], *, durable: bool = True, just_named: bool = False) -> BatchCount:
            assert self.put - self.batches <= 3  # this one, and two that wait
            self.batches += 1
            return BatchCount(len(batch), 0)

        def flush(self) -> None:
            pass

    slow = Slow()
    frame_store: FrameStore = slow  # type: ignore[assignment]
    writer = BlockWriter(frame_store, batch_size=100)
    with writer:
        for block in blocks_of(50, 100):
            writer.put_node(block)
            slow.put += 1
    assert slow.batches == 50
