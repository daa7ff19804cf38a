"""``dcat lock --check``: what is locked compared with the catalogues, and files that deploy images with what is locked."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from catalog.blockstores.holding import is_whole
from catalog.delivery.archive import check_image
from catalog.deployment.mention import ImageName
from catalog.errors import BlockNotFoundError, DcatError, ReleaseConflictError, ReleaseNotFoundError
from catalog.home.home import Home
from catalog.home.naming import digest_of, locate_image_name, manifests_of, reference_of
from catalog.ipld.cid import parse_cid
from catalog.lookup.locate import open_lookup
from catalog.model.lock import LockedRelease, lock_image
from catalog.model.platform import Platform
from catalog.model.release import parse_time
from catalog.own.moving import open_held
from catalog.sources.network import NO_NETWORK, Network


@dataclass(frozen=True, slots=True)
class LockProblem:
    """A locked release that is not what the lock says, or whose bytes are not held here."""

    locked: LockedRelease
    error: DcatError


def check_locked(
    home: Home,
    locked: LockedRelease,
    *,
    network: Network = NO_NETWORK,
    held: bool = True,
    platforms: Collection[Platform] = (),
    min_age: timedelta | None = None,
) -> LockProblem | None:
    """Compare a locked release with its catalogue as this home knows it; return None where they agree.

    With ``held``, its bytes for ``platforms`` (none: for all) must be here too, or in the node of ``network``. With ``min_age`` it
    must have been seen that long ago, here or by the home that locked it. The result has a `ReleaseConflictError` where content
    differs, a `NotFoundError` where catalogue or release are not here or it is too new, a `BlockNotFoundError` where bytes are
    missing.
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
                if min_age is not None:
                    _check_age(home, locked, reference, platform, found.first_seen, min_age)
        if held:
            store = open_held(home, network)
            for platform, image in locked.images.items():
                if (not platforms or platform in platforms) and not is_whole(parse_cid(image.archive), store):
                    raise BlockNotFoundError(f"{reference} for {platform} is not held here", why="some of its blocks are missing")
    except DcatError as error:
        return LockProblem(locked, error)
    return None


def _check_age(
    home: Home, locked: LockedRelease, reference: str, platform: Platform, seen_here: str | None, min_age: timedelta
) -> None:
    """Raise `ReleaseNotFoundError` where an image is too new; a home that just followed the catalogue relies on the lock."""
    times = [parse_time(seen) for seen in (seen_here, locked.first_seen) if seen is not None]
    if not times or min(times) > home.now - min_age:
        raise ReleaseNotFoundError(
            f"{reference} for {platform} is newer than --min-age allows",
            why=f"it was first seen at {min(times):%Y-%m-%dT%H:%M:%SZ}" if times else "when it was first seen is not known",
            hint="lock an older version, or wait",
        )


def locked_reference(home: Home, locked: LockedRelease) -> str:
    """Return how a locked release is reached in this home; raise the error of `check_locked` where it is not what was locked."""
    problem = check_locked(home, locked, held=False)
    if problem is not None:
        raise problem.error
    with open_lookup(home.path) as lookup:
        return reference_of(lookup, locked.catalogue, locked.reference)


def check_image_name(home: Home, image: ImageName, locked: Sequence[LockedRelease], *, registry: str) -> LockedRelease | None:
    """Return the locked release that an engine's name means; None where the name is none of ours (`lock_image_name`).

    Raise `ReleaseConflictError` where the lock has no such version, or the name another digest; `ReleaseNotFoundError` for a name
    of the registry that no catalogue has; `BlockNotFoundError` where the digest of an index cannot be compared since metadata is
    not held.
    """
    place = locate_image_name(home, image, registry)
    if place is None:
        return None
    entries = [entry for entry in locked if (entry.catalogue, entry.name) == place]
    version = "" if image.tag == "latest" else image.tag
    if version:
        chosen = [entry for entry in entries if entry.version == version]
        what = f"{image.name}:{version} is not locked"
    elif image.digest:
        chosen = [entry for entry in entries if _has_digest(home, entry, image.digest)]
        what = f"{image.name}@{image.digest} is not locked"
    else:
        chosen = [entry for entry in entries if entry.latest]
        what = f"{image.name} names no version, and none is locked by --latest"
    if not chosen:
        versions = ", ".join(entry.version for entry in entries)
        raise ReleaseConflictError(what, why=f"of {image.name} the lock has {versions or 'nothing'}", hint="lock the file again")
    (entry, *_) = chosen
    if version and image.digest and not _has_digest(home, entry, image.digest):
        others = [other for other in entries if image.digest in manifests_of(other)]
        raise ReleaseConflictError(
            f"{image.name}:{version} has another digest than the one that is locked",
            why=f"{image.digest} is that of {others[0].version}" if others else f"locked is {digest_of(home, entry)}",
            hint="lock the file again",
        )
    return entry


def _has_digest(home: Home, locked: LockedRelease, digest: str) -> bool:
    return digest in manifests_of(locked) or (len(locked.images) > 1 and digest == digest_of(home, locked))
