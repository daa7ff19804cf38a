"""The wants of one fetch, and the policy that spreads them over the sources: no locks, no clock, no I/O.

A want is *free* until a batch takes it. A source that lacks a block is not asked for it again. A source with nothing else to do
also takes wants that another source owes for too long (hedging), the newest first.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from catalog import limits
from catalog.ipld.cid import Cid
from catalog.sources.source import SourceState

_MIN_SHARE = 16  # fewer wants are not worth spreading over several sources
_LOOK_AHEAD = limits.MAX_FANOUT  # free wants considered for a batch: the children of one node
_OVERDUE = 5  # times hedge: how long a batch may take before others help, even if it progresses


@dataclass(slots=True, eq=False)
class Batch:
    """What one lane asks for at once: single blocks, or with ``dag`` the children of a node, which come as one DAG."""

    source: int
    keys: list[Cid]
    dag: Cid | None
    began: float
    progressed: float


@dataclass(slots=True, eq=False)
class Want:
    """A block that is wanted: its CID as linked (CIDv0 stays CIDv0), the node that links it, and, for a leaf, its size."""

    cid: Cid
    parent: Cid | None
    depth: int
    size: int | None
    lacking: set[int] = field(default_factory=set)
    batches: list[Batch] = field(default_factory=list)


class Choice(NamedTuple):
    """The keys that a source should be asked for next, and the node whose children they are if one DAG brings them."""

    keys: list[Cid]
    dag: Cid | None = None


@dataclass(slots=True)
class Wants:
    """Everything wanted, by key (CIDv1). ``fanout`` is the number of links of a node, ``batches`` are under way."""

    all: dict[Cid, Want] = field(default_factory=dict)
    free: dict[Cid, Want] = field(default_factory=dict)
    fanout: dict[Cid, int] = field(default_factory=dict)
    batches: set[Batch] = field(default_factory=set)
    asked_dags: set[tuple[int, Cid]] = field(default_factory=set)

    def add(self, wants: Iterable[tuple[Cid, Want]], parent: Cid | None, links: int) -> None:
        """Add wants by key; those that are wanted already are left as they are."""
        fresh = [(key, want) for key, want in wants if key not in self.all]
        self.all.update(fresh)
        self.free.update(fresh)
        if parent is not None and fresh:
            self.fanout[parent] = links

    def assign(self, choice: Choice, source: int, now: float) -> Batch:
        """Record that ``source`` is asked for a choice."""
        batch = Batch(source, choice.keys, choice.dag, now, now)
        for key in batch.keys:
            self.free.pop(key, None)
            self.all[key].batches.append(batch)
        self.batches.add(batch)
        return batch

    def remove(self, key: Cid) -> Want | None:
        """Remove a want, because its block arrived or no source can bring it; return it, or None where it is not wanted."""
        self.free.pop(key, None)
        return self.all.pop(key, None)

    def end(self, batch: Batch) -> list[Want]:
        """Record that a batch is no longer under way; return the wants that it did not bring, which may be free again."""
        self.batches.discard(batch)
        undelivered = []
        for key in batch.keys:
            want = self.all.get(key)
            if want is not None and batch in want.batches:
                want.batches.remove(batch)
                undelivered.append(want)
                if not want.batches:
                    self.free[key] = want
        return undelivered

    def count_batches(self, source: int) -> int:
        """Return how many batches of a source are under way."""
        return sum(batch.source == source for batch in self.batches)


def choose(wants: Wants, source: SourceState, sources: Sequence[SourceState], now: float, hedge: float) -> Choice | None:
    """Return what ``source`` should be asked for next, or None.

    Free wants first, at most this source's share of them; else, for a source that is not asked for anything, what others owe. A
    source in reserve gets what every other one lacks, and helps out only once all of these are dropped.
    """
    busy = wants.count_batches(source.number)
    if busy >= source.lanes:
        return None
    first = {other.number for other in sources if not other.reserve and not other.is_dropped} if source.reserve else set()
    free = (key for key, want in wants.free.items() if source.number not in want.lacking and first <= want.lacking)
    candidates = list(islice(free, max(source.batch, _LOOK_AHEAD) * len(sources)))
    if not candidates:
        overdue = [] if busy or first else list(islice(_find_overdue(wants, source, now, hedge), source.batch))
        return Choice(overdue) if overdue else None
    if busy and not source.eager and len(candidates) < source.batch:
        return None
    if source.gives_dags and (choice := _find_dag(wants, source, candidates)) is not None:
        return choice
    return Choice(candidates[: min(source.batch, _share(wants, source, sources, len(candidates)))])


def _share(wants: Wants, source: SourceState, sources: Sequence[SourceState], count: int) -> int:
    """Return how many of ``count`` free wants one source may take, so that other idle sources get theirs."""
    idle = [other for other in sources if not other.is_dropped and (other.eager or not wants.count_batches(other.number))]
    if source in idle and len(idle) == 1:
        return count
    return max(_MIN_SHARE, -(-count // max(1, len(idle))))


def _find_dag(wants: Wants, source: SourceState, candidates: list[Cid]) -> Choice | None:
    """Return the children of a node if most of them are wanted leaves: one request for the DAG brings them all."""
    parent = wants.free[candidates[0]].parent
    if parent is None or (source.number, parent) in wants.asked_dags or wants.fanout.get(parent, 0) < _MIN_SHARE:
        return None
    children = [key for key in candidates if wants.free[key].parent == parent and wants.free[key].size is not None]
    return Choice(children, parent) if len(children) * 2 >= wants.fanout[parent] else None


def _find_overdue(wants: Wants, source: SourceState, now: float, hedge: float) -> Iterator[Cid]:
    """Yield wants that every source asked for them owes for too long, the newest first."""
    for key in reversed(wants.all):
        want = wants.all[key]
        if source.number in want.lacking or not want.batches or any(batch.source == source.number for batch in want.batches):
            continue
        if all(now - batch.progressed >= hedge or now - batch.began >= _OVERDUE * hedge for batch in want.batches):
            yield key
