"""Fetching what is missing, block by block, resumed, within limits: docs/safety.md, rows B3, B10, B13, B15."""

import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from catalog.blockstores.embedded import EmbeddedBlockstore
from catalog.blockstores.memory import MemoryBlockstore
from catalog.clients.timeouts import Timeouts
from catalog.errors import BlockMismatchError, BlockNotFoundError, CodecError, StorageError, UnavailableError
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid, cid_of
from catalog.progress import Step
from catalog.sources.store import FetchingBlockstore
from tests.fakes.dags import make_dag, make_leaves, make_node
from tests.fakes.servers import BLOCKS, CIDS, ROOT, Servers, check_nothing_else, check_whole
from tests.needs import ROOT as REPOSITORY


@pytest.mark.parametrize("knows_lists", [True, False])
def test_a_dag_from_one_server(servers: Servers, local: MemoryBlockstore, knows_lists: bool) -> None:
    server = servers.start(knows_lists=knows_lists)
    steps: list[Step] = []
    fetched = servers.store(local).fetch_dag([ROOT.cid], progress=steps.append)
    check_whole(local)
    assert (fetched.blocks, fetched.size) == (len(BLOCKS), sum(len(block.data) for block in BLOCKS))
    assert fetched.sources[0].blocks == len(BLOCKS)
    assert steps[-1].done == steps[-1].of == fetched.size
    if knows_lists:
        assert len(server.requests) == 3  # a request for each level of the DAG


def test_only_what_is_missing_travels(servers: Servers, local: MemoryBlockstore) -> None:
    kept = [block for block in BLOCKS if block.cid.binary[-1] % 2]
    local.put_many(kept)
    servers.start()
    fetched = servers.store(local).fetch_dag([ROOT.cid])
    check_whole(local)
    assert fetched.blocks == len(BLOCKS) - len(kept)


def test_an_upgrade_takes_four_requests_at_most(servers: Servers, local: MemoryBlockstore) -> None:
    """800 new leaves under an archive's three levels, as the measured pairs have."""
    leaves = make_leaves(3000, size=300)
    layers = [make_dag(leaves[start : start + 1500], width=1024) for start in (0, 1500)]
    archive = make_node([layer for layer, _ in layers])
    blocks = [archive, *(block for _, layer in layers for block in layer)]
    server = servers.start(blocks=blocks)
    fresh = {leaf.cid for leaf in random.Random(1).sample(leaves, 800)}
    local.put_many(block for block in blocks if block.cid.codec == 0x55 and block.cid not in fresh)
    servers.store(local).fetch_dag([archive.cid])
    assert set(local.cids()) == {block.cid for block in blocks}
    assert len(server.requests) <= 4


def test_nothing_missing_asks_nobody(servers: Servers, local: MemoryBlockstore) -> None:
    local.put_many(BLOCKS)
    server = servers.start()
    assert servers.store(local).fetch_dag([ROOT.cid]).blocks == 0
    assert not server.requests


def test_single_blocks(servers: Servers, local: MemoryBlockstore) -> None:
    servers.start()
    store = servers.store(local)
    assert store.get(ROOT.cid) == ROOT.data
    assert local.has(ROOT.cid)
    assert {block.cid for block in store.get_many([*CIDS, cid_of(b"absent")])} == CIDS
    with pytest.raises(BlockNotFoundError, match="no source has"):
        store.get(cid_of(b"absent"))
    with pytest.raises(UnavailableError, match="no source has"):
        store.fetch_many([cid_of(b"absent")])


def test_without_sources(local: MemoryBlockstore) -> None:
    store = FetchingBlockstore(local, [])
    with pytest.raises(UnavailableError) as caught:
        store.fetch_dag([ROOT.cid])
    assert "no source to ask" in caught.value.why


class RottingBlockstore(MemoryBlockstore):
    """Reads the blocks named by `rot` as damaged, until they are deleted."""

    def __init__(self, blocks: Iterable[Block] = ()) -> None:
        self._rotten: set[bytes] = set()
        super().__init__(blocks)

    def rot(self, cid: Cid) -> None:
        self._rotten.add(cid.digest)

    def get(self, cid: Cid) -> bytes:
        if cid.digest in self._rotten:
            raise BlockMismatchError(f"block {cid} rotted")
        return super().get(cid)

    def delete(self, cids: Iterable[Cid]) -> None:
        gone = list(cids)
        self._rotten.difference_update(cid.digest for cid in gone)
        super().delete(gone)


