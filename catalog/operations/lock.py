"""``dcat lock``: write down what names mean. Sources are asked for the metadata of several platforms only, where it is not here."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from catalog.delivery.metadata import fetch_images_metadata
from catalog.deployment.mention import ImageName, LockedName
from catalog.errors import (
    BlockNotFoundError,
    InvalidInputError,
    PlatformNotFoundError,
    ReleaseConflictError,
    ReleaseNotFoundError,
)
from catalog.home.home import Home
from catalog.home.naming import digest_of, locate_image_name, manifests_of, reference_of
from catalog.lookup.locate import open_lookup
from catalog.model.lock import LockedRelease, lock_image
from catalog.model.platform import Platform
from catalog.sources.network import NO_NETWORK, Network


def lock_release(
    home: Home,
    reference: str,
    *,
    platforms: Collection[Platform] = (),
    latest: bool = False,
    min_age: timedelta | None = None,
    allow_stale: bool = False,
) -> LockedRelease:
    """Return what a reference means, with the digests of its images for ``platforms`` (none: all that the release has).

    Raise what resolving raises, and `PlatformNotFoundError`.
    """
    with open_lookup(home.path) as lookup:
        found = lookup.resolve(reference, now=home.now, latest=latest, min_age=min_age, allow_stale=allow_stale)
        for platform in platforms:
            if platform not in found.release.images:
                raise PlatformNotFoundError(
                    f"{found.release.reference} has no image for {platform}",
                    why=f"it has {', '.join(map(str, sorted(found.release.images)))}",
                    nearest=[str(entry) for entry in sorted(found.release.images)],
                )
        chosen = platforms or found.release.images
        images = {platform: lock_image(image) for platform, image in found.release.images.items() if platform in chosen}
        catalogue = found.catalogue.catalogue
        exact = reference_of(lookup, catalogue, found.release.reference)
        # Raises where its content is in conflict.
        seen = [lookup.resolve(exact, now=home.now, platform=platform).first_seen for platform in images]
    release = found.release
    first_seen = None if None in seen else max(filter(None, seen))  # a platform that came later is as new as it is
    return LockedRelease(catalogue, release.name, release.version, latest, first_seen, images)


def update_locked(home: Home, locked: LockedRelease, *, min_age: timedelta | None = None) -> LockedRelease:
    """Return the newest version of a release that was locked with ``latest``; any other as it is."""
    if not locked.latest:
        return locked
    with open_lookup(home.path) as lookup:
        reference = reference_of(lookup, locked.catalogue, locked.name)
    try:
        newest = lock_release(home, reference, platforms=tuple(locked.images), latest=True, min_age=min_age)
    except ReleaseNotFoundError:
        if min_age is None:
            raise
        return locked  # no version is old enough
    return newest if newest.version != locked.version else locked


@dataclass(frozen=True, slots=True)
class LockedImageName:
    """An image that something names: the release that it is, as locked, and what it is called from now on."""

    image: ImageName
    release: LockedRelease
    locked: LockedName


def lock_image_name(
    home: Home,
    image: ImageName,
    *,
    registry: str,
    platforms: Collection[Platform] = (),
    latest: bool = False,
    min_age: timedelta | None = None,
    allow_stale: bool = False,
    network: Network = NO_NETWORK,
) -> LockedImageName | None:
    """Return the release that an engine's name means here, served by the registry at ``registry``; None where it is none of ours.

    Names of that registry are ours, and those of the default one whose name a catalogue has. The digest is that of the manifest
    or, for several platforms, of the index that the registry serves. Raise what `lock_release` raises, `ReleaseNotFoundError` for
    a name of that registry that no catalogue has, `ReleaseConflictError` where the name has another digest, and
    `BlockNotFoundError` where an index cannot be made since metadata is not held.
    """
    if locate_image_name(home, image, registry) is None:
        return None
    version = "" if image.tag == "latest" else image.tag
    if version:
        reference = f"{image.name}@{version}"
    elif image.digest and not latest:
        reference = _find_digest(home, image)
    else:
        reference = image.name
    release = lock_release(
        home, reference, platforms=platforms, latest=latest and not version, min_age=min_age, allow_stale=allow_stale
    )
    locked = name_locked(home, release, registry, network)
    if image.digest and (version or not latest) and image.digest not in {locked.digest, *manifests_of(release)}:
        raise ReleaseConflictError(
            f"{reference} is not what {image.name}@{image.digest} names",
            why=f"its digest is {locked.digest}",
            hint="name it without the digest, if that is what you want",
        )
    return LockedImageName(image, release, locked)


def name_locked(home: Home, release: LockedRelease, registry: str, network: Network = NO_NETWORK) -> LockedName:
    """Return what engines call a locked release at the registry; raise `CatalogueNotFoundError` and `BlockNotFoundError`.

    The digest of an index needs the metadata of its images, which is fetched from ``network`` where it is not here.
    """
    with open_lookup(home.path) as lookup:
        name = reference_of(lookup, release.catalogue, release.name)
        platforms = lookup.resolve(f"{name}@{release.version}", now=home.now).release.images
    if 1 < len(release.images) < len(platforms):
        raise InvalidInputError(
            f"some platforms of {release.reference} have no digest in common",
            why=f"a registry has one for each platform, and one for all of {', '.join(map(str, sorted(platforms)))}",
            hint="lock one platform, or all",
        )
    try:
        digest = digest_of(home, release)
    except BlockNotFoundError:
        if not network.sources:
            raise
        images = {platform: image for platform, image in platforms.items() if platform in release.images}
        fetch_images_metadata(home, network, release.catalogue, release.reference, images)
        digest = digest_of(home, release)
    return LockedName(f"{registry}/{name}", release.version, digest)


def _find_digest(home: Home, image: ImageName) -> str:
    """Return the reference of the release that a digest names: of a manifest, or of an index of several platforms."""
    with open_lookup(home.path) as lookup:
        try:
            found = lookup.resolve(f"{image.name}@{image.digest}", now=home.now)
        except ReleaseNotFoundError:
            return image.name
    return f"{image.name}@{found.release.version}"
