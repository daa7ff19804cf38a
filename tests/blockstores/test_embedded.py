"""The blockstore of a home keeps the contract, survives kills, and notices damaged blocks."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from catalog.blockstores.embedded import EmbeddedBlockstore
from catalog.blockstores.rows import NewBlock
from catalog.errors import (
    BlockMismatchError,
    BlockNotFoundError,
    CorruptHomeError,
)
from catalog.ipld.block import Block
from catalog.ipld.cid import RAW, Cid, cid_of
from tests.blockstores.blocks import blocks_of, find_damaged, rot
from tests.contracts.blockstore import A, B, BlockstoreContract
from tests.needs import ROOT


class TestContract(BlockstoreContract):
    pass


def test_blocks_outlive_the_store(tmp_path: Path) -> None:
    first = EmbeddedBlockstore(tmp_path / "blocks.sqlite")
    first.put_many([A, B])
    second = EmbeddedBlockstore(tmp_path / "blocks.sqlite")  # beside the first
    assert second.get(B.cid) == B.data
    second.delete([A.cid])
    assert not first.has(A.cid)
    first.close()
    second.close()


def test_many_blocks_come_in_the_order_that_was_asked_for(store: EmbeddedBlockstore) -> None:
    """Whatever fits into one query, and whatever their order in the file or by digest is."""
    blocks = [*blocks_of(40, 50_000), *blocks_of(3, 1_500_000), *blocks_of(40, 100)]
    store.put_many(blocks)
    absent = [cid_of(b"absent %d" % number) for number in range(40)]
    wanted = [cid for block, cid in zip(reversed(blocks), absent * 3, strict=False) for cid in (cid, block.cid, block.cid)]
    assert list(store.get_many(wanted)) == blocks[::-1]


def test_a_rotten_block_among_many_is_noticed_when_it_comes(store: EmbeddedBlockstore) -> None:
    blocks = blocks_of(8, 1000)
    store.put_many(blocks)
    rot(store.file.path, blocks[5].cid)
    came: list[Block] = []
    with pytest.raises(BlockMismatchError):
        came.extend(store.get_many(block.cid for block in blocks))
    assert came == blocks[:5]


def test_space_comes_back(store: EmbeddedBlockstore) -> None:
    blocks = blocks_of(300)
    store.put_many(blocks)
    full = store.size().file_size
    assert full > 300 * 40_000
    store.delete(block.cid for block in blocks)
    assert store.file.path.stat().st_size < full / 20
    assert store.size().blocks == 0


def test_rotten_block_is_never_given_and_can_be_put_again(store: EmbeddedBlockstore) -> None:
    store.put_many([A, B])
    rot(store.file.path, B.cid)
    with pytest.raises(BlockMismatchError):
        store.get(B.cid)
    assert store.missing([A.cid, B.cid]) == [B.cid]
    assert not store.has(B.cid)
    store.put(*B)
    assert store.get(B.cid) == B.data
    assert store.has(B.cid)


def test_the_beginning_of_a_block_is_read_alone(store: EmbeddedBlockstore) -> None:
    block, damaged, lost, absent = blocks_of(4)
    store.put_many([block, damaged, lost])
    assert store.read_start(block.cid, 18) == block.data[:18]
    assert store.read_start(block.cid, 1 << 20) == block.data
    assert store.read_start(absent.cid, 18) is None
    rot(store.file.path, damaged.cid)
    with pytest.raises(BlockMismatchError):
        store.get(damaged.cid)
    assert store.read_start(damaged.cid, 18) is None
    with store.file.transaction() as connection:
        connection.execute(
            "DELETE FROM payloads WHERE payload_id IN (SELECT payload_id FROM blocks WHERE digest = ?)", (lost.cid.digest,)
        )
    assert store.read_start(lost.cid, 18) is None


def test_every_rotten_block_is_found(store: EmbeddedBlockstore) -> None:
    blocks = blocks_of(50, 500)
    store.put_many(blocks)
    bad = [block.cid for block in blocks[::7]]
    for cid in bad:
        rot(store.file.path, cid)
    assert sorted(find_damaged(store)) == sorted(bad)
    store.put_many(block for block in blocks if block.cid in bad)
    assert find_damaged(store) == []


def test_frame_memo_knows_only_own_frames_and_goes_with_the_block(store: EmbeddedBlockstore) -> None:
    store.put(*A)  # from outside
    content = bytes(32)
    assert store.find_frame(content) is None
    store.put_batch([NewBlock(A, content)])  # the same block, made here
    assert store.find_frame(content) == (A.cid, 1)
    rot(store.file.path, A.cid)
    with pytest.raises(BlockMismatchError):
        store.get(A.cid)
    assert store.find_frame(content) is None  # a block that cannot be read stands in for nothing
    store.delete([A.cid])
    store.put(*A)
    assert store.find_frame(content) is None


def test_batch_counts_what_is_new(store: EmbeddedBlockstore) -> None:
    store.put(*A)
    assert store.put_batch([NewBlock(A), NewBlock(B), NewBlock(B)]) == (1, len(B.data))


def test_sizes_are_told_without_reading(store: EmbeddedBlockstore) -> None:
    store.put_many([A, B])
    assert store.sizes([A.cid, B.cid, cid_of(b"absent")]) == {A.cid: 1, B.cid: len(B.data)}
    assert store.size()[:2] == (2, 1 + len(B.data))


KILLED = """
import sys
from pathlib import Path
from catalog.blockstores.embedded import EmbeddedBlockstore
from catalog.blockstores.writing import BlockWriter
from tests.blockstores.blocks import blocks_of
store = EmbeddedBlockstore(Path(sys.argv[1]))
for number in range(1000):
    with BlockWriter(store, batch_size=400_000) as writer:
        for block in blocks_of(30, salt=int(sys.argv[2]) * 1000 + number):
            writer.put_node(block)
    print(number, flush=True)