def test_what_rotted_here_is_fetched_anew(servers: Servers) -> None:
    local = RottingBlockstore(BLOCKS)
    for block in (ROOT, BLOCKS[-1]):
        local.rot(block.cid)
    servers.start()
    store = servers.store(local)
    assert store.fetch_dag([ROOT.cid]).blocks == 1  # nodes are read, leaves are not
    assert store.get(BLOCKS[-1].cid) == BLOCKS[-1].data
    assert local.get(ROOT.cid) == ROOT.data


def test_what_is_known_to_have_rotted_and_nobody_has_is_absent(tmp_path: Path) -> None:
    with closing(EmbeddedBlockstore(tmp_path / "blocks.sqlite")) as local:
        local.put_many(BLOCKS)
        with closing(sqlite3.connect(tmp_path / "blocks.sqlite")) as connection, connection:
            connection.execute("UPDATE payloads SET data = zeroblob(length(data))")
        with pytest.raises(BlockMismatchError):
            local.get(ROOT.cid)
        store = FetchingBlockstore(local, [])
        with pytest.raises(BlockNotFoundError, match="no source has"):
            store.get(ROOT.cid)
        assert not list(store.get_many([ROOT.cid]))


def test_the_empty_block_is_not_asked_for(servers: Servers, local: MemoryBlockstore) -> None:
    """A Kubo node cannot bring it: bitswap has no way to carry it."""
    empty = Block(cid_of(b""), b"")
    root = make_node([empty, *make_leaves(2)])
    server = servers.start(blocks=[root, *make_leaves(2)])
    store = servers.store(local)
    store.fetch_dag([root.cid])
    assert local.has(empty.cid)
    local.delete([empty.cid])
    asked = len(server.requests)
    assert store.get(empty.cid) == b""
    assert len(server.requests) == asked


def test_several_that_rotted_are_given_once(servers: Servers) -> None:
    local = RottingBlockstore(BLOCKS)
    for block in BLOCKS[::7]:
        local.rot(block.cid)
    servers.start()
    given = [block.cid for block in servers.store(local).get_many(CIDS)]
    assert len(given) == len(CIDS)
    assert set(given) == CIDS


def test_what_came_before_a_break_does_not_travel_again(servers: Servers, local: MemoryBlockstore) -> None:
    """Answers that end anywhere: each costs at most the block that it ended in."""
    server = servers.start("truncate")
    local.put_many(block for block in BLOCKS if block.cid.codec == 0x70)
    while len(server.requests) < 10:
        with contextlib.suppress(UnavailableError):
            servers.store(local).fetch_dag([ROOT.cid])
    server.behaviour = "honest"
    servers.store(local).fetch_dag([ROOT.cid])
    check_whole(local)
    total = sum(len(block.data) + 40 for block in BLOCKS)
    assert server.sent <= total + len(server.requests) * 2200


def test_what_was_stored_before_a_fetch_was_left_stays(servers: Servers, local: MemoryBlockstore) -> None:
    servers.start()
    blocks = servers.store(local).get_many(CIDS)
    first = next(blocks)
    blocks.close()  # type: ignore[attr-defined]
    assert local.has(first.cid)
    servers.store(local).fetch_dag([ROOT.cid])
    check_whole(local)


