"""Deltas that lead to an archive, as offers: what each would cost, and taking it.

In this order: deltas that the release's line names, deltas that a bundle carries, deltas that servers make. A delta that fails in
any way is given up with a warning, and the rest comes as blocks; it never ends a delivery.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Protocol

from catalog.blockstores.holding import is_whole
from catalog.blockstores.staging import stage_in_file
from catalog.delivery.applying import apply_delta
from catalog.delivery.known import Lineage, find_lineages
from catalog.delta.policy import DELTA_SHARE, Hop, chain_size, find_chain, is_chain_worth, order_bases
from catalog.errors import DcatError, UnavailableError, VerificationError
from catalog.home.home import Home
from catalog.image.reader import ArchiveView
from catalog.ipld.cid import Cid
from catalog.limits import MAX_DELTA_BASES, MIN_DELTA_NEED
from catalog.progress import Progress, Step
from catalog.sources.source import DeltaSource, OfferedDelta, SourceState
from catalog.sources.store import FetchingBlockstore
from catalog.unixfs.file_reader import read_file

PUBLISHED = "published"
"""The source of a delta that the catalogue itself names: any source may have its blocks."""


@dataclass(frozen=True, slots=True)
class PlannedDelta:
    """What would be taken: deltas of ``size`` bytes in all from version ``base``, in ``steps`` steps, from ``source``."""

    base: str
    size: int
    steps: int
    source: str


@dataclass(frozen=True, slots=True)
class TakenDelta:
    """What was taken: ``size`` bytes that travelled, from version ``base``, instead of ``blocks`` blocks of ``blocks_size`` bytes.

    ``complete`` is false where the delta was given up before its end.
    """

    base: str
    size: int
    steps: int
    source: str
    blocks: int
    blocks_size: int
    complete: bool


class Offer(Protocol):
    """A delta, or a chain of them, that may lead to the archive."""

    def plan(self) -> PlannedDelta | None:
        """Return what `take` would take, or None where the offer turns out to be none. A server makes its delta for the answer."""
        ...

    def take(self, progress: Progress) -> TakenDelta | None:
        """Fetch and apply the delta; return None where the offer turns out to be none, so that the next one is tried."""
        ...


@dataclass(frozen=True, slots=True)
class PublishedChain:
    """Deltas that the lines of one catalogue name, applied one after another."""

    home: Home
    store: FetchingBlockstore
    view: ArchiveView
    chain: tuple[Hop, ...]

    def plan(self) -> PlannedDelta:
        return PlannedDelta(self.chain[0].base.version, chain_size(self.chain), len(self.chain), PUBLISHED)

    def take(self, progress: Progress) -> TakenDelta | None:
        with stage_in_file(self.store.local, self.home.path) as staged:
            taken = self._take(self.store.over(staged), progress)
            if taken is not None and taken.complete:
                staged.accept()
        return taken

    def _take(self, store: FetchingBlockstore, progress: Progress) -> TakenDelta | None:
        """Fetch the deltas on trial: only those that rebuild something are kept, and offered on."""
        base, steps = self.chain[0].base.version, len(self.chain)
        try:
            fetched = store.fetch_dag([hop.delta.cid for hop in self.chain], size=chain_size(self.chain), progress=progress)
        except UnavailableError:
            return None
        except VerificationError as error:
            _warn(progress, "its publisher", error)
            return TakenDelta(base, 0, steps, PUBLISHED, 0, 0, complete=False)
        blocks = rebuilt_size = 0
        failure: DcatError | None = None
        for hop in self.chain:
            is_wanted = hop.target.image.archive == self.view.cid
            limits = self.view if is_wanted else hop.target.image  # of the wanted archive the sizes are proven, of others stated
            rebuilt = apply_delta(
                read_file(hop.delta.cid, store.local, max_size=hop.delta.size),
                hop.base.image.archive,
                hop.target.image.archive,
                self.home.blocks,
                unpacked=limits.unpacked,
                size=limits.size,
                file_size=hop.delta.size,
                progress=progress,
            )
            blocks, rebuilt_size, failure = blocks + rebuilt.blocks, rebuilt_size + rebuilt.size, rebuilt.failure
            if failure is not None:
                _warn(progress, "its publisher", failure)
                break
        taken = TakenDelta(base, fetched.size, steps, PUBLISHED, blocks, rebuilt_size, complete=failure is None)
        _report(progress, taken)
        return taken


@dataclass(frozen=True, slots=True)
class SourceOffer:
    """A delta from ``base``, of release ``version``, that a source has or makes; one larger than ``limit`` is not taken."""

    home: Home
    view: ArchiveView
    state: SourceState
    base: Cid
    version: str
    limit: int

    def plan(self) -> PlannedDelta | None:
        try:
            size = _delta_source(self.state).find_delta_size(self.base, self.view.cid)
        except UnavailableError:
            return None
        return PlannedDelta(self.version, size, 1, self.state.name) if size is not None and size <= self.limit else None

    def take(self, progress: Progress) -> TakenDelta | None:
        received = 0

        def count(offered: OfferedDelta) -> Iterator[bytes]:
            nonlocal received
            for piece in offered.pieces:
                received += len(piece)
                if received < offered.size:
                    progress(Step("total", _label(self.version), received, offered.size))
                yield piece

        try:
            with _delta_source(self.state).open_delta(self.base, self.view.cid) as offered:
                if offered is None or offered.size > self.limit:
                    return None
                rebuilt = apply_delta(
                    count(offered),
                    self.base,
                    self.view.cid,
                    self.home.blocks,
                    unpacked=self.view.unpacked,
                    size=self.view.size,
                    file_size=offered.size,
                    progress=progress,
                )
        except UnavailableError:
            return None
        self.state.count(received)
        if rebuilt.failure is not None:
            _warn(progress, self.state.name, rebuilt.failure)
        complete = rebuilt.failure is None
        taken = TakenDelta(self.version, received, 1, self.state.name, rebuilt.blocks, rebuilt.size, complete)
        _report(progress, taken)
        return taken


def find_offers(
    home: Home,
    store: FetchingBlockstore,
    view: ArchiveView,
    missing: int,
    count_missing: Callable[[], int],
    catalogue: str | None = None,
) -> Iterator[Offer]:
    """Yield the offers that are worth it in place of ``missing`` bytes of blocks at most, the best first.

    ``count_missing`` returns the exact number, for some more work. ``catalogue`` is the one that the archive is wanted from;
    without it every catalogue that releases the archive counts.
    """
    if missing <= 0:
        return
    held: dict[Cid, bool] = {}

    def is_held(archive_cid: Cid) -> bool:
        if archive_cid not in held:
            held[archive_cid] = is_whole(archive_cid, home.blocks)
        return held[archive_cid]

    lineages = find_lineages(home, view.cid, catalogue)
    if missing >= MIN_DELTA_NEED:
        for lineage in lineages:
            chain = find_chain(view.cid, lineage.images, is_held)
            if chain and _is_chain_worth(chain, missing, count_missing):
                yield PublishedChain(home, store, view, chain)
    offer = partial(SourceOffer, home, view)
    versions = {entry.image.archive: entry.version for lineage in lineages for entry in lineage.images}
    servers = []
    for state in store.delta_sources():
        bases = _delta_source(state).delta_bases(view.cid)
        if bases is None:
            servers.append(state)
        for base in bases or ():
            if is_held(base):
                yield offer(state, base, versions.get(base, str(base)), view.size)
    if missing >= MIN_DELTA_NEED and servers:
        yield from _server_offers(offer, servers, lineages, view.cid, is_held, int(DELTA_SHARE * missing))


def _server_offers(
    offer: Callable[[SourceState, Cid, str, int], SourceOffer],
    servers: list[SourceState],
    lineages: list[Lineage],
    target: Cid,
    is_held: Callable[[Cid], bool],
    limit: int,
) -> Iterator[SourceOffer]:
    """Yield what each server is asked for, from the newest base that is held."""
    asked: set[tuple[int, Cid]] = set()
    for lineage in lineages:
        bases = (base for base in order_bases(target, lineage.images) if is_held(base.image.archive))
        for base in islice(bases, MAX_DELTA_BASES):
            for state in servers:
                if (state.number, base.image.archive) not in asked:
                    asked.add((state.number, base.image.archive))
                    yield offer(state, base.image.archive, base.version, limit)


def _is_chain_worth(chain: tuple[Hop, ...], missing: int, count_missing: Callable[[], int]) -> bool:
    size = chain_size(chain)
    if not is_chain_worth(size, missing):
        return False
    # The publisher kept a single delta because it is small beside the new blocks; what several save has to be counted here.
    return len(chain) == 1 or is_chain_worth(size, count_missing())


def _delta_source(state: SourceState) -> DeltaSource:
    assert isinstance(state.source, DeltaSource)
    return state.source


def _label(version: str) -> str:
    return f"by delta from {version}"


def _warn(progress: Progress, source: str, error: DcatError) -> None:
    why = f": {error.why}" if error.why else ""
    progress(Step("warning", f"the delta of {source} was given up ({error.message}{why}); the rest comes as blocks"))


def _report(progress: Progress, taken: TakenDelta) -> None:
    if taken.complete:
        progress(Step("total", _label(taken.base), taken.size, taken.size, (("of_blocks", taken.blocks_size),)))
