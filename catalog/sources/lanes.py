"""Lanes: the threads that ask sources for what a wantlist wants."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from time import monotonic

from catalog.errors import DcatError
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid, convert_to_v1
from catalog.sources.source import DagSource, SourceState
from catalog.sources.wantlist import Wantlist
from catalog.sources.wants import Batch

_JOIN_TIMEOUT = 0.5  # for lanes that were aborted; they are daemon threads

Expand = Callable[[Cid, Block, int], None]


class _EndedError(Exception):
    """Carries, as its cause, an error that ends the whole fetch."""


class Lanes:
    """The lanes of one fetch: one for each source, and further ones while there is work for them.

    ``expand`` is called with the key, the block and its depth for each block that was wanted; what it raises ends the fetch.
    """

    def __init__(self, wantlist: Wantlist, expand: Expand) -> None:
        self._wantlist = wantlist
        self._expand = expand
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._counts: Counter[int] = Counter()

    def start(self, state: SourceState) -> None:
        """Start one more lane of a source, unless it has as many as it allows."""
        with self._lock:
            if self._counts[state.number] >= state.lanes:
                return
            self._counts[state.number] += 1
            lane = threading.Thread(target=self._run, args=(state,), name=f"fetch {state.name}", daemon=True)
            lane.start()
            self._threads.append(lane)  # after it started: `stop` may come at any time, and only a started thread can be joined

    def stop(self, sources: list[SourceState]) -> None:
        """Abort the requests of all lanes and wait a moment for them; the wantlist must have been stopped."""
        with self._lock:
            threads = list(self._threads)
        running = {lane.ident for lane in threads if lane.is_alive() and lane.ident is not None}
        if not running:
            return
        for state in sources:
            state.source.abort(running)
        deadline = monotonic() + _JOIN_TIMEOUT
        for lane in threads:
            lane.join(max(0.0, deadline - monotonic()))

    def _run(self, state: SourceState) -> None:
        try:
            while (batch := self._wantlist.take(state)) is not None:
                if self._wantlist.has_spare_work(state):
                    self.start(state)
                try:
                    for block in self._ask(state, batch):
                        self._accept(state, batch, block)
                except _EndedError:
                    raise
                except DcatError as error:
                    self._wantlist.failed(state, batch, error)
                else:
                    self._wantlist.done(state, batch)
        except _EndedError as error:
            self._wantlist.stop(error.__cause__)
        except BaseException as error:  # raised again by the thread that waits for the fetch
            self._wantlist.stop(error)

    def _ask(self, state: SourceState, batch: Batch) -> Iterator[Block]:
        if batch.dag is not None and isinstance(state.source, DagSource):
            return state.source.get_dag(batch.dag)
        return state.source.get_many(self._wantlist.cids_of(batch))

    def _accept(self, state: SourceState, batch: Batch, block: Block) -> None:
        key = convert_to_v1(block.cid)
        depth = self._wantlist.deliver(state, batch, key, block)
        if depth is None:
            return
        try:
            self._expand(key, block, depth)
        except DcatError as error:  # caused by the DAG or the disk, not by the source
            raise _EndedError from error
        finally:
            self._wantlist.expanded()