def test_ctrl_c_ends_a_fetch_and_keeps_what_came(servers: Servers) -> None:
    server = servers.start("stall")
    program = (
        "from catalog.sources.store import FetchingBlockstore\nfrom catalog.sources.http import HttpBlockSource\n"
        "from catalog.blockstores.memory import MemoryBlockstore\nfrom catalog.clients.http import HttpClient\n"
        "from catalog.ipld.cid import parse_cid\n"
        f"store = FetchingBlockstore(MemoryBlockstore(), [HttpBlockSource(HttpClient({server.url!r}))])\n"
        f"store.fetch_dag([parse_cid({str(ROOT.cid)!r})])\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY, stderr=subprocess.PIPE)
    while not server.requests:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert b"KeyboardInterrupt" in errors


def test_a_dag_that_is_too_deep(servers: Servers, local: MemoryBlockstore) -> None:
    blocks = [make_leaves(1)[0]]
    for _ in range(70):
        blocks.append(make_node(blocks[-1:]))
    servers.start(blocks=blocks)
    with pytest.raises(CodecError, match="too deep"):
        servers.store(local).fetch_dag([blocks[-1].cid])


def test_the_same_block_linked_again_and_again_is_fetched_once(servers: Servers, local: MemoryBlockstore) -> None:
    """40 nodes that unfold to 2**40 leaves."""
    blocks = make_leaves(1)
    for _ in range(40):
        blocks.append(make_node([blocks[-1], blocks[-1]]))
    server = servers.start(blocks=blocks)
    assert servers.store(local).fetch_dag([blocks[-1].cid]).blocks == 41
    assert len(server.requests) == 41


@pytest.mark.parametrize("tsizes", [None, [0] * 40])
def test_a_dag_that_is_larger_than_it_was_said_to_be(servers: Servers, local: MemoryBlockstore, tsizes: list[int] | None) -> None:
    leaves = make_leaves(40, size=100_000)
    root = make_node(leaves, tsizes=tsizes)
    servers.start(blocks=[root, *leaves])
    with pytest.raises(CodecError, match="larger than its stated size"):
        servers.store(local).fetch_dag([root.cid], size=1_000_000)


def test_a_node_that_is_none(servers: Servers, local: MemoryBlockstore) -> None:
    block = Block(cid_of(b"no node", 0x70), b"no node")
    servers.start(blocks=[block])
    with pytest.raises(CodecError):
        servers.store(local).fetch_dag([block.cid])


def test_a_disk_that_is_too_full(servers: Servers, local: MemoryBlockstore) -> None:
    server = servers.start()
    with pytest.raises(StorageError) as caught:
        servers.store(local, space=100_000).fetch_dag([ROOT.cid])
    assert "has 100000" in caught.value.why
    assert not any(local.has(block.cid) for block in BLOCKS if block.cid.codec == 0x55)
    assert len(server.requests) == 2


class FullBlockstore(MemoryBlockstore):
    """Takes 50 blocks."""

    def put_many(self, blocks: Iterable[Block], *, durable: bool = True) -> None:
        for block in blocks:
            if sum(1 for _ in self.cids()) >= 50:
                raise StorageError("the disk is full")
            self.put(block.cid, block.data)


def test_a_disk_that_fills_up(servers: Servers) -> None:
    local = FullBlockstore()
    servers.start()
    with pytest.raises(StorageError):
        servers.store(local).fetch_dag([ROOT.cid])
    check_nothing_else(local)


def test_the_time_that_the_user_allowed(servers: Servers, local: MemoryBlockstore) -> None:
    servers.start("stall")
    timeouts = Timeouts(total=0.2)
    with pytest.raises(UnavailableError, match="no source has") as caught:
        servers.store(local, timeouts).fetch_dag([ROOT.cid])
    assert "the time for it ran out" in caught.value.why


def test_cidv0_links(servers: Servers, local: MemoryBlockstore) -> None:
    inner = make_node(make_leaves(3))
    inner_v0 = Block(Cid(inner.cid.binary[2:]), inner.data)
    root = make_node([inner_v0])
    servers.start(blocks=[root, inner, *make_leaves(3)])
    assert servers.store(local).fetch_dag([Cid(root.cid.binary[2:])]).blocks == 5


def test_a_block_that_another_command_stores_meanwhile() -> None:
    """Two syncs of one catalogue: what the other one stored between a look at the store and the fetch is read from there."""
    block = make_leaves(1)[0]

    class Shared(MemoryBlockstore):
        looks = 0

        def missing(self, cids: Iterable[Cid]) -> list[Cid]:
            found = super().missing(cids)
            self.looks += 1
            if self.looks == 1:
                self.put(block.cid, block.data)
            return found

    assert FetchingBlockstore(Shared(), []).get(block.cid) == block.data
