"""A remote source as a fetch sees it: how it is best asked, what came from it, and why it is in back-off."""

import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import monotonic
from typing import NamedTuple, Protocol, runtime_checkable

from catalog.errors import BlockMismatchError, CodecError, DcatError, SourceTimeoutError, UnavailableError, UnwantedBlocksError
from catalog.ipld.block import Block, BlockSource
from catalog.ipld.cid import Cid

_MAX_STRIKES = 2
_MAX_DOUBLINGS = 4


class RemoteSource(BlockSource, Protocol):
    """A block source that is asked in parallel with others, by lanes (threads) of one request each."""

    @property
    def name(self) -> str:
        """Its name in messages: a host and port, or a file."""
        ...

    @property
    def batch(self) -> int:
        """How many blocks one `get_many` should ask for."""
        ...

    @property
    def lanes(self) -> int:
        """How many calls may be under way at once."""
        ...

    @property
    def eager(self) -> bool:
        """Whether a further lane is worth starting for less than a whole batch."""
        ...

    def abort(self, threads: Collection[int] | None = None) -> None:
        """Abort the calls of the threads with these identifiers, or of all: they raise `UnavailableError`."""
        ...

    def close(self) -> None:
        """Abort all calls, and close connections and files. May be called again."""
        ...


@runtime_checkable
class DagSource(Protocol):
    """A source that can also send a whole DAG in one answer."""

    @property
    def gives_dags(self) -> bool:
        """Whether `get_dag` is worth a request."""
        ...

    def get_dag(self, root: Cid) -> Iterator[Block]:
        """Yield the blocks of the DAG, verified; the end does not mean that it is complete."""
        ...


@runtime_checkable
class RootedSource(Protocol):
    """A source that finds a block only by the DAG that it belongs to."""

    def expect(self, roots: Iterable[Cid]) -> None:
        """Note which DAGs are wanted next; nothing is asked for yet."""
        ...


class OfferedDelta(NamedTuple):
    """A delta file that a source sends: its stated size and its bytes as they arrive, all unchecked."""

    size: int
    pieces: Iterator[bytes]


@runtime_checkable
class DeltaSource(Protocol):
    """A source that can also send deltas between archives."""

    def delta_bases(self, target: Cid) -> tuple[Cid, ...] | None:
        """Return the bases of the deltas to ``target`` that it already has; None where only a request shows that."""
        ...

    def open_delta(self, base: Cid, target: Cid) -> AbstractContextManager[OfferedDelta | None]:
        """Yield a delta, or None where the source has none."""
        ...

    def find_delta_size(self, base: Cid, target: Cid) -> int | None:
        """Return the size of the delta, or None where the source has none."""
        ...


@dataclass(frozen=True, slots=True)
class SourceUse:
    """What came from one source; ``failure`` is the reason why it was dropped."""

    name: str
    blocks: int
    size: int
    failure: str | None = None
    lied: bool = False


class SourceState:
    """The state of one source, kept over all fetches of a `FetchingBlockstore`.

    A source in ``reserve`` is asked only for what the others lack or cannot bring.
    """

    def __init__(self, number: int, source: RemoteSource, *, reserve: bool = False) -> None:
        self.number = number
        self.reserve = reserve
        self.source = source
        self.blocks = 0
        self.size = 0
        self.failure: DcatError | None = None
        self.is_dropped = False
        self.has_lied = False
        self.is_reported = False  # whether a warning named it since it was dropped
        self._failed_at = 0.0
        self._strikes = 0
        self._back_offs = 0  # since it last brought a block; each is twice as long as the one before
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def batch(self) -> int:
        return self.source.batch

    @property
    def lanes(self) -> int:
        return self.source.lanes

    @property
    def eager(self) -> bool:
        return self.source.eager

    @property
    def gives_dags(self) -> bool:
        return isinstance(self.source, DagSource) and self.source.gives_dags

    def count(self, size: int) -> None:
        """Count a block of ``size`` bytes that arrived."""
        with self._lock:
            self.blocks += 1
            self.size += size
            self._back_offs = 0

    def fail(self, error: DcatError, *, progressed: bool) -> None:
        """Record a failure; drop a source that lied, stalled, or failed twice without bringing anything."""
        self.failure = error
        self._failed_at = monotonic()
        self._strikes = 1 if progressed else self._strikes + 1
        self.has_lied = self.has_lied or isinstance(error, BlockMismatchError | UnwantedBlocksError)
        breaks_off = isinstance(error, UnavailableError | CodecError) and not isinstance(error, SourceTimeoutError)
        if not self.is_dropped and (not breaks_off or self._strikes >= _MAX_STRIKES):
            self.is_dropped = True
            self._back_offs += 1

    def end_back_off(self, seconds: float) -> None:
        """Before a new fetch: end the back-off if it lasted ``seconds``, doubled for each back-off since a block last arrived.

        A source that lied stays dropped.
        """
        self._strikes = 0
        if (
            self.is_dropped
            and not self.has_lied
            and monotonic() - self._failed_at >= seconds * 2 ** min(self._back_offs - 1, _MAX_DOUBLINGS)
        ):
            self.is_dropped = self.is_reported = False

    def describe(self) -> str:
        """Return why this source brought nothing, and since when."""
        if self.failure is None:
            return f"{self.name} does not have it"
        return f"{self.explain()} ({monotonic() - self._failed_at:.0f} s ago)"

    def explain(self) -> str:
        """Return why it failed, with its name."""
        error = self.failure
        if error is None:
            return self.name
        if isinstance(error, BlockMismatchError):
            return f"{self.name} sent a block that does not match its CID"
        text = f"{error.message}: {error.why}" if error.why else error.message
        return text if self.name in text else f"{self.name}: {text}"

    def use(self) -> SourceUse:
        """Return the share of this source."""
        return SourceUse(self.name, self.blocks, self.size, self.explain() if self.is_dropped else None, self.has_lied)
