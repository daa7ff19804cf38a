"""``dcat lock``: write down what names mean, and compare later. No source is asked."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta

from catalog.blockstores.holding import is_whole
from catalog.delivery.archive import check_image
from catalog.deployment.mention import ImageName, LockedName
from catalog.errors import (
    BlockNotFoundError,
    CatalogueNotFoundError,
    DcatError,
    InvalidInputError,
    PlatformNotFoundError,
    ReleaseConflictError,
    ReleaseNotFoundError,
)
from catalog.home.home import Home
from catalog.image.index import build_platform_index
from catalog.image.reader import read_archive
from catalog.ipld.cid import parse_cid
from catalog.lookup.locate import Lookup, open_lookup
from catalog.model.digest import Digest
from catalog.model.lock import LockedRelease, lock_image
from catalog.model.platform import Platform
from catalog.model.reference import MINE
from catalog.own.moving import open_held
from catalog.sources.network import NO_NETWORK, Network


@dataclass(frozen=True, slots=True)
class LockProblem:
    """A locked release that is not what the lock says, or whose bytes are not held here."""

    locked: LockedRelease
    error: DcatError


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

    Raises what resolving raises, and `PlatformNotFoundError`.
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
        for platform in images:  # raises where its content is in conflict
            lookup.resolve(exact, now=home.now, platform=platform)
    release = found.release
    return LockedRelease(catalogue, release.name, release.version, latest, found.first_seen, images)


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


def check_locked(home: Home, locked: LockedRelease, *, network: Network = NO_NETWORK, held: bool = True) -> LockProblem | None:
    """Compare a locked release with its catalogue as this home knows it; return None where they agree.

    With ``held``, its bytes must be here too, or in the node of ``network``. The result has a `ReleaseConflictError` where content
    differs, a `NotFoundError` where catalogue or release are not here, a `BlockNotFoundError` where bytes are missing.
    """
    try:
        with open_lookup(home.path) as lookup:
            reference = reference_of(lookup, locked.catalogue, locked.reference)
            for platform, image in locked.images.items():
                found = lookup.resolve(reference, now=home.now, platform=platform)
                assert found.image is not None
                now = lock_image(found.image)
                if held:
                    check_image(found.image, platform, home.blocks)
                if replace(now, registry=()) != replace(image, registry=()):
                    raise ReleaseConflictError(
                        f"{reference} for {platform} is not what is locked",
                        why=f"its config is {now.config}, locked is {image.config}"
                        if now.config != image.config
                        else f"its archive is {now.archive}, locked is {image.archive}",
                    )
        if held:
            store = open_held(home, network)
            for platform, image in locked.images.items():
                if not is_whole(parse_cid(image.archive), store):
                    raise BlockNotFoundError(f"{reference} for {platform} is not held here", why="some of its blocks are missing")
    except DcatError as error:
        return LockProblem(locked, error)
    return None


def locked_reference(home: Home, locked: LockedRelease) -> str:
    """Return how a locked release is reached in this home; raise the error of `check_locked` where it is not what was locked."""
    problem = check_locked(home, locked, held=False)
    if problem is not None:
        raise problem.error
    with open_lookup(home.path) as lookup:
        return reference_of(lookup, locked.catalogue, locked.reference)


def reference_of(lookup: Lookup, catalogue: str, rest: str) -> str:
    """Return how a name or release of a catalogue is reached here; raise `CatalogueNotFoundError` where it is not followed."""
    row = lookup.view.catalogue(catalogue)
    if row is None or not (row.own or row.alias):
        raise CatalogueNotFoundError(f"the catalogue {catalogue} of {rest} is not followed here", hint="follow it first")
    return rest if row.own else f"{row.alias}/{rest}"


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
) -> LockedImageName | None:
    """Return the release that an engine's name means here, served by the registry at ``registry``; None where it is none of ours.

    Names of that registry are ours, and those of the default one whose name a catalogue has. The digest is that of the manifest
    or, for several platforms, of the index that the registry serves. Raises what `lock_release` raises, `ReleaseNotFoundError` for
    a name of that registry that no catalogue has, `ReleaseConflictError` where the name has another digest, and
    `BlockNotFoundError` where an index cannot be made since metadata is not held.
    """
    if image.host not in ("", *_addresses_of(registry)):
        return None
    with open_lookup(home.path) as lookup:
        try:
            lookup.locate(image.name)
        except ReleaseNotFoundError:
            alias = image.name.partition("/")[0]
            if image.host or alias == MINE or alias in dict(lookup.view.aliases()):
                raise
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
    locked = name_locked(home, release, registry)
    if image.digest and (version or not latest) and image.digest not in _digests_of(release, locked):
        raise ReleaseConflictError(
            f"{reference} is not what {image.name}@{image.digest} names",
            why=f"its digest is {locked.digest}",
            hint="name it without the digest, if that is what you want",
        )
    return LockedImageName(image, release, locked)


def name_locked(home: Home, release: LockedRelease, registry: str) -> LockedName:
    """Return what engines call a locked release at the registry; raise `CatalogueNotFoundError` and `BlockNotFoundError`."""
    with open_lookup(home.path) as lookup:
        name = reference_of(lookup, release.catalogue, release.name)
        platforms = lookup.resolve(f"{name}@{release.version}", now=home.now).release.images
    if 1 < len(release.images) < len(platforms):
        raise InvalidInputError(
            f"some platforms of {release.reference} have no digest in common",
            why=f"a registry has one for each platform, and one for all of {', '.join(map(str, sorted(platforms)))}",
            hint="lock one platform, or all",
        )
    return LockedName(f"{registry}/{name}", release.version, _digest_of(home, release))


def _digest_of(home: Home, release: LockedRelease) -> str:
    """Return the digest under which a registry of dcat serves these images: of the manifest, or of the index of several."""
    if len(release.images) == 1:
        (image,) = release.images.values()
        return image.manifest
    sizes = {}
    for platform, image in sorted(release.images.items()):
        try:
            view = read_archive(parse_cid(image.archive), home.blocks)
        except BlockNotFoundError as error:
            raise BlockNotFoundError(
                f"the digest of {release.reference} for all its platforms is not known",
                why=f"it needs the metadata of {platform}, which is not held here",
                hint="lock one platform, or pin the release first",
            ) from error
        sizes[platform] = (view.manifest_digest, len(view.manifest))
    return str(Digest.of(build_platform_index(sizes)))


def _find_digest(home: Home, image: ImageName) -> str:
    """Return the reference of the release that a digest names: of a manifest, or of an index of several platforms."""
    with open_lookup(home.path) as lookup:
        try:
            found = lookup.resolve(f"{image.name}@{image.digest}", now=home.now)
        except ReleaseNotFoundError:
            return image.name
    return f"{image.name}@{found.release.version}"


def _digests_of(release: LockedRelease, locked: LockedName) -> set[str]:
    return {locked.digest, *(image.manifest for image in release.images.values())}


def _addresses_of(registry: str) -> tuple[str, ...]:
    """Return the ways to write the address of a registry: this machine has several."""
    host, sign, port = registry.rpartition(":")
    return (
        tuple(f"{name}{sign}{port}" for name in ("localhost", "127.0.0.1")) if host in ("localhost", "127.0.0.1") else (registry,)
    )
