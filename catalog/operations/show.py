"""``dcat show``: one release, its images and layers."""

from collections.abc import Mapping
from dataclasses import dataclass

from catalog.blockstores.provenance import find_provenances
from catalog.errors import BlockNotFoundError, PlatformNotFoundError
from catalog.home.home import Home
from catalog.image.provenance import Provenance
from catalog.image.reader import ArchivedLayer, read_listed_archive
from catalog.index.entry import IndexedRelease
from catalog.ipld.block import BlockSource
from catalog.lookup.locate import Notice, open_lookup
from catalog.model.platform import Platform
from catalog.model.release import Image
from catalog.trust.store import list_pins


@dataclass(frozen=True, slots=True)
class ShownImage:
    """An image of the release. ``layers`` are its distinct ones, None where the first blocks of the archive are missing.

    ``provenances`` say under which manifests it was pushed into this home, byte for byte.
    """

    platform: Platform
    image: Image
    pinned: bool
    layers: tuple[ArchivedLayer, ...] | None
    provenances: tuple[Provenance, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownRelease:
    """The release that a reference means, its images, and notices about it."""

    entry: IndexedRelease
    images: tuple[ShownImage, ...]
    first_seen: str | None
    notices: tuple[Notice, ...]


def show(home: Home, reference: str, *, platform: Platform | None = None) -> ShownRelease:
    """Return the release that ``reference`` means, with its images for all platforms, or for one; nothing is fetched."""
    with open_lookup(home.path) as lookup:
        resolved = lookup.resolve(reference, now=home.now)
    release = resolved.release
    wanted = platform or resolved.platform
    if wanted is not None and wanted not in release.images:
        there = [str(known) for known in sorted(release.images)]
        raise PlatformNotFoundError(
            f"{release.reference} has no image for {wanted}", why=f"it has {', '.join(there) or 'none'}", nearest=there
        )
    with home.trust.read() as connection:
        pinned = {pin.archive for pin in list_pins(connection)}
    chosen: Mapping[Platform, Image] = release.images if wanted is None else {wanted: release.images[wanted]}
    images = tuple(
        ShownImage(
            at,
            image,
            str(image.archive) in pinned,
            _layers(at, image, home.blocks),
            find_provenances(home.blocks, image.archive),
        )
        for at, image in sorted(chosen.items())
    )
    return ShownRelease(IndexedRelease(resolved.catalogue, release), images, resolved.first_seen, resolved.notices)


def _layers(platform: Platform, image: Image, blocks: BlockSource) -> tuple[ArchivedLayer, ...] | None:
    try:
        return read_listed_archive(image, platform, blocks).layers
    except BlockNotFoundError:
        return None
