"""What a fetch still wants, shared by the lanes that ask for it: who is asked for what, and what to do when one does not deliver.

A lane is one thread that asks one source. It `take`s a batch, hands over each block by `deliver`, and says at the end that it is
`done` or `failed`. A want is *free* until a lane takes it. A source that lacks it is not asked again; where every source lacks it
or is dropped, it is missing. An idle source may also take what another one owes for too long (hedging), the last first.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from time import monotonic

from catalog import limits
from catalog.clients.timeouts import Timeouts
from catalog.errors import DcatError
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid, convert_to_v1
from catalog.sources.source import SourceState

_SMALL_SHARE = 16  # fewer wants are not worth being spread over sources
_LOOK_AHEAD = limits.MAX_FANOUT  # so many free wants are looked at for a batch: a node's children
_OVERDUE = 5  # times hedge: so long a batch may take before others help out, even if it comes along
_MAX_HELD = 32 * limits.MIB


@dataclass(slots=True, eq=False)
class Batch:
    """What one lane asks for at once: single blocks, or those of a node's children, which come as one DAG."""

    source: int
    cids: list[Cid]
    dag: Cid | None = None
    began: float = 0.0
    progressed: float = 0.0


@dataclass(slots=True, eq=False)
class _Want:
    cid: Cid  # as linked: CIDv0 stays CIDv0
    parent: Cid | None
    depth: int
    size: int | None
    lacking: set[int] = field(default_factory=set)
    batches: list[Batch] = field(default_factory=list)


