"""Fetching, the long runs of docs/safety.md, rows B1 to B4, B9, B10: real time limits, all bytes, kills. ``make test-long`` prints
the figures.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from catalog.blockstores.embedded import EmbeddedBlockstore
from catalog.blockstores.memory import MemoryBlockstore
from catalog.clients.http import HttpClient
from catalog.clients.timeouts import Timeouts
from catalog.errors import BlockMismatchError, StorageError, UnavailableError
from catalog.ipld.block import Block
from catalog.ipld.car import encode_car
from catalog.ipld.cid import Cid, verify_block
from catalog.sources.http import HttpBlockSource
from catalog.sources.store import FetchingBlockstore
from tests.fakes.dags import make_dag, make_leaves
from tests.fakes.lying_source import BEHAVIOURS, LyingSource
from tests.fakes.timeouts import scaled
from tests.needs import ROOT as REPOSITORY
from tests.needs import lacks

pytestmark = pytest.mark.long
ROOT, BLOCKS = make_dag(make_leaves(350, size=30_000), width=60)  # about 10 MB
CIDS = {block.cid for block in BLOCKS}
SIZE = sum(len(block.data) for block in BLOCKS)


def store_of(stack: ExitStack, local: MemoryBlockstore, urls: Sequence[str], timeouts: Timeouts) -> FetchingBlockstore:
    clients = [stack.enter_context(_Closing(HttpClient(url, timeouts=timeouts))) for url in urls]
    return FetchingBlockstore(local, [HttpBlockSource(client) for client in clients], timeouts=timeouts)


class _Closing:
    def __init__(self, client: HttpClient) -> None:
        self._client = client

    def __enter__(self) -> HttpClient:
        return self._client

    def __exit__(self, *error: object) -> None:
        self._client.close()


def test_every_byte_of_every_block_flipped() -> None:
    """B1: 200 blocks, each byte once."""
    blocks = make_leaves(200, seed=2, size=4000)
    flips = 0
    for cid, data in blocks:
        changed = bytearray(data)
        for position in range(len(changed)):
            changed[position] ^= 1 << (position % 8)
            with pytest.raises(BlockMismatchError):
                verify_block(cid, changed)
            changed[position] = data[position]
            flips += 1
    print(f"\nB1: {flips} flips, all refused")


@pytest.mark.parametrize("behaviour", [behaviour for behaviour in BEHAVIOURS if behaviour != "slow-tls"])
def test_fifty_seeds_of_each_behaviour(behaviour: str) -> None:
    """B2: right bytes or the declared error, and nothing else is stored."""
    timeouts = scaled(Timeouts(), 50)
    root, blocks = make_dag(make_leaves(60), width=20)
    cids = {block.cid for block in blocks}
    for seed in range(50):
        with ExitStack() as stack:
            source = stack.enter_context(LyingSource(blocks, behaviour=behaviour, knows_lists=bool(seed % 2), seed=seed))
            local = MemoryBlockstore()
            try:
                store_of(stack, local, [source.url], timeouts).fetch_dag([root.cid])
            except UnavailableError:
                assert set(local.cids()) <= cids
            else:
                assert set(local.cids()) == cids
            for cid in local.cids():
                verify_block(cid, local.get(cid))


def test_an_answer_cut_every_4_kib() -> None:
    """B3: a 10 MB CAR cut anywhere completes from a second source; at most one block travels again."""
    leaves = [block for block in BLOCKS if block.cid.codec == 0x55]
    inner = [block for block in BLOCKS if block.cid.codec != 0x55]
    body = sum(len(piece) for piece in encode_car([], leaves))
    worst = 0
    with ExitStack() as stack:
        first = stack.enter_context(LyingSource(leaves, behaviour="cut"))
        second = stack.enter_context(LyingSource(leaves))
        for cut in range(4096, body, 4096 * 8):
            first.cut = cut
            local = MemoryBlockstore(inner)
            timeouts = Timeouts()
            clients = [HttpClient(source.url, timeouts=timeouts) for source in (first, second)]
            broken = HttpBlockSource(clients[0])
            first.cut = body
            assert broken.get(leaves[0].cid) == leaves[0].data  # now it knows the server for one that takes lists
            first.cut = cut
            first.sent = second.sent = 0
            local.put_many(_until_error(broken, [leaf.cid for leaf in leaves]))
            FetchingBlockstore(local, [HttpBlockSource(clients[1])], timeouts=timeouts).fetch_dag([ROOT.cid])
            assert set(local.cids()) == CIDS
            worst = max(worst, first.sent + second.sent - body)
            for client in clients:
                client.close()
    print(f"\nB3: at most {worst} bytes travelled again")
    assert worst <= 30_000 + 200  # a block, the beginning of a CAR and of a section


def _until_error(source: HttpBlockSource, cids: list[Cid]) -> list[Block]:
    given: list[Block] = []
    try:
        for block in source.get_many(cids):
            given.append(block)
    except UnavailableError:
        pass
    return given


def test_one_good_source_beside_three_that_stall() -> None:
    """B4, with the real limits."""
    with ExitStack() as stack:
        stalling = [stack.enter_context(LyingSource(BLOCKS, behaviour="stall")) for _ in range(3)]
        good = stack.enter_context(LyingSource(BLOCKS))
        began = time.monotonic()
        store_of(stack, MemoryBlockstore(), [good.url], Timeouts()).fetch_dag([ROOT.cid])
        alone = time.monotonic() - began
        began = time.monotonic()
        store_of(stack, MemoryBlockstore(), [source.url for source in (*stalling, good)], Timeouts()).fetch_dag([ROOT.cid])
        beside = time.monotonic() - began
    print(f"\nB4: alone {alone:.2f} s, beside three that stall {beside:.2f} s")
    assert beside <= alone + 12


@pytest.mark.parametrize("behaviour", ["drip", "drip-headers", "stall", "stall-inside"])
def test_how_long_a_slow_source_lasts(behaviour: str) -> None:
    with ExitStack() as stack:
        source = stack.enter_context(LyingSource(BLOCKS, behaviour=behaviour))
        began = time.monotonic()
        with pytest.raises(UnavailableError):
            store_of(stack, MemoryBlockstore(), [source.url], Timeouts()).fetch_dag([ROOT.cid])
        took = time.monotonic() - began
    print(f"\nB4: {behaviour} was dropped after {took:.1f} s")
    assert took <= 15


def test_everything_is_a_black_hole() -> None:
    """B9: exit in 45 s at most."""
    with ExitStack() as stack:
        sources = [stack.enter_context(LyingSource(BLOCKS, behaviour="stall")) for _ in range(4)]
        began = time.monotonic()
        with pytest.raises(UnavailableError):
            store_of(stack, MemoryBlockstore(), [source.url for source in sources], Timeouts()).fetch_dag([ROOT.cid])
        took = time.monotonic() - began
    print(f"\nB9: gave up after {took:.1f} s")
    assert took <= 45


FETCHER = """
    import os, sys
    from pathlib import Path
    from catalog.blockstores.embedded import EmbeddedBlockstore
    from catalog.sources.store import FetchingBlockstore
    from catalog.sources.http import HttpBlockSource
    from catalog.clients.http import HttpClient
    from catalog.ipld.cid import parse_cid

    log = os.open(sys.argv[4], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    class Noting(HttpBlockSource):
        def get_many(self, cids):
            for block in super().get_many(cids):
                os.write(log, b"%d\\n" % len(block.data))
                yield block

    local = EmbeddedBlockstore(Path(sys.argv[1]))
    FetchingBlockstore(local, [Noting(HttpClient(sys.argv[2]))]).fetch_dag([parse_cid(sys.argv[3])])
"""


@pytest.mark.parametrize(("kills", "leaves"), [(50, 5300), (200, 26_000)])
def test_a_fetch_that_is_killed_again_and_again(tmp_path: Path, kills: int, leaves: int) -> None:
    """B10: of the bytes of blocks that had come whole, at most 1 % are fetched twice."""
    root, blocks = make_dag(make_leaves(leaves, seed=3, size=50_000), width=1000)  # about 200 MB and 1 GB
    size = sum(len(block.data) for block in blocks)
    chance = random.Random(kills)
    path, log = tmp_path / "blocks.sqlite", tmp_path / "log"
    arguments = [sys.executable, "-c", textwrap.dedent(FETCHER), str(path)]
    with LyingSource(blocks, behaviour="slow-line") as source:
        source.rate = 12_500_000  # 100 Mbit/s
        killed = 0
        while True:
            process = subprocess.Popen([*arguments, source.url, str(root.cid), str(log)], cwd=REPOSITORY)
            before = log.stat().st_size if log.exists() else 0
            while killed < kills and process.poll() is None and (not log.exists() or log.stat().st_size == before):
                time.sleep(0.005)
            if killed < kills:
                time.sleep(chance.random() * size / source.rate / kills / 2)
                process.send_signal(signal.SIGKILL)
            if process.wait() == 0:
                break
            killed += 1
    store = EmbeddedBlockstore(path)
    assert not store.missing([block.cid for block in blocks])
    store.close()
    came = sum(int(line) for line in log.read_text().split())
    print(f"\nB10: {killed} kills, {came - size} bytes ({came / size - 1:.2%}) came twice")
    assert came - size <= size / 100


def test_a_disk_of_any_size(tmp_path: Path) -> None:
    """B15: a file system of each of 100 sizes takes the DAG or refuses it, and what it holds is right."""
    if os.geteuid() != 0:
        lacks("netns", "mounting a file system needs root")
    took = refused = 0
    with LyingSource(BLOCKS) as source:
        for number in range(100):
            folder = tmp_path / str(number)
            folder.mkdir()
            kib = 256 + number * 320
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder)], check=True)
            try:
                with ExitStack() as stack:
                    client = stack.enter_context(_Closing(HttpClient(source.url)))
                    store: EmbeddedBlockstore | None = None
                    try:
                        store = EmbeddedBlockstore(folder / "blocks.sqlite")
                        space = (lambda folder=folder: shutil.disk_usage(folder).free) if number % 2 else None
                        FetchingBlockstore(store, [HttpBlockSource(client)], free_space=space).fetch_dag([ROOT.cid])
                        took += 1
                    except StorageError:
                        refused += 1
                    finally:
                        if store is not None:
                            store.close()
                if (folder / "blocks.sqlite").exists() and (folder / "blocks.sqlite").stat().st_size:
                    check_store(folder / "blocks.sqlite")
            finally:
                subprocess.run(["umount", str(folder)], check=True)
    print(f"\nB15: {took} disks were large enough, {refused} refused")
    assert took
    assert refused


def check_store(path: Path) -> None:
    """Whatever is in the store was asked for and is right."""
    try:
        store = EmbeddedBlockstore(path)
    except StorageError:  # not even room to open it
        return
    try:
        held = list(store.cids())
        assert set(held) <= CIDS
        for block in store.get_many(held):
            verify_block(*block)
    finally:
        store.close()
