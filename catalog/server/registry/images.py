"""The archives of images, opened, and whether every layer of one can be served."""

import time
from collections import OrderedDict
from itertools import islice
from threading import Lock

from catalog.errors import BlockMismatchError, BlockNotFoundError, UnavailableError, VerificationError
from catalog.image.reader import ArchiveView, read_listed_archive
from catalog.image.walk import walk
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import Cid
from catalog.model.platform import Platform
from catalog.model.release import IMAGE_FORMAT, Image
from catalog.server.feeding.feeder import Feeder
from catalog.server.feeding.job import Wish
from catalog.server.registry.names import NamedRelease
from catalog.server.site.site import HeldBlocks

_MAX_OPEN = 256
_A_QUERY = 2000  # blocks that are looked up at once
_MAX_BLOBS = 16384  # archives whose blobs are remembered
_HELD_FOR = 30.0  # seconds for which an archive that was found whole is not looked at again


class Images:
    """The archives of a site, the last ones kept open. Thread-safe."""

    def __init__(self, blocks: HeldBlocks, feeder: Feeder | None = None) -> None:
        self._blocks = blocks
        self._feeder = feeder
        self._lock = Lock()
        self._open: OrderedDict[tuple[Cid, Platform], ArchiveView] = OrderedDict()
        self._whole: OrderedDict[Cid, float] = OrderedDict()
        self._blobs: OrderedDict[tuple[object, ...], frozenset[bytes]] = OrderedDict()

    def can_fetch(self, release: NamedRelease, platform: Platform) -> bool:
        """Return whether a release's image would be fetched where it is not held."""
        return self._feeder is not None and release.followed is not None and release.images[platform].format == IMAGE_FORMAT

    def open(self, release: NamedRelease, platform: Platform, *, fetch: bool) -> ArchiveView | None:
        """Return the archive of a release's image if all of it is held or is being fetched; with ``fetch`` the latter begins here.

        It is what the release lists. Raise `FeederBusyError` where it would be fetched, and too much is.
        """
        image = release.images[platform]
        if self._feeder is None or not self.can_fetch(release, platform):
            return self.find_held(image, platform)
        wish = _wish_for(release, platform)
        view = self._feeder.find_arriving(wish) or self.find_held(image, platform)  # the latter walks all of it
        return self._feeder.open(wish) if view is None and fetch else view

    def describe(self, release: NamedRelease, platform: Platform, *, fetch: bool) -> ArchiveView | None:
        """Return the archive of a release's image if its metadata is here; its layers may be missing.

        Metadata that is not here is fetched with ``fetch`` only; raise `FeederBusyError` where that takes too long.
        """
        image = release.images[platform]
        if image.format != IMAGE_FORMAT:
            return None
        try:
            return self._read(image, platform)
        except VerificationError:
            return None
        except BlockNotFoundError:
            if not fetch or self._feeder is None or not self.can_fetch(release, platform):
                return None
            return self._feeder.look(_wish_for(release, platform))

    def is_arriving(self, archive_cid: Cid) -> bool:
        """Return whether an archive is being fetched, so that reading it may wait."""
        return self._feeder is not None and self._feeder.is_fetching(archive_cid)

    def source(self, archive_cid: Cid) -> BlockSource:
        """Return where the blocks of an archive are read: one that waits, while they are being fetched."""
        return self._blocks if self._feeder is None else self._feeder.waiting(archive_cid, self._blocks)

    def let_go(self, archive_cid: Cid) -> None:
        """Note that an archive has a layer that is not what its digest says: the home does not keep it for clients any more."""
        if self._feeder is not None:
            self._feeder.let_go(archive_cid)

    def find_held(self, image: Image, platform: Platform) -> ArchiveView | None:
        """Return the archive of an image if all of it is held and it is what its release lists, else None."""
        if image.format != IMAGE_FORMAT:
            return None
        try:
            view = self._read(image, platform)
            return view if self._is_whole(view.cid) else None
        except (VerificationError, BlockNotFoundError):
            return None

    def may_have(self, image: Image, platform: Platform, raw_digest: bytes) -> bool:
        """Return whether an image that is held at least in part has a blob of this digest.

        Many images are asked for one blob that none of them has: each of them is read once, not for every question.
        """
        key = image.archive, image.config, image.manifest, platform  # all that decides whether the archive is what it should be
        with self._lock:
            blobs = self._blobs.get(key)
        if blobs is None:
            try:
                view = self._read(image, platform)
                blobs = frozenset((view.config_digest.raw, *(layer.diff_id.raw for layer in view.layers)))
            except (BlockNotFoundError, BlockMismatchError):
                return False
            except VerificationError:
                blobs = frozenset()
            with self._lock:
                self._blobs[key] = blobs
                if len(self._blobs) > _MAX_BLOBS:
                    self._blobs.popitem(last=False)
        return raw_digest in blobs

    def _read(self, image: Image, platform: Platform) -> ArchiveView:
        key = image.archive, platform
        with self._lock:
            view = self._open.get(key)
            if view is not None and (view.config_digest, view.manifest_digest) == (image.config, image.manifest):
                self._open.move_to_end(key)
                return view
        view = read_listed_archive(image, platform, self._blocks)
        with self._lock:
            self._open[key] = view
            if len(self._open) > _MAX_OPEN:
                self._open.popitem(last=False)
        return view

    def _is_whole(self, archive_cid: Cid) -> bool:
        with self._lock:
            if time.monotonic() - self._whole.get(archive_cid, float("-inf")) < _HELD_FOR:
                return True
        try:
            blocks = walk(archive_cid, self._blocks)
            while some := [block.cid for block in islice(blocks, _A_QUERY)]:
                if self._blocks.missing(some):
                    return False
        except UnavailableError:
            return False
        with self._lock:
            self._whole[archive_cid] = time.monotonic()
            self._whole.move_to_end(archive_cid)
            if len(self._whole) > 4 * _MAX_OPEN:
                self._whole.popitem(last=False)
        return True


def _wish_for(release: NamedRelease, platform: Platform) -> Wish:
    if release.followed is None:
        raise ValueError("nothing of the own catalogue is fetched")
    return Wish(release.followed, release.release.name, release.release.version, platform, release.images[platform])
