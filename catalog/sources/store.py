"""A block source that reads the local store first and then all remote sources in parallel: verified, with failover and resume.

Fetched blocks are stored as they arrive, so an interrupted fetch continues where it stopped, with whatever sources exist then. A
DAG is fetched breadth first: each node that arrives adds wants for its children that are not here. Wants accumulate while a request
is under way, so a server that takes lists gets few long requests. A source that sends wrong blocks is not asked again; one that
stalls, drips or breaks off is in back-off for a while; both are named in a warning.

Considered: one source after another (a dead one costs its whole time-out, a slow one sets the pace); asking all sources for
everything (bytes travel twice); chosen: shared wants, of which any idle source takes some, and hedging of those that are overdue.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from time import monotonic
from typing import Self

from catalog.clients.timeouts import Timeouts
from catalog.errors import BlockMismatchError, BlockNotFoundError, UnavailableError
from catalog.ipld.block import Block, Blockstore
from catalog.ipld.cid import Cid, convert_to_v1
from catalog.progress import Progress, silent
from catalog.sources.fetch import Fetch
from catalog.sources.source import DeltaSource, RemoteSource, RootedSource, SourceState, SourceUse
from catalog.sources.traversal import find_missing

__all__ = ["Fetched", "FetchingBlockstore", "RemoteSource", "SourceUse"]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch brought: the number of new blocks, their bytes, and the share of each source."""

    blocks: int = 0
    size: int = 0
    sources: tuple[SourceUse, ...] = ()