class Wantlist:
    """The wants of one fetch. All methods may be called from several threads at once."""

    def __init__(self, timeouts: Timeouts, sources: list[SourceState]) -> None:
        self._timeouts = timeouts
        self._sources = sources
        self._changed = threading.Condition()
        self._wants: dict[Cid, _Want] = {}
        self._free: dict[Cid, _Want] = {}
        self._links: dict[Cid, int] = {}  # how many a node has
        self._delivered: list[tuple[Block, SourceState]] = []
        self._batches: set[Batch] = set()  # that lanes are at
        self._asked_dags: set[tuple[int, Cid]] = set()
        self._busy: Counter[int] = Counter()  # lanes that ask, by source
        self._held = 0
        self._expanding = 0
        self._progressed = monotonic()
        self._over = False
        self.delivered_size = 0
        self.missing: list[Cid] = []
        self.crash: BaseException | None = None

    def add(self, wants: Iterable[tuple[Cid, Cid, int | None]], *, parent: Cid | None, links: int, depth: int) -> None:
        """Want blocks: each by its key (CIDv1), its CID as linked and, for leaves, its size.

        ``parent`` is the node that links them, ``links`` how many it has. Those that are wanted already are left alone.
        """
        with self._changed:
            fresh = [(key, cid, size) for key, cid, size in wants if key not in self._wants]
            for key, cid, size in fresh:
                self._free[key] = self._wants[key] = _Want(cid, parent, depth, size)
            if parent is not None and fresh:
                self._links[parent] = links
            self._changed.notify_all()

    def take(self, source: SourceState) -> Batch | None:
        """Give the next batch for a lane of ``source``, waiting for one; None when there will be none."""
        with self._changed:
            while not self._over and not source.is_dropped:
                cids, dag = self._choose(source)
                if cids:
                    now = monotonic()
                    batch = Batch(source.number, cids, dag, began=now, progressed=now)
                    for key in cids:
                        self._free.pop(key, None)
                        self._wants[key].batches.append(batch)
                    self._busy[source.number] += 1
                    self._batches.add(batch)
                    return batch
                self._changed.wait(self._timeouts.hedge / 4 if self._wants else None)
            self._settle_all()  # another fetch may have dropped the source
            return None

    def cids_of(self, batch: Batch) -> list[Cid]:
        """Give the CIDs of a batch as they were linked."""
        with self._changed:
            return [want.cid for key in batch.cids if (want := self._wants.get(key)) is not None]

    def has_spare_work(self, source: SourceState) -> bool:
        """Tell whether one more lane of ``source`` would find something to do."""
        with self._changed:
            return not self._over and bool(self._choose(source)[0])

    def deliver(self, source: SourceState, batch: Batch, key: Cid, block: Block) -> int | None:
        """Hand over a verified block; give its depth, or None where it is not wanted (any more).

        The caller then `add`s what it links, and calls `expanded`. Waits while much is delivered that is not stored yet.
        """
        with self._changed:
            batch.progressed = self._progressed = monotonic()
            want = self._wants.pop(key, None)
            if want is None:
                return None
            self._free.pop(key, None)
            self._expanding += 1
            self._delivered.append((block, source))
            self._held += len(block.data)
            self.delivered_size += len(block.data)
            source.count(len(block.data))
            return want.depth

    def expanded(self) -> None:
        """Say that the links of a delivered block are added; wait while too much is held."""
        with self._changed:
            self._expanding -= 1
            self._finish_if_done()
            self._changed.notify_all()
            while self._held > _MAX_HELD and not self._over:
                self._changed.wait(1.0)

    def done(self, source: SourceState, batch: Batch) -> None:
        """The source answered: what it did not deliver it lacks. A DAG ends at the first block that is missing, so that says
        less.
        """
        with self._changed:
            undelivered = self._return(batch)
            if batch.dag is not None:
                self._asked_dags.add((source.number, batch.dag))
            else:
                for want in undelivered:
                    want.lacking.add(source.number)
            self._busy[source.number] -= 1
            self._settle(undelivered)

    def failed(self, source: SourceState, batch: Batch, error: DcatError) -> None:
        """The request failed: others are asked for the rest, and this source again unless that dropped it."""
        with self._changed:
            undelivered = self._return(batch)
            self._busy[source.number] -= 1
            if self._over:  # it was cut because the fetch ended
                return
            source.fail(error, progressed=len(undelivered) < len(batch.cids))
            self._settle_all()

    def collect(self, end: float | None) -> list[tuple[Block, SourceState]] | None:
        """Give what was delivered since, waiting for some; None when all is settled, an empty list where time ran out.

        That is when nothing was delivered for the budget, or at ``end``.
        """
        with self._changed:
            while not self._delivered:
                if self._over:
                    return None
                left = self._progressed + self._timeouts.budget - monotonic()
                if end is not None:
                    left = min(left, end - monotonic())
                if left <= 0:
                    return []
                self._changed.wait(left)
            return self._take_delivered()

    def stop(self, crash: BaseException | None = None) -> None:
        """End the fetch; ``crash`` is what its caller shall see. What is wanted still is missing then."""
        with self._changed:
            if not self._over:
                self.missing.extend(want.cid for want in self._wants.values())
            self._over = True
            self.crash = self.crash or crash
            self._changed.notify_all()

    def drain(self) -> list[tuple[Block, SourceState]]:
        """Give what was delivered and not collected."""
        with self._changed:
            return self._take_delivered()

    def owing(self) -> set[int]:
        """Give the numbers of the sources that are still asked for something."""
        with self._changed:
            return {batch.source for want in self._wants.values() for batch in want.batches}

    def stored(self, size: int) -> None:
        """Say that ``size`` delivered bytes are held no more."""
        with self._changed:
            self._held -= size
            self._progressed = monotonic()
            self._changed.notify_all()

    def settle(self) -> None:
        """End the fetch if nothing is wanted."""
        with self._changed:
            self._settle_all()

    def overdue(self) -> set[int]:
        """Give the numbers of the sources that owe something and have brought nothing for so long that others were asked for it."""
        with self._changed:
            now = monotonic()
            return {batch.source for batch in self._batches if now - batch.progressed >= self._timeouts.hedge}

    def _choose(self, source: SourceState) -> tuple[list[Cid], Cid | None]:
        busy = self._busy[source.number]
        if busy >= source.lanes:
            return [], None
        free = (key for key, want in self._free.items() if source.number not in want.lacking)
        candidates = list(islice(free, max(source.batch, _LOOK_AHEAD) * len(self._sources)))
        if candidates:
            idle = [other for other in self._sources if not other.is_dropped and (not self._busy[other.number] or other.eager)]
            share = (
                len(candidates)
                if source in idle and len(idle) <= 1
                else max(_SMALL_SHARE, -(-len(candidates) // max(1, len(idle))))
            )
            if busy and not source.eager and len(candidates) < source.batch:
                return [], None
            if source.gives_dags and (dag := self._find_dag(source, candidates)) is not None:
                return dag
            return candidates[: min(source.batch, share)], None
        if busy:
            return [], None
        return list(islice(self._find_overdue(source), source.batch)), None

    def _take_delivered(self) -> list[tuple[Block, SourceState]]:
        delivered, self._delivered = self._delivered, []
        return delivered

    def _find_dag(self, source: SourceState, candidates: list[Cid]) -> tuple[list[Cid], Cid] | None:
        """Find a node most of whose children are wanted and leaves: one request brings them all."""
        parent = self._free[candidates[0]].parent
        if parent is None or (source.number, parent) in self._asked_dags or self._links.get(parent, 0) < _SMALL_SHARE:
            return None
        children = [key for key in candidates if self._free[key].parent == parent and self._free[key].size is not None]
        return (children, parent) if len(children) * 2 >= self._links[parent] else None

    def _find_overdue(self, source: SourceState) -> Iterator[Cid]:
        now = monotonic()
        for key in reversed(self._wants):
            want = self._wants[key]
            if source.number in want.lacking or not want.batches or any(batch.source == source.number for batch in want.batches):
                continue
            if all(
                now - batch.progressed >= self._timeouts.hedge or now - batch.began >= _OVERDUE * self._timeouts.hedge
                for batch in want.batches
            ):
                yield key

    def _return(self, batch: Batch) -> list[_Want]:
        self._batches.discard(batch)
        undelivered = []
        for key in batch.cids:
            want = self._wants.get(key)
            if want is not None and batch in want.batches:
                want.batches.remove(batch)
                undelivered.append(want)
                if not want.batches:
                    self._free[key] = want
        return undelivered

    def _settle_all(self) -> None:
        self._settle(list(self._free.values()))

    def _settle(self, wants: list[_Want]) -> None:
        """Call missing what nobody can be asked for any more."""
        if self._over:
            return
        usable = {source.number for source in self._sources if not source.is_dropped}
        for want in wants:
            key = convert_to_v1(want.cid)
            if usable <= want.lacking and key in self._free:
                self.missing.append(want.cid)
                del self._free[key], self._wants[key]
        self._finish_if_done()
        self._changed.notify_all()

    def _finish_if_done(self) -> None:
        if not self._wants and not self._expanding:
            self._over = True
