"""The work of a request is bounded, not only its output: a few nodes that link each other twice have 2^60 paths (safety E13)."""

import contextlib
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.client import IncompleteRead
from typing import NamedTuple

import pytest

from catalog.ipld import dag_cbor
from catalog.ipld.block import Block
from catalog.ipld.cid import DAG_CBOR, DAG_PB, RAW, Cid, cid_of
from catalog.ipld.dag_pb import PBLink, encode_node
from catalog.unixfs.node import MURMUR3_X64_64, UnixFSData, UnixFSType, encode_data
from tests.needs import ROOT
from tests.server.serving import Blocks, Served, serving

LEVELS = 60
CPU = 0.1


class Bombs(NamedTuple):
    """DAGs of 60 nodes with 2^60 paths: files of empty and of small leaves, plain nodes, shards, CBOR; and a lying file."""

    empty_file: Cid
    file: Cid
    lying_file: Cid
    plain: Cid
    shards: Cid
    cbor: Cid


def doubled(blocks: Blocks, leaf: Cid, sizes: list[int]) -> Cid:
    cid = leaf
    for size in sizes:
        message = UnixFSData(UnixFSType.FILE, filesize=2 * size, blocksizes=(size, size))
        cid = keep(blocks, encode_node([PBLink(cid, b"", size)] * 2, encode_data(message)), DAG_PB)
    return cid


def keep(blocks: Blocks, data: bytes, codec: int = RAW) -> Cid:
    cid = cid_of(data, codec)
    blocks.kept[cid.binary] = data
    return cid


def make_bombs(blocks: Blocks) -> Bombs:
    plain = shard = cbor = keep(blocks, b"leaf")
    for level in range(LEVELS):
        plain = keep(blocks, encode_node([PBLink(plain, b"", 1)] * 2, None), DAG_PB)
        cbor = keep(blocks, dag_cbor.encode([cbor, cbor]), DAG_CBOR)
        field = UnixFSData(UnixFSType.HAMT_SHARD, data=b"\x03", hash_type=MURMUR3_X64_64, fanout=256)
        names = (b"00", b"01") if level else (b"00a", b"01b")
        shard = keep(blocks, encode_node([PBLink(shard, name, 1) for name in names], encode_data(field)), DAG_PB)
    return Bombs(
        doubled(blocks, keep(blocks, b""), [0] * LEVELS),
        doubled(blocks, keep(blocks, b"x"), [2**level for level in range(LEVELS)]),
        doubled(blocks, keep(blocks, b"0123456789"), [10] * LEVELS),
        plain,
        shard,
        cbor,
    )


class CountingBlocks(Blocks):
    """Blocks that count how often one is read."""

    reads = 0

    def get(self, cid: Cid) -> bytes:
        self.reads += 1
        return super().get(cid)


QUERIES = [
    f"?format=car{scope}{dups}{part}"
    for scope in ("", "&dag-scope=entity", "&dag-scope=all", "&dag-scope=block")
    for dups in ("", "&car-dups=y", "&car-dups=n")
    for part in ("", "&entity-bytes=0:*", "&entity-bytes=3:7", "&entity-bytes=5:-5")
] + ["", "?format=raw", "/00/00", "/0/1/0", "/a", "/" + "/".join("0" * 60)]


@pytest.fixture(scope="module")
def bombs() -> Iterator[tuple[Served, Bombs]]:
    blocks = CountingBlocks()
    made = make_bombs(blocks)
    with serving(blocks) as served:
        yield served, made


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("bomb", Bombs._fields)
def test_a_request_costs_100_ms_at_most(bomb: str, query: str, bombs: tuple[Served, Bombs]) -> None:
    """On a machine on which the smallest request takes 1 ms; the least of some times counts, and what was read."""
    served, made = bombs
    assert isinstance(served.blocks, CountingBlocks)
    taken, health = [], []
    for _ in range(5):
        served.blocks.reads = 0
        taken.append(cost(served, f"/ipfs/{getattr(made, bomb)}{query}"))
        assert served.blocks.reads < 1200
        if min(taken) <= CPU:
            return
        health.append(cost(served, "/health"))
    assert min(taken) <= 100 * min(health), (taken, health)


def cost(served: Served, path: str) -> float:
    """Return the processor seconds of a request, on both sides."""
    began = time.process_time()
    with contextlib.suppress(IncompleteRead):  # cut off, as it should be
        served.ask(path)
    return time.process_time() - began


