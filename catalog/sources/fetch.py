"""One fetch: lanes ask sources for what a wantlist wants, one thread writes what they bring."""

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from time import monotonic

from catalog import limits
from catalog.blockstores.embedded import EmbeddedBlockstore, NewBlock
from catalog.clients.timeouts import Timeouts
from catalog.errors import BlockMismatchError, CodecError, DcatError, SourceTimeoutError, StorageError
from catalog.ipld import dag_pb
from catalog.ipld.block import Block, Blockstore
from catalog.ipld.cid import DAG_PB, RAW, Cid, convert_to_v1
from catalog.progress import Progress, Step
from catalog.sources.source import DagSource, SourceState
from catalog.sources.wantlist import Batch, Wantlist

_EMPTY_DIGEST = hashlib.sha256(b"").digest()
_JOIN = 0.5  # how long the end waits for lanes that were cut; they are daemons
_SPACE_KEPT = 16 * limits.MIB
_LEAF_SIZE = 512 * limits.KIB  # a dag-pb child whose whole DAG is no larger is taken for a leaf


class Fetch:
    """Brings blocks, and with ``traverse`` all that they link to, into ``local``; made for one `run`.

    ``size`` is what may travel at most, ``free_space`` tells what the disk still takes.
    """

    def __init__(
        self,
        local: Blockstore,
        sources: list[SourceState],
        timeouts: Timeouts,
        *,
        size: int | None,
        free_space: Callable[[], int] | None,
        traverse: bool,
    ) -> None:
        self._local = local
        self._sources = sources
        self._timeouts = timeouts
        self._size = size
        self._free_space = free_space
        self._traverse = traverse
        self._limit = None if size is None else size + size // 10 + limits.MIB
        self._seen: set[Cid] = set()
        self._lock = threading.Lock()
        self._lanes: list[threading.Thread] = []
        self._lanes_of: dict[int, int] = {}
        self._wantlist = Wantlist(timeouts, sources)
        self._received = 0
        self._expected = 0
        self._storing = False
        self._unflushed: EmbeddedBlockstore | None = None

    @property
    def missing(self) -> list[Cid]:
        """What no source had."""
        return self._wantlist.missing

    def want(self, roots: Iterable[Cid]) -> None:
        """Say what is wanted; what is here already is only walked."""
        self._descend([(cid, None) for cid in roots], parent=None, depth=0)

    def run(self, progress: Progress) -> Iterator[Block]:
        """Give each new block after it was stored; raise what ended the fetch, except that `missing` is left to the caller."""
        end = None if self._timeouts.total is None else monotonic() + self._timeouts.total
        self._wantlist.settle()
        try:
            for state in self._sources:
                self._start_lane(state)
            while delivered := self._wantlist.collect(end):
                yield from self._store(delivered)
                self._report(delivered, progress)
            if delivered is not None:
                self._give_up()
            else:
                self._leave_behind()
            self._report([], progress)
        except GeneratorExit:  # the caller has all that it wanted
            self._leave_behind()
            raise
        finally:
            self._stop()
        if self._wantlist.crash is not None:
            raise self._wantlist.crash

    def _store(self, delivered: list[tuple[Block, SourceState]]) -> list[Block]:
        blocks = [block for block, _ in delivered]
        self._storing = True  # if that fails, what came since is not tried again
        self._put(blocks)
        self._storing = False
        self._received += sum(len(block.data) for block in blocks)
        self._wantlist.stored(sum(len(block.data) for block in blocks))
        return blocks

    def _put(self, blocks: list[Block]) -> None:
        """Keep blocks so that they survive kill -9 now, and, by the end of the fetch, a power cut: a sync for each handful costs
        more time than they take to come, and what comes meanwhile would be lost with the process.
        """
        if isinstance(self._local, EmbeddedBlockstore):
            self._local.put_batch([NewBlock(block) for block in blocks], durable=False)
            self._unflushed = self._local
        else:
            self._local.put_many(blocks)

    def _report(self, delivered: list[tuple[Block, SourceState]], progress: Progress) -> None:
        for state in self._sources:
            if state.is_dropped and state.failure is not None and not state.is_reported:
                state.is_reported = True
                progress(Step("warning", f"{state.explain()}; dropped", figures=(("blocks", state.blocks),)))
        for state in {state.number: state for _, state in delivered}.values():
            progress(Step("part", state.name, state.size))
        if delivered:
            progress(Step("total", "fetched", self._received, max(self._expected, self._received)))

    def _give_up(self) -> None:
        for state in self._sources:
            if state.number in self._wantlist.owing():
                state.fail(SourceTimeoutError(f"{state.name} does not deliver", why="the time for it ran out"), progressed=True)
        self._wantlist.stop()

    def _leave_behind(self) -> None:
        """All is here, and some source still owes what another brought in its place: it rests, else each fetch would wait for it
        anew.
        """
        late = self._wantlist.overdue()
        for state in self._sources:
            if state.number in late and not state.is_dropped:
                state.fail(SourceTimeoutError(f"{state.name} does not deliver", why="others did in the meantime"), progressed=True)

    def _stop(self) -> None:
        self._wantlist.stop()
        with self._lock:
            lanes = list(self._lanes)
        running = {lane.ident for lane in lanes if lane.is_alive() and lane.ident is not None}
        if running:
            for state in self._sources:
                state.source.abort(running)
            deadline = monotonic() + _JOIN
            for lane in lanes:
                lane.join(max(0.0, deadline - monotonic()))
        if not self._storing and (rest := [block for block, _ in self._wantlist.drain()]):
            self._put(rest)
        if not self._storing and self._unflushed is not None:
            self._unflushed.flush()

    def _start_lane(self, state: SourceState) -> None:
        with self._lock:
            if self._lanes_of.get(state.number, 0) >= state.lanes:
                return
            self._lanes_of[state.number] = self._lanes_of.get(state.number, 0) + 1
            lane = threading.Thread(target=self._run_lane, args=(state,), name=f"fetch {state.name}", daemon=True)
            lane.start()
            self._lanes.append(lane)  # only now: `_stop` may come at any time, and what has not started cannot be joined

    def _run_lane(self, state: SourceState) -> None:
        try:
            while (batch := self._wantlist.take(state)) is not None:
                if self._wantlist.has_spare_work(state):
                    self._start_lane(state)
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
        except BaseException as error:  # raised again where the fetch is awaited
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
            if key.codec != RAW:
                with self._lock:
                    self._expected += len(block.data)
            if self._traverse and key.codec == DAG_PB:
                self._descend(_links_of(block), parent=key, depth=depth + 1)
            if self._limit is not None and self._wantlist.delivered_size > self._limit:
                raise CodecError("the DAG is larger than it was said to be", why=f"more than {self._limit} bytes")
        except DcatError as error:  # the DAG's fault or the disk's, not the source's
            raise _EndedError from error
        finally:
            self._wantlist.expanded()

    def _descend(self, links: "_Links", *, parent: Cid | None, depth: int) -> None:
        """Walk what is here, want what is not."""
        level = [(links, parent, depth)]
        while level:
            links, parent, depth = level.pop()
            if depth > limits.MAX_DAG_DEPTH:
                raise CodecError("the DAG is too deep", why=f"more than {limits.MAX_DAG_DEPTH} levels")
            fresh = self._see(links)
            absent = set(find_missing(self._local, [cid for _, cid, _ in fresh]))
            for key, cid, _ in fresh:
                if self._traverse and key.codec == DAG_PB and cid not in absent:
                    try:
                        level.append((_links_of(Block(cid, self._local.get(cid))), key, depth + 1))
                    except BlockMismatchError:  # rotten
                        self._local.delete([cid])
                        absent.add(cid)
            wants = [entry for entry in fresh if entry[1] in absent]
            self._check_size(sum(size or 0 for key, _, size in wants if key.codec == RAW))
            self._wantlist.add(wants, parent=parent, links=len(links), depth=depth)

    def _see(self, links: "_Links") -> "list[tuple[Cid, Cid, int | None]]":
        with self._lock:
            fresh = []
            for cid, size in links:
                key = convert_to_v1(cid)
                if key not in self._seen:
                    self._seen.add(key)
                    fresh.append((key, cid, size))
            if len(self._seen) > limits.MAX_DAG_BLOCKS:
                raise CodecError("the DAG is too large", why=f"more than {limits.MAX_DAG_BLOCKS} blocks")
            return fresh

    def _check_size(self, size: int) -> None:
        if not size:
            return
        with self._lock:
            self._expected += size
            expected = self._expected
        if self._limit is not None and expected > self._limit:
            raise CodecError("the DAG is larger than it was said to be", why=f"its links state {expected} bytes")
        if self._free_space is not None:
            needs, has = (expected - self._received) * 11 // 10 + _SPACE_KEPT, self._free_space()
            if needs > has:
                raise StorageError("the disk is too full for what is to be fetched", why=f"needs {needs} bytes, has {has}")


_Links = list[tuple[Cid, int | None]]


class _EndedError(Exception):
    """Carries, as its cause, what ends the whole fetch out of a lane."""


def find_missing(local: Blockstore, cids: Iterable[Cid]) -> list[Cid]:
    """Give those that are not here. The empty block is made on the spot: there is nothing to fetch, and bitswap cannot carry it."""
    missing = local.missing(cids)
    for cid in missing:
        if cid.digest == _EMPTY_DIGEST:
            local.put(cid, b"")
    return [cid for cid in missing if cid.digest != _EMPTY_DIGEST]


def _links_of(block: Block) -> _Links:
    """Give a node's links, with the size of those that are leaves, as far as it is stated."""
    links: _Links = []
    for link in dag_pb.decode_node(block.data).links:
        is_leaf = link.cid.codec == RAW or (link.tsize is not None and link.tsize <= _LEAF_SIZE)
        links.append((link.cid, link.tsize if is_leaf else None))
    return links