"""


def kill_writer(path: Path, run: int, after: int) -> int:
    """Kill a writing process behind its line ``after``; return the number of the last acknowledged set of blocks."""
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path), str(run)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        last = -1
        for line in process.stdout:
            last = int(line)
            if last == after:
                process.send_signal(signal.SIGKILL)
        process.wait()
    return last


def check_killed(path: Path, runs: int) -> None:
    for run in range(runs):
        last = kill_writer(path, run, after=run % 5)
        store = EmbeddedBlockstore(path)
        acknowledged = [block.cid for number in range(last + 1) for block in blocks_of(30, salt=run * 1000 + number)]
        assert store.missing(acknowledged) == []
        assert find_damaged(store) == []
        with store.file.reading() as connection:
            assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
            assert connection.execute("SELECT (SELECT count(*) FROM blocks) = (SELECT count(*) FROM payloads)").fetchone() == (1,)
        store.delete(list(store.cids()))
        store.close()


@pytest.mark.slow
def test_acknowledged_blocks_survive_kill(tmp_path: Path) -> None:
    check_killed(tmp_path / "blocks.sqlite", 4)


@pytest.mark.long
def test_acknowledged_blocks_survive_many_kills(tmp_path: Path) -> None:
    check_killed(tmp_path / "blocks.sqlite", 300)


@pytest.mark.long
def test_random_damage_is_always_noticed(tmp_path: Path) -> None:
    """B11: whatever bytes of the file change, no wrong block is given."""
    import random

    path = tmp_path / "blocks.sqlite"
    blocks = blocks_of(100, 20_000)
    store = EmbeddedBlockstore(path)
    store.put_many(blocks)
    store.close()
    whole = path.read_bytes()
    choices = random.Random(1)
    for _ in range(1000):
        damaged = bytearray(whole)
        damaged[choices.randrange(len(whole))] ^= 1 << choices.randrange(8)
        path.write_bytes(damaged)
        try:
            store = EmbeddedBlockstore(path)
        except CorruptHomeError:
            continue
        for block in blocks:
            try:
                assert store.get(block.cid) == block.data
            except (BlockMismatchError, BlockNotFoundError, CorruptHomeError):
                break
        store.close()


class StoreMachine(RuleBasedStateMachine):
    """Any sequence of calls leaves what a dictionary would hold."""

    data = st.integers(0, 12).map(lambda n: f"block {n}".encode() * (1 + n * 900))

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "blocks.sqlite"
        self.store = EmbeddedBlockstore(self.path)
        self.held: dict[Cid, bytes] = {}
        self.frames: dict[bytes, Cid] = {}

    @rule(data=data)
    def put(self, data: bytes) -> None:
        self.store.put(cid_of(data), data)
        self.held[cid_of(data)] = data

    @rule(many=st.lists(data, max_size=5), frames=st.booleans())
    def put_batch(self, many: list[bytes], frames: bool) -> None:
        before = set(self.held)
        batch = [NewBlock(Block(cid_of(data), data), cid_of(data).digest[::-1] if frames else None) for data in many]
        added = self.store.put_batch(batch, durable=False)
        for data in many:
            self.held[cid_of(data)] = data
            if frames:
                self.frames[cid_of(data).digest[::-1]] = cid_of(data)
        assert added.new_blocks == len(set(self.held) - before)

    @rule(data=data)
    def delete(self, data: bytes) -> None:
        self.store.delete([cid_of(data)])
        self.held.pop(cid_of(data), None)
        self.frames.pop(cid_of(data).digest[::-1], None)

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = EmbeddedBlockstore(self.path)

    @rule(data=data)
    def rot(self, data: bytes) -> None:
        cid = cid_of(data)
        if cid in self.held:
            rot(self.path, cid)
            assert find_damaged(self.store) == [cid]
            self.store.put(cid, data)
            self.frames.pop(cid.digest[::-1], None)

    @invariant()
    def holds_what_was_put(self) -> None:
        assert sorted(self.store.cids()) == sorted(self.held)
        assert {block.cid: block.data for block in self.store.get_many(self.held)} == self.held
        for content, cid in self.frames.items():
            assert self.store.find_frame(content) == (cid, len(self.held[cid]))

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()


TestStoreMachine = StoreMachine.TestCase


TestStoreMachine.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)


def test_codec_is_kept(store: EmbeddedBlockstore) -> None:
    store.put(*A)
    assert [cid.codec for cid in store.cids()] == [RAW]
