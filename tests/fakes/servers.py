"""Several servers of one small DAG, honest and other, and stores that fetch from them."""

from collections.abc import Sequence
from contextlib import ExitStack

from catalog.blockstores.memory import MemoryBlockstore
from catalog.clients.http import HttpClient
from catalog.clients.timeouts import Timeouts
from catalog.ipld.block import Block
from catalog.sources.http import HttpBlockSource
from catalog.sources.store import FetchingBlockstore
from tests.fakes.dags import make_dag, make_leaves
from tests.fakes.lying_source import BEHAVIOURS, LyingSource
from tests.fakes.timeouts import scaled

FAST = scaled(Timeouts(), 50)
PATIENT = Timeouts(retry=0.01)
ROOT, BLOCKS = make_dag(make_leaves(200), width=40)
CIDS = {block.cid for block in BLOCKS}
HARMLESS = {"honest", "busy-once", "stale-record", "equivocate", "skewed-date"}
OVER_HTTP = [behaviour for behaviour in BEHAVIOURS if behaviour != "slow-tls"]


class Servers:
    """Starts servers of the blocks, and makes stores that fetch from them."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.started: list[LyingSource] = []

    def start(self, behaviour: str = "honest", *, blocks: Sequence[Block] = BLOCKS, knows_lists: bool = True) -> LyingSource:
        server = self._stack.enter_context(LyingSource(blocks, behaviour=behaviour, knows_lists=knows_lists))
        self.started.append(server)
        return server

    def store(self, local: MemoryBlockstore, timeouts: Timeouts | None = None, **options: int) -> FetchingBlockstore:
        """Time limits are scaled down only where somebody makes dcat wait: a busy machine must not look like a source that
        stalls.
        """
        if timeouts is None:
            timeouts = PATIENT if all(server.behaviour in HARMLESS for server in self.started) else FAST
        sources = [HttpBlockSource(HttpClient(server.url, timeouts=timeouts)) for server in self.started]
        for source in sources:
            self._stack.callback(source.close)
        space = options.get("space")
        return FetchingBlockstore(local, sources, timeouts=timeouts, free_space=None if space is None else lambda: space)


def check_whole(local: MemoryBlockstore) -> None:
    assert set(local.cids()) == CIDS


def check_nothing_else(local: MemoryBlockstore) -> None:
    """Whatever is here was asked for and matches its CID."""
    assert set(local.cids()) <= CIDS
    for cid in local.cids():
        assert local.get(cid) is not None
