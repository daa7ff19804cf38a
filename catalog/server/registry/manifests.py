"""Manifest and index of a release: the canonical manifest of one platform, an index of canonical manifests of several.

A release of one platform is its image manifest: of an index with one entry containerd would show the index's digest. A manifest is
offered only if every layer can be served: a client whose blob is missing retries for minutes, one whose manifest is missing ends at
once, or goes on to its next mirror. So an index may name platforms whose layers are not held: its digest is then the same in every
home, and engines take one platform of it.
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
from catalog.limits import FEEDER_PATIENCE
from catalog.model.digest import Digest
from catalog.model.platform import Platform
from catalog.server.feeding.job import FeederBusyError
from catalog.server.registry.images import Images
from catalog.server.registry.names import HomeReleases, NamedRelease

_MAX_INDEXES = 8192
_MAX_FAILURES = 3  # metadata that cannot be fetched, until a search for an index is given up
_SCAN_AGAIN = 30.0  # seconds in which the indexes of a name are not looked through again while the home is the same

_Views = Mapping[Platform, ArchiveView | None]
_LookedThrough = OrderedDict[str, tuple[object, float]]  # by name: the state of the home, and when


@dataclass(frozen=True, slots=True)
class Manifest:
    """The bytes of a manifest or index, their type and digest; ``warning`` tells of a yanked release.

    ``views`` are the archives, held or on their way, whose blobs it leads to.
    """

    data: bytes
    media_type: str
    digest: str
    views: tuple[ArchiveView, ...]
    warning: str | None = None


class Manifests:
    """The manifests of a site. Thread-safe."""

    def __init__(self, releases: HomeReleases, images: Images, state: Callable[[], object]) -> None:
        self._releases = releases
        self._images = images
        self._state = state
        self._lock = Lock()
        self._scanning = Lock()
        self._scanned: _LookedThrough = OrderedDict()
        self._searched: _LookedThrough = OrderedDict()
        self._indexes: OrderedDict[tuple[str, str], tuple[str, frozenset[Platform]]] = OrderedDict()  # by name and digest

    def find_tag(self, name: str, tag: str, *, fetch: bool) -> Manifest | None:
        """Return what a tag means, None where it is unknown, or not held and not to be fetched.

        Without ``fetch``, None also where fetching would add to it.
        """
        found = self._releases.find_tag(name, tag)
        return None if found is None else self._build(found, fetch=fetch)

    def find_digest(self, name: str, digest: Digest, *, fetch: bool, search: bool = False) -> Manifest | None:
        """Return the manifest or index of this digest, if it belongs to a release under ``name``; ``fetch`` as for a tag.

        An index is found by the metadata of its release. With ``fetch`` and ``search`` metadata that is not here is fetched for
        that, of the newest releases of the name first. Raise `FeederBusyError` while another search is under way, and where this
        one takes too long; what it fetched is here the next time.
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
        if known is None and fetch and search:
            known = self._search(name, digest)
        return known

    def _find_index(self, name: str, digest: Digest, *, fetch: bool) -> Manifest | None:
        with self._lock:
            version, platforms = self._indexes.get((name, str(digest)), ("", frozenset()))
        found = self._releases.find_tag(name, version) if version else None
        if found is None or not platforms <= set(found.images):
            return None
        views = self._views(found, fetch=fetch)
        index = None if views is None else self._compose(found, {platform: views[platform] for platform in platforms})
        return index if index is not None and index.digest == str(digest) else None

    def _scan(self, name: str) -> bool:
        """Build the indexes of a name of the metadata that is here; return False where that was done since the home changed.

        An unknown digest makes all of them be built, so this is done once for all who ask, and by one thread.
        """
        if self._is_known(self._scanned, name):
            return False
        state = self._state()
        if not self._scanning.acquire(blocking=False):
            raise FeederBusyError
        try:
            for release in self._releases.iterate(name):
                if len(release.images) > 1:
                    self._compose(release, self._described(release, fetch=False))
        finally:
            self._scanning.release()
        self._remember(self._scanned, name, state)
        return True

    def _search(self, name: str, digest: Digest) -> Manifest | None:
        """Return the index of this digest, for which the metadata of one release after another is fetched."""
        if self._is_known(self._searched, name):
            return None
        if not self._scanning.acquire(blocking=False):
            raise FeederBusyError
        try:
            failures = 0
            deadline = time.monotonic() + FEEDER_PATIENCE
            for release in self._releases.iterate(name):
                platforms = sorted(release.images)
                if len(platforms) == 1 or not any(self._images.can_fetch(release, platform) for platform in platforms):
                    continue
                views = self._described(release, fetch=True)
                index = self._compose(release, views)
                if index is not None and index.digest == str(digest):
                    return index
                failures += None in views.values()
                if failures == _MAX_FAILURES:
                    break
                if time.monotonic() > deadline:
                    raise FeederBusyError
        finally:
            self._scanning.release()
        self._remember(self._searched, name, self._state())
        return None

    def _is_known(self, looked_through: _LookedThrough, name: str) -> bool:
        """Return whether a name was looked through a moment ago, and the home did not change since."""
        with self._lock:
            known, at = looked_through.get(name, (None, 0.0))
        return known == self._state() and time.monotonic() - at < _SCAN_AGAIN

    def _remember(self, looked_through: _LookedThrough, name: str, state: object) -> None:
        with self._lock:
            looked_through[name] = (state, time.monotonic())
            looked_through.move_to_end(name)
            if len(looked_through) > _MAX_INDEXES:
                looked_through.popitem(last=False)

    def _build(self, found: NamedRelease, *, fetch: bool) -> Manifest | None:
        views = self._views(found, fetch=fetch)
        return None if views is None else self._compose(found, views)

    def _views(self, found: NamedRelease, *, fetch: bool) -> _Views | None:
        """Return the archives of a release by platform; without ``fetch``, None where fetching would add one."""
        if len(found.images) == 1:
            (platform,) = found.images
            views: _Views = {platform: self._images.open(found, platform, fetch=fetch)}
        else:  # a client takes one of them, and asks for its manifest next: only then is that one fetched
            views = self._described(found, fetch=fetch)
        if not fetch and any(view is None and self._images.can_fetch(found, platform) for platform, view in views.items()):
            return None
        return views

    def _described(self, found: NamedRelease, *, fetch: bool) -> _Views:
        return {platform: self._images.describe(found, platform, fetch=fetch) for platform in sorted(found.images)}

    def _compose(self, found: NamedRelease, views: _Views) -> Manifest | None:
        """Return the manifest of a release, or its index of these platforms, without those that are not known.

        Return None for an index of which no manifest can be served.
        """
        known = {platform: view for platform, view in sorted(views.items()) if view is not None}
        if not known:
            return None
        warning = None if found.yanked is None else f"{found.release.reference} was yanked: {found.yanked or 'no reason given'}"
        if len(found.images) == 1:
            (view,) = known.values()
            return _manifest_of(view, warning)
        held = tuple(
            view for platform, view in known.items() if self._images.find_held(found.images[platform], platform) is not None
        )
        if not held and not any(self._images.can_fetch(found, platform) for platform in known):
            return None
        data = build_platform_index({platform: (view.manifest_digest, len(view.manifest)) for platform, view in known.items()})
        index = Manifest(data, INDEX_TYPE, f"sha256:{hashlib.sha256(data).hexdigest()}", held, warning)
        with self._lock:
            self._indexes[found.name, index.digest] = found.release.version, frozenset(known)
            if len(self._indexes) > _MAX_INDEXES:
                self._indexes.popitem(last=False)
        return index


def _manifest_of(view: ArchiveView, warning: str | None = None) -> Manifest:
    return Manifest(view.manifest, MANIFEST_TYPE, str(view.manifest_digest), (view,), warning)
