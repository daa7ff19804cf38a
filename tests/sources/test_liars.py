"""Fetching from sources that lie, stall and break off: docs/safety.md, rows B1, B2, B4, B5, B9."""

import pytest

from catalog.blockstores.memory import MemoryBlockstore
from catalog.clients.http import HttpClient
from catalog.clients.timeouts import Timeouts
from catalog.errors import UnavailableError, VerificationError
from catalog.progress import Step
from catalog.sources.http import HttpBlockSource
from tests.fakes.servers import BLOCKS, FAST, HARMLESS, OVER_HTTP, ROOT, Servers, check_nothing_else, check_whole
from tests.fakes.timeouts import scaled


@pytest.mark.parametrize("knows_lists", [True, False])
@pytest.mark.parametrize("behaviour", OVER_HTTP)
def test_one_source_that_misbehaves(servers: Servers, local: MemoryBlockstore, behaviour: str, knows_lists: bool) -> None:
    """Right bytes or the declared error, and nothing is stored that was not asked for."""
    servers.start(behaviour, knows_lists=knows_lists)
    failure = ""
    try:
        servers.store(local).fetch_dag([ROOT.cid])
    except UnavailableError as error:
        failure = error.why
    if failure:
        assert behaviour not in HARMLESS
        assert servers.started[0].url.removeprefix("http://") in failure
        check_nothing_else(local)
    else:
        check_whole(local)


@pytest.mark.parametrize("behaviour", OVER_HTTP)
def test_beside_a_good_source(servers: Servers, local: MemoryBlockstore, behaviour: str) -> None:
    servers.start(behaviour)
    servers.start()
    steps: list[Step] = []
    fetched = servers.store(local, scaled(Timeouts(retry=0.01), 5)).fetch_dag([ROOT.cid], progress=steps.append)
    check_whole(local)
    warned = [step.label for step in steps if step.kind == "warning"]
    failures = [use.failure for use in fetched.sources if use.failure]
    assert len(warned) <= 1
    for text in [*warned, *failures]:
        assert servers.started[0].url.removeprefix("http://") in text


def test_three_that_stall_beside_a_good_one(servers: Servers, local: MemoryBlockstore) -> None:
    for _ in range(3):
        servers.start("stall")
    servers.start()
    steps: list[Step] = []
    store = servers.store(local, scaled(Timeouts(), 5))
    fetched = store.fetch_dag([ROOT.cid], progress=steps.append)
    check_whole(local)
    assert [use.blocks for use in fetched.sources] == [0, 0, 0, len(BLOCKS)]
    assert sum(step.kind == "warning" for step in steps) == 3
    asked = [len(server.requests) for server in servers.started[:3]]
    for block in BLOCKS[:5]:
        local.delete([block.cid])
        assert store.get(block.cid) == block.data
    assert [len(server.requests) for server in servers.started[:3]] == asked  # they rest, and cost nothing more


def test_a_single_block_shows_who_stalls_too(servers: Servers, local: MemoryBlockstore) -> None:
    """Reading an archive's metadata is one block after the other: without that, each of them would wait for the same sources."""
    for _ in range(3):
        servers.start("stall")
    servers.start()
    store = servers.store(local, scaled(Timeouts(), 5))
    assert store.get(ROOT.cid) == ROOT.data
    for block in BLOCKS[:5]:
        assert store.get(block.cid) == block.data
    # One may be slow to be asked at all; asked once, it rests.
    assert all(len(server.requests) <= 1 for server in servers.started[:3])


def test_two_good_ones_share_the_work(servers: Servers, local: MemoryBlockstore) -> None:
    servers.start().latency = 0.02
    servers.start().latency = 0.02
    fetched = servers.store(local).fetch_dag([ROOT.cid])
    check_whole(local)
    assert all(use.blocks for use in fetched.sources)
    assert fetched.size == sum(use.size for use in fetched.sources)


def test_half_here_half_there(servers: Servers, local: MemoryBlockstore) -> None:
    inner = [block for block in BLOCKS if block.cid.codec == 0x70]
    leaves = [block for block in BLOCKS if block.cid.codec == 0x55]
    servers.start(blocks=[*inner, *leaves[:100]])
    servers.start(blocks=[*inner, *leaves[100:]], knows_lists=False)
    servers.store(local).fetch_dag([ROOT.cid])
    check_whole(local)


def test_what_nobody_has_is_said_and_the_rest_is_here(servers: Servers, local: MemoryBlockstore) -> None:
    servers.start(blocks=BLOCKS[:-3])
    servers.start("not-found")
    with pytest.raises(UnavailableError, match="and 2 more blocks") as caught:
        servers.store(local).fetch_dag([ROOT.cid])
    assert caught.value.why.count("does not have it") == 2
    assert len(list(local.cids())) == len(BLOCKS) - 3


def test_everything_dead(servers: Servers, local: MemoryBlockstore) -> None:
    for behaviour in ("stall", "unavailable", "reset", "drip", "page", "flip"):
        servers.start(behaviour)
    with pytest.raises(UnavailableError) as caught:
        servers.store(local).fetch_dag([ROOT.cid])
    assert caught.value.why.count(" s ago)") == 6
    for server in servers.started:
        assert server.url.removeprefix("http://") in caught.value.why


def test_a_liar_is_never_asked_again_and_a_sleeper_later(servers: Servers, local: MemoryBlockstore) -> None:
    liar, sleeper = servers.start("flip"), servers.start("stall")
    store = servers.store(local)
    with pytest.raises(UnavailableError):
        store.fetch_dag([ROOT.cid])
    liar.behaviour = sleeper.behaviour = "honest"
    asked = len(liar.requests)
    fetched = store.fetch_dag([ROOT.cid])
    check_whole(local)
    assert len(liar.requests) == asked
    assert fetched.sources[0].lied


@pytest.mark.parametrize("seed", range(20))
def test_no_flipped_bit_is_stored(servers: Servers, local: MemoryBlockstore, seed: int) -> None:
    server = servers.start("flip", knows_lists=bool(seed % 2))
    server.random.seed(seed)
    source = HttpBlockSource(HttpClient(server.url, timeouts=FAST))
    for _ in range(95):
        with pytest.raises((VerificationError, UnavailableError)):
            source.get(server.random.choice(BLOCKS).cid)
    source.close()
    for _ in range(5):
        with pytest.raises(UnavailableError):
            servers.store(local).get(server.random.choice(BLOCKS).cid)
    check_nothing_else(local)
    assert not list(local.cids())