@pytest.mark.parametrize("scope", ["&dag-scope=entity", "&entity-bytes=1:*"])
def test_a_leaf_that_its_parents_state_in_many_sizes_is_read_once(scope: str) -> None:
    blocks = CountingBlocks()
    leaf, nodes = keep(blocks, b"a" * 100_000), []
    for number in range(8):
        sizes = [1000 * number + each for each in range(1, 1001)]
        message = UnixFSData(UnixFSType.FILE, filesize=sum(sizes), blocksizes=tuple(sizes))
        node = keep(blocks, encode_node([PBLink(leaf, b"", size) for size in sizes], encode_data(message)), DAG_PB)
        nodes.append((node, sum(sizes)))
    message = UnixFSData(UnixFSType.FILE, filesize=sum(size for _, size in nodes), blocksizes=tuple(size for _, size in nodes))
    root = keep(blocks, encode_node([PBLink(node, b"", size) for node, size in nodes], encode_data(message)), DAG_PB)
    with serving(blocks) as served:
        assert len(served.ask(f"/ipfs/{root}?format=car{scope}").blocks()) == 10
    assert blocks.reads < 20


PROGRAM = """
import sys
from tests.server.gateway.test_work import make_bombs
from tests.factory.times import NOW
from tests.server.serving import Blocks, Records
from catalog.server.running import run_server
from catalog.server.settings import ServerSettings
from catalog.server.site.site import Site
blocks = Blocks()
print(*make_bombs(blocks), flush=True)
run_server(Site(blocks, Records(), lambda: None, lambda: NOW), ServerSettings(port=0),
           ready=lambda server: print(server.port, flush=True), log=lambda line: None)
"""


@contextlib.contextmanager
def started() -> Iterator[tuple[subprocess.Popen[str], list[str], str]]:
    """Run a server of bombs in a process of its own; yield it, the roots, and its URL."""
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        assert server.stdout is not None
        roots = server.stdout.readline().split()
        yield server, roots, f"http://127.0.0.1:{int(server.stdout.readline())}"


def time_of_stopping(server: subprocess.Popen[str]) -> float:
    began = time.monotonic()
    server.send_signal(signal.SIGTERM)
    server.wait(60)
    return time.monotonic() - began


def times_of_health(url: str) -> list[float]:
    times = []
    for _ in range(20):
        began = time.monotonic()
        urllib.request.urlopen(f"{url}/health", timeout=60).read()
        times.append(time.monotonic() - began)
    return sorted(times)


def test_others_are_answered_meanwhile_and_sigterm_ends_it() -> None:
    """Within 200 ms and 2 s; on a machine that is busy with other things, within what these take of an idle server too.

    How busy it is changes from moment to moment: of three attempts, one holds.
    """
    found = []
    for _ in range(3):
        with started() as (server, _, url):
            idle, idle_stop = times_of_health(url), time_of_stopping(server)
        times, stopped = attacked()
        if times[-4] <= max(0.2, 10 * idle[-4]) and stopped <= max(2, 6 * idle_stop):
            return
        found.append((times, idle, stopped, idle_stop))
    raise AssertionError(found)


def attacked() -> tuple[list[float], float]:
    """Return the times of others while a server walks bombs for its clients, and that of stopping it."""
    with started() as (server, roots, url):
        ended = threading.Event()

        def attack(root: str) -> None:
            while not ended.is_set():
                try:
                    with urllib.request.urlopen(f"{url}/ipfs/{root}?format=car&dag-scope=entity&car-dups=y", timeout=60) as answer:
                        answer.read(10)  # and leaves
                except Exception:
                    continue

        attackers = [threading.Thread(target=attack, args=(root,)) for root in roots + roots[:2]]
        for attacker in attackers:
            attacker.start()
        times = times_of_health(url)
        stopped = time_of_stopping(server)
        ended.set()
        for attacker in attackers:
            attacker.join()
    return times, stopped


def test_honest_repeats_are_served() -> None:
    blocks = Blocks()
    leaf = Block(cid_of(b"z" * 4096), b"z" * 4096)
    blocks.kept[leaf.cid.binary] = leaf.data
    root = doubled(blocks, leaf.cid, [4096 * 2**level for level in range(10)])
    with serving(blocks) as served:
        answer = served.ask(f"/ipfs/{root}?format=car&dag-scope=entity&car-dups=y")
        assert sum(block.cid == leaf.cid for block in answer.blocks()) == 1024
