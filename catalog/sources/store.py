"""Local first, then all sources side by side: verified, failing over, resumed block by block.

What is fetched is kept in the local store at once, in one durable step after the other, so that an interrupted fetch goes on
where it stopped, with whatever sources there are then. A DAG is fetched in breadth: each node that arrives brings the wants for
those of its children that are not here; while a request is under way they gather, so that a server which takes lists gets few and
long ones. A source that lies is not asked again; one that stalls, drips or breaks off is left alone for a while; either is named
in a warning.

Considered: one source after the other (a dead one costs its whole time-out, a slow one sets the pace); asking all for everything
(bytes travel twice); chosen: shared wants, whoever is idle takes some, and what is owed too long is asked elsewhere as well.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from catalog.clients.timeouts import Timeouts
from catalog.errors import BlockMismatchError, BlockNotFoundError, UnavailableError
from catalog.ipld.block import Block, Blockstore
from catalog.ipld.cid import Cid, convert_to_v1
from catalog.progress import Progress, silent
from catalog.sources.fetch import Fetch, find_missing
from catalog.sources.source import DeltaSource, RemoteSource, SourceState, SourceUse

__all__ = ["Fetched", "FetchingBlockstore", "RemoteSource", "SourceUse"]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch brought: new blocks and their bytes, and what each source gave."""

    blocks: int = 0
    size: int = 0
    sources: tuple[SourceUse, ...] = ()


class FetchingBlockstore:
    """A block source over a local store and remote sources. One fetch runs at a time for each of its callers' threads.

    ``free_space`` tells how many bytes the local store can still take.
    """

    def __init__(
        self,
        local: Blockstore,
        sources: Sequence[RemoteSource],
        *,
        timeouts: Timeouts | None = None,
        free_space: Callable[[], int] | None = None,
    ) -> None:
        self.local = local
        self._timeouts = timeouts or Timeouts()
        self._free_space = free_space
        self._states = [SourceState(number, source) for number, source in enumerate(sources)]
        self._lock = threading.Lock()

    @property
    def has_sources(self) -> bool:
        """Whether there is anybody to ask."""
        return bool(self._states)

    def delta_sources(self) -> list[SourceState]:
        """Give the sources that may make deltas, but for those that are left alone now; whoever takes bytes counts them there."""
        return [state for state in self._states if isinstance(state.source, DeltaSource) and not state.is_dropped]

    def get(self, cid: Cid) -> bytes:
        """Give a block from here or from the first source that has it; raise `UnavailableError` with what each source said."""
        for block in self.get_many([cid]):
            return block.data
        raise BlockNotFoundError(f"no source has block {cid}", why=self._explain())

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        """Give those of ``cids`` that are here or that a source has, the local ones first.

        Raises `UnavailableError` where one is nowhere and a source could not be asked.
        """
        wanted = list({convert_to_v1(cid): cid for cid in cids}.values())
        absent = set(find_missing(self.local, wanted))
        present = dict.fromkeys(cid for cid in wanted if cid not in absent)
        try:
            for block in self.local.get_many(list(present)):
                present.pop(block.cid, None)
                yield block
        except BlockMismatchError:  # one rotted: which, each tells
            rotten = self._drop_rotten(present)
            absent |= rotten
            yield from self.local.get_many(cid for cid in present if cid not in rotten)
        if absent:
            fetch = self._begin(size=None, traverse=False)
            fetch.want([cid for cid in wanted if cid in absent])
            yield from fetch.run(silent)
            if fetch.missing and any(state.failure is not None for state in self._states):
                raise self._unavailable(fetch.missing)

    def fetch_many(self, cids: Iterable[Cid], *, size: int | None = None, progress: Progress = silent) -> Fetched:
        """Bring single blocks here; raise as `fetch_dag` does."""
        return self._fetch(list(cids), size, progress, traverse=False)

    def fetch_dag(self, roots: Sequence[Cid], *, size: int | None = None, progress: Progress = silent) -> Fetched:
        """Bring the DAGs under ``roots`` here, whole: only what is missing travels.

        ``size`` is what all that travels may have at most (a release states it). Raises `UnavailableError` naming every source
        where something cannot be had (what could is here), `StorageError` where it does not fit on the disk, `CodecError` for a
        DAG that is deeper or larger than the limits or no DAG.
        """
        return self._fetch(list(roots), size, progress, traverse=True)

    def _fetch(self, roots: list[Cid], size: int | None, progress: Progress, *, traverse: bool) -> Fetched:
        fetch = self._begin(size=size, traverse=traverse)
        fetch.want(roots)
        blocks = total = 0
        for block in fetch.run(progress):
            blocks += 1
            total += len(block.data)
        if fetch.missing:
            raise self._unavailable(fetch.missing)
        return Fetched(blocks, total, tuple(state.use() for state in self._states))

    def _begin(self, *, size: int | None, traverse: bool) -> Fetch:
        """Make a fetch from the sources that do not rest; if all do, all but liars are tried once more."""
        with self._lock:
            for state in self._states:
                state.rest(self._timeouts.budget)
            if all(state.is_dropped for state in self._states):
                for state in self._states:
                    state.rest(0)
        return Fetch(self.local, self._states, self._timeouts, size=size, free_space=self._free_space, traverse=traverse)

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
