"""The delta of a new release from the one published before it, so that a home that holds that one fetches little.

It is made after the release is durable and before its snapshot is signed, so that one snapshot has both. It is a plain UnixFS file
that the release's line names and ``images/`` links. A release is complete without one: a failure is a warning.
"""

import secrets
from dataclasses import dataclass, replace

from catalog.blockstores.holding import is_whole
from catalog.blockstores.writing import BlockWriter
from catalog.delta.make import PUBLISHED_DELTA, count_new_bytes, is_delta_needed, make_delta
from catalog.errors import DcatError, DeltaError, StorageError
from catalog.home.deltas import UNFINISHED_DELTA
from catalog.home.home import Home
from catalog.index.releases import get_release, list_releases
from catalog.ipld.block import Blockstore
from catalog.ipld.cid import Cid
from catalog.limits import MAX_DELTA_CANDIDATES, MAX_DELTAS
from catalog.model.platform import Platform
from catalog.model.reference import version_key
from catalog.model.release import DeltaLink, Image, Release
from catalog.progress import Progress, Step
from catalog.snapshot.images import image_paths
from catalog.snapshot.reader import open_snapshot
from catalog.trust.store import list_unshared
from catalog.unixfs.directory import find_entries
from catalog.unixfs.file_writer import import_file


@dataclass(frozen=True, slots=True)
class MadeDelta:
    """A delta that was published with an image of ``reference``: from version ``base``, in place of ``new_bytes`` of blocks."""

    reference: str
    platform: Platform
    base: str
    delta: DeltaLink
    new_bytes: int


def make_deltas(
    home: Home, catalogue: str, last: Cid | None, progress: Progress, archives: Blockstore | None = None
) -> list[MadeDelta]:
    """Make a delta for each image of the own catalogue that snapshot ``last`` does not have yet, where one is worth it.

    ``archives`` holds the archives, if not all of them are in the home.
    """
    for left in home.path.glob(f"{UNFINISHED_DELTA}*"):
        if left.is_file():  # of a share that was killed: only one runs at a time
            left.unlink(missing_ok=True)
    held = archives or home.blocks
    with home.trust.read() as connection:
        noted = [release for _, release in list_unshared(connection)]
    made = []
    for release in noted:
        for platform in sorted(release.images):
            if release.images[platform].deltas or _is_shared(home, last, release, platform):
                continue
            try:
                delta = _make(home, held, catalogue, release, platform, progress)
            except DeltaError:
                continue  # not worth it
            except DcatError as error:
                why = f": {error.why}" if error.why else ""
                progress(Step("warning", f"no delta was made for {release.reference} ({error.message}{why})"))
                continue
            if delta is not None:
                made.append(delta)
    return made


def _is_shared(home: Home, last: Cid | None, release: Release, platform: Platform) -> bool:
    """Return whether a snapshot links the archive under the release's path."""
    if last is None:
        return False
    archive_cid = release.images[platform].archive
    alone = replace(release, images={platform: release.images[platform]})
    path = next(path for path, cid in image_paths(alone) if cid == archive_cid)
    try:
        directory = open_snapshot(last, home.blocks).images.cid
        for part in path:
            entry = find_entries(directory, [part], home.blocks).get(part)
            if entry is None:
                return False
            directory = entry.cid
    except DcatError:
        return False
    return directory == archive_cid


def _make(
    home: Home, held: Blockstore, catalogue: str, release: Release, platform: Platform, progress: Progress
) -> MadeDelta | None:
    image = release.images[platform]
    base = _find_base(home, held, catalogue, release, platform)
    if base is None:
        return None
    version, base_image = base
    new_bytes = count_new_bytes(base_image.archive, image.archive, home.blocks)
    if not is_delta_needed(new_bytes):
        return None
    progress(Step("phase", f"Making the delta from {version} to {release.version}"))
    path = home.path / f"{UNFINISHED_DELTA}{secrets.token_hex(8)}"
    try:
        written = make_delta(base_image.archive, image.archive, held, path, PUBLISHED_DELTA, new_bytes=new_bytes)
        with path.open("rb") as file, BlockWriter(home.blocks) as writer:
            link = import_file(file, writer.put_node)
    except OSError as error:
        raise StorageError("the delta cannot be written", why=error.strerror or str(error)) from error
    finally:
        path.unlink(missing_ok=True)
    delta = DeltaLink(link.cid, written.size)
    if not _name(home, catalogue, release, platform, base_image.archive, delta):
        return None
    return MadeDelta(release.reference, platform, version, delta, written.new_bytes)


def _find_base(home: Home, held: Blockstore, catalogue: str, release: Release, platform: Platform) -> tuple[str, Image] | None:
    """Return version and image of the newest release that was published before, and whose archive is complete."""
    with home.index.read() as connection:
        known = list_releases(connection, catalogue, release.name, limit=MAX_DELTA_CANDIDATES)
    archive_cid = release.images[platform].archive
    before = [other for other in known if platform in other.images and _age(other) < _age(release)]
    for other in sorted(before, key=_age, reverse=True):
        image = other.images[platform]
        if image.archive != archive_cid and is_whole(image.archive, held):
            return other.version, image
    return None


def _age(release: Release) -> tuple[object, ...]:
    return release.published, version_key(release.version)


def _name(home: Home, catalogue: str, release: Release, platform: Platform, base: Cid, delta: DeltaLink) -> bool:
    """Put the delta into the release's line, and keep other changes made meanwhile. Return whether the line has it."""
    with home.lock("own"):
        with home.index.read() as connection:
            current = get_release(connection, catalogue, release.name, release.version)
        image = current.images.get(platform)
        if image is None or image.archive != release.images[platform].archive or len(image.deltas) >= MAX_DELTAS:
            return False
        images = {**current.images, platform: replace(image, deltas={**image.deltas, base: delta})}
        home.put_own([replace(current, images=images)], [])
    return True
