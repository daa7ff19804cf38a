"""From an image that is held to another one by deltas: those of the release's line first, then what a server makes.

Nothing that goes wrong here ends a delivery: a warning says whose delta was given up, and the blocks come as they are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from catalog.blockstores.fetching import FetchingBlockstore
from catalog.blockstores.holding import is_whole
from catalog.blockstores.sources import DeltaSource, OfferedDelta, SourceState
from catalog.delivery.applying import apply_delta
from catalog.delivery.choosing import Hop, KnownImage, chain_size, find_chain, is_chain_worth, is_delta_worth, order_bases
from catalog.errors import DcatError, EncoderError, UnavailableError, VerificationError
from catalog.home import Home
from catalog.image.encoder import check_encoder
from catalog.image.reader import ArchiveView
from catalog.index.releases import find_archive, list_releases
from catalog.index.subscriptions import list_catalogues
from catalog.ipld.cid import Cid
from catalog.limits import MAX_DELTA_BASES, MAX_DELTA_CANDIDATES
from catalog.progress import Progress, Step
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


class Upgrade:
    """What could make one archive out of others that are here."""

    def __init__(self, home: Home, store: FetchingBlockstore, view: ArchiveView) -> None:
        self._home = home
        self._store = store
        self._view = view
        self._known = _find_known(home, view.cid)
        self._held: dict[Cid, bool] = {}

    def plan(self, missing: int, progress: Progress) -> PlannedDelta | None:
        """Say what `take` would take in place of ``missing`` bytes of blocks; a server makes its delta for the answer."""
        if not self._known or not _encoder_fits(progress):
            return None
        chain = self._choose_chain(missing, lambda: missing)
        if chain:
            return PlannedDelta(chain[0].base.version, chain_size(chain), len(chain), PUBLISHED)
        for state, base in self._offers():
            try:
                size = _source(state).find_delta_size(base.image.archive, self._view.cid)
            except UnavailableError:
                continue
            if size is not None and is_delta_worth(size, missing):
                return PlannedDelta(base.version, size, 1, state.name)
        return None

    def take(self, missing: int, count_missing: Callable[[], int], progress: Progress) -> TakenDelta | None:
        """Rebuild by a delta what can be; None where there is none that is worth it.

        ``missing`` is what blocks would cost at most, ``count_missing`` tells it exactly for some more of them.
        """
        if not self._known or not _encoder_fits(progress):
            return None
        chain = self._choose_chain(missing, count_missing)
        if chain:
            taken = self._take_chain(chain, progress)
            if taken is not None:
                return taken
        for state, base in self._offers():
            taken = self._take_offered(state, base, missing, progress)
            if taken is not None:
                return taken
        return None

    def _choose_chain(self, missing: int, count_missing: Callable[[], int]) -> tuple[Hop, ...]:
        chain = find_chain(self._view.cid, self._known, self._holds)
        size = chain_size(chain)
        if not chain or not is_chain_worth(size, missing):
            return ()
        # One delta was kept by its maker for being small beside the new blocks; what several of them save must be counted here.
        return chain if len(chain) == 1 or is_chain_worth(size, count_missing()) else ()

    def _offers(self) -> Iterator[tuple[SourceState, KnownImage]]:
        """Give whom to ask, and from which base: the newest that both hold, so each server is asked for a few."""
        states = self._store.delta_sources()
        if not states:
            return
        held = (base for base in order_bases(self._view.cid, self._known) if self._holds(base.image.archive))
        for base, _ in zip(held, range(MAX_DELTA_BASES), strict=False):
            for state in states:
                yield state, base

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

    def _take_offered(self, state: SourceState, base: KnownImage, missing: int, progress: Progress) -> TakenDelta | None:
        """Take a server's delta as it comes; None where it gives none that is worth it."""
        received = 0
        label = f"by delta from {base.version}"

        def count(offered: OfferedDelta) -> Iterator[bytes]:
            nonlocal received
            for piece in offered.pieces:
                received += len(piece)
                if received < offered.size:
                    progress(Step("total", label, received, offered.size))
                yield piece

        try:
            with _source(state).open_delta(base.image.archive, self._view.cid) as offered:
                if offered is None or not is_delta_worth(offered.size, missing):
                    return None
                done = apply_delta(
                    count(offered),
                    base.image.archive,
                    self._view.cid,
                    self._home.blocks,
                    unpacked=self._view.unpacked,
                    size=self._view.size,
                    file_size=offered.size,
                )
        except UnavailableError:
            return None
        state.count(received)
        if done.failure is not None:
            _warn(progress, state.name, done.failure)
        taken = TakenDelta(base.version, received, 1, state.name, done.blocks, done.size, complete=done.failure is None)
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


def _find_known(home: Home, archive_cid: Cid) -> list[KnownImage]:
    """Give the images of the names and platforms that an archive is released under, in whatever catalogue of this home."""
    found: dict[Cid, KnownImage] = {}
    with home.index.read() as connection:
        wanted = {
            (release.name, platform)
            for _, release in find_archive(connection, archive_cid)
            for platform, image in release.images.items()
            if image.archive == archive_cid
        }
        catalogues = [row.catalogue for row in list_catalogues(connection)] if wanted else []
        for name, platform in sorted(wanted):
            for catalogue in catalogues:
                for release in list_releases(connection, catalogue, name, limit=MAX_DELTA_CANDIDATES):
                    image = release.images.get(platform)
                    if image is None:
                        continue
                    before = found.get(image.archive)
                    if before is not None:
                        image = replace(image, deltas={**before.image.deltas, **image.deltas})
                    found[image.archive] = KnownImage(before.version if before else release.version, image)
    return list(found.values()) if len(found) > 1 else []


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
