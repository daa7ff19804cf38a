"""``dcat lock``: write down what names mean, and compare later. No source is asked."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta

from catalog.blockstores.holding import is_whole
from catalog.errors import (
    BlockNotFoundError,
    CatalogueNotFoundError,
    DcatError,
    PlatformNotFoundError,
    ReleaseConflictError,
    ReleaseNotFoundError,
)
from catalog.home.home import Home
from catalog.ipld.cid import parse_cid
from catalog.lookup.locate import Lookup, open_lookup
from catalog.model.lock import LockedRelease, lock_image
from catalog.model.platform import Platform
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
