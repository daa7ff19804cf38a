"""From an image that is held to another one by deltas: those of the release's line first, then what a server makes.

Nothing that goes wrong here ends a delivery: a warning says whose delta was given up, and the blocks come as they are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from catalog.blockstores.holding import is_whole
from catalog.delivery.applying import apply_delta
from catalog.delivery.known import find_known
from catalog.delta.policy import DELTA_SHARE, Hop, KnownImage, chain_size, find_chain, is_chain_worth, order_bases
from catalog.errors import DcatError, EncoderError, UnavailableError, VerificationError
from catalog.home.home import Home
from catalog.image.encoder import check_encoder
from catalog.image.reader import ArchiveView
from catalog.ipld.cid import Cid
from catalog.limits import MAX_DELTA_BASES, MIN_DELTA_NEED
from catalog.progress import Progress, Step
from catalog.sources.source import DeltaSource, OfferedDelta, SourceState
from catalog.sources.store import FetchingBlockstore
from catalog.unixfs.file import read_file

PUBLISHED = "published"
"""The source of a delta that the catalogue itself names: it may come from anybody who has its blocks."""


@dataclass(frozen=True, slots=True)
class PlannedDelta:
    """What would be taken: deltas of ``size`` bytes in all from version ``base``, in ``steps`` steps, from ``source``."""

    base: str
    size: int
    steps: int
    source: str


@dataclass(frozen=True, slots=True)
class TakenDelta:
    """What was taken: ``size`` bytes that travelled, from version ``base``; they stood for ``blocks`` blocks of ``blocks_size``.

    ``complete`` is false where the delta was given up before its end.
    """

    base: str
    size: int
    steps: int
    source: str
    blocks: int
    blocks_size: int
    complete: bool


@dataclass(frozen=True, slots=True)
class _Offer:
    """A delta that a source may give, and the size from which on it is not taken."""

    state: SourceState
    base: Cid
    version: str
    limit: int

    @property
    def source(self) -> DeltaSource:
        return _source(self.state)


class Upgrade:
    """What could make one archive out of others that are here."""

    def __init__(self, home: Home, store: FetchingBlockstore, view: ArchiveView) -> None:
        self._home = home
        self._store = store
        self._view = view
        self._held: dict[Cid, bool] = {}

    @cached_property
    def _known(self) -> list[KnownImage]:
        return find_known(self._home, self._view.cid)

    def plan(self, missing: int, progress: Progress) -> PlannedDelta | None:
        """Say what `take` would take in place of ``missing`` bytes of blocks; a server makes its delta for the answer."""
        if not self._may_succeed(missing) or not _encoder_fits(progress):
            return None
        chain = self._choose_chain(missing, lambda: missing)
        if chain:
            return PlannedDelta(chain[0].base.version, chain_size(chain), len(chain), PUBLISHED)
        for offer in self._offers(missing):
            try:
                size = offer.source.find_delta_size(offer.base, self._view.cid)
            except UnavailableError:
                continue
            if size is not None and size <= offer.limit:
                return PlannedDelta(offer.version, size, 1, offer.state.name)
        return None

    def take(self, missing: int, count_missing: Callable[[], int], progress: Progress) -> TakenDelta | None:
        """Rebuild by a delta what can be; None where there is none that is worth it.

        ``missing`` is what blocks would cost at most, ``count_missing`` tells it exactly for some more of them.
        """
        if not self._may_succeed(missing) or not _encoder_fits(progress):
            return None
        chain = self._choose_chain(missing, count_missing)
        if chain:
            taken = self._take_chain(chain, progress)
            if taken is not None:
                return taken
        for offer in self._offers(missing):
            taken = self._take_offered(offer, progress)
            if taken is not None:
                return taken
        return None

    def _may_succeed(self, missing: int) -> bool:
        return bool(missing >= MIN_DELTA_NEED and self._known) or (missing > 0 and any(True for _ in self._carried()))

    def _choose_chain(self, missing: int, count_missing: Callable[[], int]) -> tuple[Hop, ...]:
        chain = find_chain(self._view.cid, self._known, self._holds)
        size = chain_size(chain)
        if not chain or missing < MIN_DELTA_NEED or not is_chain_worth(size, missing):
            return ()
        # One delta was kept by its maker for being small beside the new blocks; what several of them save must be counted here.
        return chain if len(chain) == 1 or is_chain_worth(size, count_missing()) else ()

    def _offers(self, missing: int) -> Iterator["_Offer"]:
        """Give whom to ask for a delta: files that carry one, then servers, for the newest base that both hold."""
        yield from self._carried()
        servers = [state for state in self._store.delta_sources() if _source(state).delta_bases(self._view.cid) is None]
        if not servers or missing < MIN_DELTA_NEED:
            return
        held = (base for base in order_bases(self._view.cid, self._known) if self._holds(base.image.archive))
        for base, _ in zip(held, range(MAX_DELTA_BASES), strict=False):
            for state in servers:
                yield _Offer(state, base.image.archive, base.version, int(DELTA_SHARE * missing))

    def _carried(self) -> Iterator["_Offer"]:
        versions = {entry.image.archive: entry.version for entry in self._known}
        for state in self._store.delta_sources():
            for base in _source(state).delta_bases(self._view.cid) or ():
                if self._holds(base):
                    yield _Offer(state, base, versions.get(base, str(base)), self._view.size)

    def _take_chain(self, chain: tuple[Hop, ...], progress: Progress) -> TakenDelta | None:
        """Fetch the deltas and apply them; None where no source has them."""
        size = chain_size(chain)
        label = f"by delta from {chain[0].base.version}"
        try:
            fetched = self._store.fetch_dag([hop.delta.cid for hop in chain], size=size, progress=progress)
        except UnavailableError:
            return None
        except VerificationError as error:
            _warn(progress, "its publisher", error)
            return TakenDelta(chain[0].base.version, 0, len(chain), PUBLISHED, 0, 0, complete=False)
        blocks = rebuilt_size = 0
        failure: DcatError | None = None
        for hop in chain:
            unpacked, stored = self._sizes(hop.target)
            done = apply_delta(
                read_file(hop.delta.cid, self._store.local, max_size=hop.delta.size),
                hop.base.image.archive,
                hop.target.image.archive,
                self._home.blocks,
                unpacked=unpacked,
                size=stored,
                file_size=hop.delta.size,
            )
            blocks, rebuilt_size, failure = blocks + done.blocks, rebuilt_size + done.size, done.failure
            if failure is not None:
                _warn(progress, "its publisher", failure)
                break
        taken = TakenDelta(
            chain[0].base.version, fetched.size, len(chain), PUBLISHED, blocks, rebuilt_size, complete=failure is None
        )
        _tell(progress, label, taken)
        return taken

    def _take_offered(self, offer: "_Offer", progress: Progress) -> TakenDelta | None:
        """Take a source's delta as it comes; None where it gives none that is worth it."""
        received = 0
        label = f"by delta from {offer.version}"

        def count(offered: OfferedDelta) -> Iterator[bytes]:
            nonlocal received
            for piece in offered.pieces:
                received += len(piece)
                if received < offered.size:
                    progress(Step("total", label, received, offered.size))
                yield piece

        try:
            with offer.source.open_delta(offer.base, self._view.cid) as offered:
                if offered is None or offered.size > offer.limit:
                    return None
                done = apply_delta(
                    count(offered),
                    offer.base,
                    self._view.cid,
                    self._home.blocks,
                    unpacked=self._view.unpacked,
                    size=self._view.size,
                    file_size=offered.size,
                )
        except UnavailableError:
            return None
        offer.state.count(received)
        if done.failure is not None:
            _warn(progress, offer.state.name, done.failure)
        taken = TakenDelta(offer.version, received, 1, offer.state.name, done.blocks, done.size, complete=done.failure is None)
        _tell(progress, label, taken)
        return taken

    def _sizes(self, target: KnownImage) -> tuple[int, int]:
        """Give what an archive has at most: of the one that is wanted its blocks say it, of others their line."""
        if target.image.archive == self._view.cid:
            return self._view.unpacked, self._view.size
        return target.image.unpacked, target.image.size

    def _holds(self, archive_cid: Cid) -> bool:
        if archive_cid not in self._held:
            self._held[archive_cid] = is_whole(archive_cid, self._home.blocks)
        return self._held[archive_cid]


def _encoder_fits(progress: Progress) -> bool:
    try:
        check_encoder()
    except EncoderError as error:
        progress(Step("warning", f"no delta can be used: {error.message}; blocks are fetched in its place"))
        return False
    return True


def _source(state: SourceState) -> DeltaSource:
    assert isinstance(state.source, DeltaSource)
    return state.source


def _warn(progress: Progress, source: str, error: DcatError) -> None:
    why = f": {error.why}" if error.why else ""
    progress(Step("warning", f"the delta of {source} was given up ({error.message}{why}); the rest comes as blocks"))


def _tell(progress: Progress, label: str, taken: TakenDelta) -> None:
    if taken.complete:
        progress(Step("total", label, taken.size, taken.size, (("of_blocks", taken.blocks_size),)))
