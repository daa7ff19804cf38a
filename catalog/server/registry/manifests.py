"""Manifest and index of a release: the canonical manifest of one platform, an index of canonical manifests of several.

A release of one platform is its image manifest: of an index with one entry containerd would show the index's digest. A manifest is
offered only if every layer can be served: a client whose blob is missing retries for minutes, one whose manifest is missing goes on
to its next mirror.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from catalog.image.canonical import INDEX_TYPE, MANIFEST_TYPE
from catalog.image.index import build_platform_index
from catalog.image.reader import ArchiveView
from catalog.model.digest import Digest
from catalog.server.registry.images import Images
from catalog.server.registry.names import NamedRelease, NamedReleases

_MAX_INDEXES = 1024


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

    def __init__(self, releases: NamedReleases, images: Images) -> None:
        self._releases = releases
        self._images = images
        self._lock = Lock()
        self._indexes: OrderedDict[tuple[str, str], str] = OrderedDict()  # version by name and digest

    def find_tag(self, name: str, tag: str) -> Manifest | None:
        """Return what a tag means, None where it is unknown or not held."""
        found = self._releases.find_tag(name, tag)
        return None if found is None else self._build(found)

    def find_digest(self, name: str, digest: Digest) -> Manifest | None:
        """Return the manifest or index of this digest, if it belongs to a release under ``name``."""
        found = self._releases.find_image(name, digest)
        if found is not None:
            release, platform, _ = found
            view = self._images.open(release, platform)
            # A config digest finds an image too, and is the digest of a blob.
            return None if view is None or str(view.manifest_digest) != str(digest) else _manifest_of(view)
        with self._lock:
            version = self._indexes.get((name, str(digest)))
        known = None if version is None else self.find_tag(name, version)
        if known is not None and known.digest == str(digest):
            return known
        for release in self._releases.iterate(name):
            if len(release.images) > 1:
                index = self._build(release, fetch=False)
                if index is not None and index.digest == str(digest):
                    return index
        return None

    def _build(self, found: NamedRelease, *, fetch: bool = True) -> Manifest | None:
        platforms = sorted(found.images)
        if not fetch:
            views = {platform: self._images.find_held(found.images[platform], platform) for platform in platforms}
        elif len(platforms) == 1:
            views = {platforms[0]: self._images.open(found, platforms[0])}
        else:  # a client takes one of them, and asks for its manifest next: only then is that one fetched
            views = {platform: self._images.describe(found, platform) for platform in platforms}
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
