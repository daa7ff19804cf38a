"""A source as a fetch sees it: how it is best asked, what came from it, why it is not asked any more."""

import threading
from collections.abc import Collection, Iterator
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
    """A block source that is asked side by side with others, by lanes (threads) of one request each."""

    @property
    def name(self) -> str:
        """What people call it: a host and port, or a file."""
        ...

    @property
    def batch(self) -> int:
        """How many blocks are worth one `get_many`."""
        ...

    @property
    def lanes(self) -> int:
        """How many calls are worth having under way at once."""
        ...

    @property
    def eager(self) -> bool:
        """Whether a further lane is worth its price before a whole batch is wanted."""
        ...

    def abort(self, threads: Collection[int] | None = None) -> None:
        """Cut what is under way in the threads of these identifiers, or in all: it raises `UnavailableError` there."""
        ...


@runtime_checkable
class DagSource(Protocol):
    """A source that can also give a whole DAG at once."""

    @property
    def gives_dags(self) -> bool:
        """Whether that is worth asking for."""
        ...

    def get_dag(self, root: Cid) -> Iterator[Block]:
        """Give the blocks of the DAG, verified; its end means nothing."""
        ...


class OfferedDelta(NamedTuple):
    """A delta file that a source sends: its size, and its bytes as they come; nothing of it is checked yet."""

    size: int
    pieces: Iterator[bytes]


@runtime_checkable
class DeltaSource(Protocol):
    """A source that can also give deltas between archives."""

    def delta_bases(self, target: Cid) -> tuple[Cid, ...] | None:
        """Give the archives from which it has a delta that costs nothing to take; None where it has to be asked for one."""
        ...

    def open_delta(self, base: Cid, target: Cid) -> AbstractContextManager[OfferedDelta | None]:
        """Ask for a delta; None where it gives none."""
        ...

    def find_delta_size(self, base: Cid, target: Cid) -> int | None:
        """Ask how large the delta would be; None where it gives none."""
        ...


@dataclass(frozen=True, slots=True)
class SourceUse:
    """What came from one source; ``failure`` says why it was dropped."""

    name: str
    blocks: int
    size: int
    failure: str | None = None
    lied: bool = False


class SourceState:
    """What is known of one source, over all fetches."""

    def __init__(self, number: int, source: RemoteSource) -> None:
        self.number = number
        self.source = source
        self.blocks = 0
        self.size = 0
        self.failure: DcatError | None = None
        self.is_dropped = False
        self.has_lied = False
        self.is_reported = False  # whether people were told that it was dropped
        self._failed_at = 0.0
        self._strikes = 0
        self._rests = 0  # since it brought anything: each is twice as long as the one before
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
        """One more block came."""
        with self._lock:
            self.blocks += 1
            self.size += size
            self._rests = 0

    def fail(self, error: DcatError, *, progressed: bool) -> None:
        """Judge a failure: whoever lies, stalls or fails twice without having brought anything is dropped."""
        self.failure = error
        self._failed_at = monotonic()
        self._strikes = 1 if progressed else self._strikes + 1
        self.has_lied = self.has_lied or isinstance(error, BlockMismatchError | UnwantedBlocksError)
        breaks_off = isinstance(error, UnavailableError | CodecError) and not isinstance(error, SourceTimeoutError)
        if not self.is_dropped and (not breaks_off or self._strikes >= _MAX_STRIKES):
            self.is_dropped = True
            self._rests += 1

    def rest(self, seconds: float) -> None:
        """A new fetch begins: one that was dropped longer ago than ``seconds``, or twice that for each time before, is asked again.

        One that lied is not.
        """
        self._strikes = 0
        if (
            self.is_dropped
            and not self.has_lied
            and monotonic() - self._failed_at >= seconds * 2 ** min(self._rests - 1, _MAX_DOUBLINGS)
        ):
            self.is_dropped = self.is_reported = False

    def describe(self) -> str:
        """Say in a few words how it stands with this source, and since when."""
        if self.failure is None:
            return f"{self.name} does not have it"
        return f"{self.explain()} ({monotonic() - self._failed_at:.0f} s ago)"

    def explain(self) -> str:
        """Say why it failed, with its name."""
        error = self.failure
        if error is None:
            return self.name
        if isinstance(error, BlockMismatchError):
            return f"{self.name} sent a block that does not match its CID"
        text = f"{error.message}: {error.why}" if error.why else error.message
        return text if self.name in text else f"{self.name}: {text}"

    def use(self) -> SourceUse:
        """Give the account."""
        return SourceUse(self.name, self.blocks, self.size, self.explain() if self.is_dropped else None, self.has_lied)
