"""Manifest and index of a release: the canonical manifest of one platform, an index of canonical manifests of several.

A release of one platform is its image manifest: of an index with one entry containerd would show the index's digest. A manifest is
offered only if every layer can be served: a client whose blob is missing retries for minutes, one whose manifest is missing goes on
to its next mirror.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock

from catalog.image.canonical import INDEX_TYPE, MANIFEST_TYPE
from catalog.image.index import build_platform_index
from catalog.image.reader import ArchiveView
from catalog.model.digest import Digest
from catalog.model.platform import Platform
from catalog.server.feeding import FeederBusyError
from catalog.server.registry.images import Images
from catalog.server.registry.names import NamedRelease, NamedReleases

_MAX_INDEXES = 8192
_SCAN_AGAIN = 30.0  # seconds in which the indexes of a name are not looked through again while the home is the same

_Views = Mapping[Platform, ArchiveView | None]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The bytes of a manifest or index, their type and digest; ``warning`` tells of a yanked release.

    ``views`` are the archives whose blobs it leads to.
    """

    data: bytes
    media_type: str
    digest: str
    views: tuple[ArchiveView, ...]
    warning: str | None = None


class Manifests:
    """The manifests of a site. Thread-safe."""

    def __init__(self, releases: NamedReleases, images: Images, state: Callable[[], object]) -> None:
        self._releases = releases
        self._images = images
        self._state = state
        self._lock = Lock()
        self._scanning = Lock()
        self._scanned: OrderedDict[str, tuple[object, float]] = OrderedDict()
        self._indexes: OrderedDict[tuple[str, str], str] = OrderedDict()  # version by name and digest

    def find_tag(self, name: str, tag: str, *, fetch: bool) -> Manifest | None:
        """Return what a tag means, None where it is unknown, or not held and not to be fetched.

        Without ``fetch``, None also where fetching would add to it.
        """
        found = self._releases.find_tag(name, tag)
        return None if found is None else self._build(found, fetch=fetch)

    def find_digest(self, name: str, digest: Digest, *, fetch: bool) -> Manifest | None:
        """Return the manifest or index of this digest, if it belongs to a release under ``name``; ``fetch`` as for a tag.

        Raise `FeederBusyError` while the indexes of another name are looked through.
        """
        found = self._releases.find_image(name, digest)
        if found is not None:
            release, platform, _ = found
            view = self._images.open(release, platform, fetch=fetch)
            # A config digest finds an image too, and is the digest of a blob.
            return None if view is None or str(view.manifest_digest) != str(digest) else _manifest_of(view)
        known = self._find_index(name, digest, fetch=fetch)
        if known is None and self._scan(name):
            known = self._find_index(name, digest, fetch=fetch)
        return known

    def _find_index(self, name: str, digest: Digest, *, fetch: bool) -> Manifest | None:
        with self._lock:
            version = self._indexes.get((name, str(digest)))
        found = None if version is None else self._releases.find_tag(name, version)
        for views in (self._views(found, fetch=fetch), self._held(found)) if found is not None else ():
            index = None if found is None or views is None else self._compose(found, views)
            if index is not None and index.digest == str(digest):
                return index
        return None

    def _scan(self, name: str) -> bool:
        """Build the indexes of a name of what is held; return False where that was done since the home changed.

        An unknown digest makes all of them be built, so this is done once for all who ask, and by one thread.
        """
        state = self._state()
        with self._lock:
            known, at = self._scanned.get(name, (None, 0.0))
        if known == state and time.monotonic() - at < _SCAN_AGAIN:
            return False
        if not self._scanning.acquire(blocking=False):
            raise FeederBusyError
        try:
            for release in self._releases.iterate(name):
                if len(release.images) > 1:
                    self._compose(release, self._held(release))
        finally:
            self._scanning.release()
        with self._lock:
            self._scanned[name] = (state, time.monotonic())
            self._scanned.move_to_end(name)
            if len(self._scanned) > _MAX_INDEXES:
                self._scanned.popitem(last=False)
        return True

    def _build(self, found: NamedRelease, *, fetch: bool) -> Manifest | None:
        views = self._views(found, fetch=fetch)
        return None if views is None else self._compose(found, views)

    def _views(self, found: NamedRelease, *, fetch: bool) -> _Views | None:
        """Return the archives of a release by platform; without ``fetch``, None where fetching would add one."""
        platforms = sorted(found.images)
        if len(platforms) == 1:
            views = {platforms[0]: self._images.open(found, platforms[0], fetch=fetch)}
        else:  # a client takes one of them, and asks for its manifest next: only then is that one fetched
            views = {platform: self._images.describe(found, platform, fetch=fetch) for platform in platforms}
        if not fetch and any(view is None and self._images.can_fetch(found, platform) for platform, view in views.items()):
            return None
        return views

    def _held(self, found: NamedRelease) -> _Views:
        return {platform: self._images.find_held(found.images[platform], platform) for platform in sorted(found.images)}

    def _compose(self, found: NamedRelease, views: _Views) -> Manifest | None:
        held = {platform: view for platform, view in views.items() if view is not None}
        if not held:
            return None
        warning = None if found.yanked is None else f"{found.release.reference} was yanked: {found.yanked or 'no reason given'}"
        if len(views) == 1:
            (view,) = held.values()
            return _manifest_of(view, warning)
        data = build_platform_index({platform: (view.manifest_digest, len(view.manifest)) for platform, view in held.items()})
        index = Manifest(data, INDEX_TYPE, f"sha256:{hashlib.sha256(data).hexdigest()}", tuple(held.values()), warning)
        with self._lock:
            self._indexes[found.name, index.digest] = found.release.version
            if len(self._indexes) > _MAX_INDEXES:
                self._indexes.popitem(last=False)
        return index


def _manifest_of(view: ArchiveView, warning: str | None = None) -> Manifest:
    return Manifest(view.manifest, MANIFEST_TYPE, str(view.manifest_digest), (view,), warning)