class FetchingBlockstore:
    """A block source over a local store and remote sources; several threads may fetch at once.

    ``free_space`` returns how many bytes the local store can still take. ``reserve`` are sources that are asked only for what
    ``sources`` lack or cannot bring.
    """

    def __init__(
        self,
        local: Blockstore,
        sources: Sequence[RemoteSource],
        *,
        timeouts: Timeouts | None = None,
        free_space: Callable[[], int] | None = None,
        reserve: Sequence[RemoteSource] = (),
    ) -> None:
        self.local = local
        self._timeouts = timeouts or Timeouts()
        self._free_space = free_space
        self._states = [
            SourceState(number, source, reserve=number >= len(sources)) for number, source in enumerate([*sources, *reserve])
        ]
        self._lock = threading.Lock()
        self.deadline: float | None = None  # the moment (`time.monotonic`) at which every fetch ends, done or not

    def over(self, local: Blockstore) -> Self:
        """Return a block source over another local store, with the same sources and what is known of them."""
        other = copy(self)
        other.local = local
        return other

    def without(self, kind: type) -> Self:
        """Return a block source over the same local store, without the sources of a class."""
        other = copy(self)
        other._states = [state for state in self._states if not isinstance(state.source, kind)]
        return other

    @property
    def has_sources(self) -> bool:
        """Whether there is any remote source."""
        return bool(self._states)

    def delta_sources(self) -> list[SourceState]:
        """Return the delta sources that are neither in back-off nor in reserve; callers count received bytes in the state."""
        return [
            state for state in self._states if isinstance(state.source, DeltaSource) and not state.is_dropped and not state.reserve
        ]

    def expect(self, roots: Iterable[Cid]) -> None:
        """Note which DAGs the blocks belong to that are read next: some sources find a block only by its DAG."""
        roots = list(roots)
        for state in self._states:
            if isinstance(state.source, RootedSource):
                state.source.expect(roots)

    def get(self, cid: Cid) -> bytes:
        """Return a block from the local store or a source; raise `UnavailableError` with the answer of each source."""
        for block in self.get_many([cid]):
            return block.data
        raise BlockNotFoundError(f"no source has block {cid}", why=self._explain())

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        """Yield the blocks that are here or that a source has, local ones first.

        Raise `UnavailableError` where a block is missing and a source could not be asked.
        """
        wanted = list({convert_to_v1(cid): cid for cid in cids}.values())
        absent = set(find_missing(self.local, wanted))
        present = dict.fromkeys(cid for cid in wanted if cid not in absent)
        try:
            for block in self.local.get_many(list(present)):
                present.pop(block.cid, None)
                yield block
        except BlockMismatchError:  # one rotted; reading each shows which
            rotten = self._drop_rotten(present)
            absent |= rotten
            yield from self.local.get_many(cid for cid in present if cid not in rotten)
        if absent:
            fetch = self._begin(size=None, traverse=False)
            fetch.want([cid for cid in wanted if cid in absent])
            came = set()
            for block in fetch.run(silent):
                came.add(convert_to_v1(block.cid))
                yield block
            # What another command stored since the look above was not fetched. What rotted is still absent.
            late = [cid for cid in wanted if cid in absent and convert_to_v1(cid) not in came]
            lacking = set(self.local.missing(late))
            yield from self.local.get_many(cid for cid in late if cid not in lacking)
            if fetch.missing and any(state.failure is not None for state in self._states):
                raise self._unavailable(fetch.missing)

    def fetch_many(self, cids: Iterable[Cid], *, size: int | None = None, progress: Progress = silent) -> Fetched:
        """Fetch single blocks into the local store; raise as `fetch_dag` does."""
        return self._fetch(list(cids), size, progress, traverse=False)

    def fetch_dag(
        self,
        roots: Sequence[Cid],
        *,
        size: int | None = None,
        progress: Progress = silent,
        check: Callable[[Block], None] | None = None,
    ) -> Fetched:
        """Fetch the whole DAGs under ``roots`` into the local store: only missing blocks travel.

        ``size`` bounds the bytes that may travel (a release states it). ``check`` raises for a block that must not be
        stored. Raise `UnavailableError` naming every source where a block
        could not be fetched (what could be is stored), `StorageError` where the disk is too full, `CodecError` for a DAG that is
        malformed, or deeper or larger than the limits.
        """
        return self._fetch(list(roots), size, progress, traverse=True, check=check)

    def _fetch(
        self,
        roots: list[Cid],
        size: int | None,
        progress: Progress,
        *,
        traverse: bool,
        check: Callable[[Block], None] | None = None,
    ) -> Fetched:
        if traverse:
            self.expect(roots)
        fetch = self._begin(size=size, traverse=traverse, check=check)
        fetch.want(roots)
        blocks = total = 0
        for block in fetch.run(progress):
            blocks += 1
            total += len(block.data)
        if fetch.missing:
            raise self._unavailable(fetch.missing)
        return Fetched(blocks, total, tuple(state.use() for state in self._states))

    def _begin(self, *, size: int | None, traverse: bool, check: Callable[[Block], None] | None = None) -> Fetch:
        """Return a new fetch from the sources not in back-off; if all are, try every one that never lied once more."""
        with self._lock:
            for state in self._states:
                state.end_back_off(self._timeouts.budget)
            if all(state.is_dropped for state in self._states):
                for state in self._states:
                    state.end_back_off(0)
        timeouts = self._timeouts
        if self.deadline is not None:
            left = max(0.0, self.deadline - monotonic())
            timeouts = replace(timeouts, total=left if timeouts.total is None else min(left, timeouts.total))
        return Fetch(self.local, self._states, timeouts, size=size, free_space=self._free_space, traverse=traverse, check=check)

    def _drop_rotten(self, cids: Iterable[Cid]) -> set[Cid]:
        rotten = set()
        for cid in cids:
            try:
                self.local.get(cid)
            except BlockMismatchError:
                rotten.add(cid)
            except BlockNotFoundError:
                continue
        self.local.delete(rotten)
        return rotten

    def _unavailable(self, missing: list[Cid]) -> UnavailableError:
        more = f" and {len(missing) - 1} more blocks" if len(missing) > 1 else ""
        return UnavailableError(f"no source has block {missing[0]}{more}", why=self._explain())

    def _explain(self) -> str:
        return "; ".join(state.describe() for state in self._states) or "there is no source to ask"
