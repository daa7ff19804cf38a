"""Local first, then all sources side by side: verified, failing over, resumed block by block."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from catalog.blockstores.base import Block, Blockstore, BlockSource
from catalog.clients.timeouts import Timeouts
from catalog.ipld.cid import Cid
from catalog.progress import Progress, silent


class RemoteSource(BlockSource, Protocol):
    """A block source that is asked side by side with others."""

    @property
    def name(self) -> str:
        """What people call it: a host and port, or a file."""
        ...

    def abort(self) -> None:
        """Cut what is under way in other threads."""
        ...


@dataclass(frozen=True, slots=True)
class SourceUse:
    """What came from one source; ``failure`` says why it was dropped."""

    name: str
    blocks: int
    size: int
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch brought: new blocks and their bytes, and what each source gave."""

    blocks: int
    size: int
    sources: tuple[SourceUse, ...]


class FetchingBlockstore:
    """A block source over a local store and remote sources; what it gets is kept in the local store at once."""

    def __init__(
        self,
        local: Blockstore,
        sources: Sequence[RemoteSource],
        *,
        timeouts: Timeouts | None = None,
        free_space: Callable[[], int] | None = None,
    ) -> None:
        raise NotImplementedError

    def get(self, cid: Cid) -> bytes:
        """Give a block from here or from the first source that has it."""
        raise NotImplementedError

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        """Give the blocks, the local ones first; raise `UnavailableError` for what no source has."""
        raise NotImplementedError

    def fetch_many(self, cids: Iterable[Cid], *, size: int | None = None, progress: Progress = silent) -> Fetched:
        """Bring single blocks here."""
        raise NotImplementedError

    def fetch_dag(self, roots: Sequence[Cid], *, size: int | None = None, progress: Progress = silent) -> Fetched:
        """Bring the DAGs under ``roots`` here, whole: only what is missing travels. ``size`` is what they may have at most together
        (a release states it); raise `UnavailableError` naming every source where something cannot be had."""
        raise NotImplementedError
