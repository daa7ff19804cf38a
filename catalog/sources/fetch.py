"""One fetch: lanes ask sources for what is wanted, and the calling thread stores what they bring."""

from collections.abc import Callable, Iterable, Iterator
from time import monotonic

from catalog.clients.timeouts import Timeouts
from catalog.errors import SourceTimeoutError
from catalog.ipld.block import Block, Blockstore
from catalog.ipld.cid import Cid
from catalog.progress import Progress, Step
from catalog.sources.lanes import Lanes
from catalog.sources.source import SourceState
from catalog.sources.traversal import SizeBudget, Traversal
from catalog.sources.wantlist import Wantlist


class Fetch:
    """Fetches blocks, and with ``traverse`` everything that they link, into ``local``; made for one `run`.

    ``size`` is what may travel at most, ``free_space`` returns how many bytes the disk can still take. ``check`` raises for a block
    that is not what a publisher calls it: it is not stored, and ends the fetch.
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
        check: Callable[[Block], None] | None = None,
    ) -> None:
        self._check = check
        self._local = local
        self._sources = sources
        self._timeouts = timeouts
        self._wantlist = Wantlist(timeouts, sources)
        self._budget = SizeBudget(size, free_space)
        self._traversal = Traversal(local, self._wantlist, self._budget, deep=traverse)
        self._lanes = Lanes(self._wantlist, self._expand)
        self._is_storing = False
        self._is_flushed = True

    @property
    def missing(self) -> list[Cid]:
        """What no source has."""
        return self._wantlist.missing

    def want(self, roots: Iterable[Cid]) -> None:
        """Add roots; those that are here are only walked."""
        self._traversal.start(roots)

    def run(self, progress: Progress) -> Iterator[Block]:
        """Yield each new block after it was stored; raise what ended the fetch. Missing blocks raise nothing here."""
        end = None if self._timeouts.total is None else monotonic() + self._timeouts.total
        self._wantlist.settle()
        try:
            for state in self._sources:
                self._lanes.start(state)
            while delivered := self._wantlist.collect(end):
                yield from self._store(delivered)
                self._report(delivered, progress)
            if delivered is not None:
                self._give_up()
            else:
                self._rest_overdue()
            self._report([], progress)
        except GeneratorExit:  # the caller has all that it wanted
            self._rest_overdue()
            raise
        finally:
            self._stop()
        if self._wantlist.crash is not None:
            raise self._wantlist.crash

    def _expand(self, key: Cid, block: Block, depth: int) -> None:
        self._traversal.add(key, block, depth)
        self._budget.check_delivered(self._wantlist.delivered_size)

    def _store(self, delivered: list[tuple[Block, SourceState]]) -> list[Block]:
        blocks = [block for block, _ in delivered]
        self._put(blocks)
        size = sum(len(block.data) for block in blocks)
        self._budget.received += size
        self._wantlist.stored(size)
        return blocks

    def _put(self, blocks: list[Block]) -> None:
        """Store blocks so that they survive kill -9 at once, and a power cut by the end of the fetch.

        A sync for each handful of blocks would take longer than their transfer.
        """
        self._is_storing = True  # stays true if this raises: what arrived since is not stored either then
        if self._check is not None:
            for block in blocks:
                self._check(block)
        self._local.put_many(blocks, durable=False)
        self._is_flushed = False
        self._is_storing = False

    def _report(self, delivered: list[tuple[Block, SourceState]], progress: Progress) -> None:
        for state in self._sources:
            if state.is_dropped and state.failure is not None and not state.is_reported:
                state.is_reported = True
                progress(Step("warning", f"{state.explain()}; dropped", figures=(("blocks", state.blocks),)))
        for state in {state.number: state for _, state in delivered}.values():
            progress(Step("part", state.name, state.size))
        if delivered:
            progress(Step("total", "fetched", self._budget.received, max(self._budget.expected, self._budget.received)))

    def _give_up(self) -> None:
        owing = self._wantlist.owing()
        for state in self._sources:
            if state.number in owing:
                state.fail(SourceTimeoutError(f"{state.name} does not deliver", why="the time for it ran out"), progressed=True)
        self._wantlist.stop()

    def _rest_overdue(self) -> None:
        """Drop sources that still owe what others brought, for a while: else each fetch would wait for them again."""
        late = self._wantlist.overdue()
        for state in self._sources:
            if state.number in late and not state.is_dropped:
                state.fail(SourceTimeoutError(f"{state.name} does not deliver", why="others did in the meantime"), progressed=True)

    def _stop(self) -> None:
        self._wantlist.stop()
        self._lanes.stop(self._sources)
        if self._is_storing:
            return
        if rest := [block for block, _ in self._wantlist.drain()]:
            self._put(rest)
        if not self._is_flushed:
            self._local.flush()
