"""Deleting what no release of a static catalogue needs any more."""

import os
from array import array
from bisect import bisect_left
from collections.abc import Container, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from catalog.hosting.folder import Folder
from catalog.hosting.outlines import find_outline
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import Cid
from catalog.model.release import Release
from catalog.snapshot.reader import open_snapshot
from catalog.static.layout import (
    PING_PATH,
    blob_path,
    delta_path,
    index_mark_path,
    manifest_path,
    outline_path,
    pack_index_path,
    pack_path,
    tags_path,
)
from catalog.static.outline import encode_outline
from catalog.static.registry import manifests_in

_OWNED: Final = ("outlines", "packs", "deltas", "indexes", "v2")
"""The folders in which files may be deleted: whatever else the user put beside them stays."""

_BUCKETS: Final = 4096
_UNSORTED: Final = 64
_MASK: Final = 2**64 - 1


def prune_folder(folder: Folder, root: Cid, blocks: BlockSource) -> int:
    """Delete what the snapshot ``root`` does not need, and return how many files that were."""
    needed = _Paths()
    needed.update(_of_snapshot(folder, root))
    shared: list[tuple[Cid, str]] = []
    for release in open_snapshot(root, blocks).read():
        needed.update(_of_release(folder, release, shared))
    for archive, name in shared:
        _move(folder, archive, name, needed)
    deleted = 0
    for top in _OWNED:
        for path in _walk(folder.path / top):
            if path.relative_to(folder.path).as_posix() not in needed:
                folder.delete(path)
                deleted += 1
    return deleted


class _Paths:
    """A set of paths that may be tens of millions: 8 bytes for each. A path that is not in it is taken for one that is by a chance
    of one in 10^12, which keeps a file that is not needed.
    """

    def __init__(self) -> None:
        self._buckets = [array("Q") for _ in range(_BUCKETS)]
        self._added = [0] * _BUCKETS

    def update(self, paths: Iterable[str]) -> None:
        """Add paths."""
        for path in paths:
            number = hash(path) & _MASK
            place = number % _BUCKETS
            self._buckets[place].append(number)
            self._added[place] += 1
            if self._added[place] >= _UNSORTED + len(self._buckets[place]) // 2:
                self._tidy(place)

    def __contains__(self, path: object) -> bool:
        number = hash(path) & _MASK
        place = number % _BUCKETS
        if self._added[place]:
            self._tidy(place)
        bucket = self._buckets[place]
        found = bisect_left(bucket, number)
        return found < len(bucket) and bucket[found] == number

    def _tidy(self, place: int) -> None:
        """Sort a bucket, each number once."""
        self._buckets[place] = array("Q", sorted(set(self._buckets[place])))
        self._added[place] = 0


def _of_snapshot(folder: Folder, root: Cid) -> Iterator[str]:
    yield PING_PATH
    yield outline_path(root)
    outline = find_outline(folder, root)
    for before in outline.before if outline else ():
        yield outline_path(before)
    for pack in outline.packs if outline else ():
        yield pack_path(pack.digest)
        yield pack_index_path(pack.digest)


def _of_release(folder: Folder, release: Release, shared: list[tuple[Cid, str]]) -> Iterator[str]:
    """Yield what a release needs; note archives whose outline names the repository of another release in ``shared``."""
    name = release.name
    if release.images:
        yield tags_path(name)
        path = manifest_path(name, release.version)
        for reference in (release.version, *manifests_in(folder.read(path))):
            yield manifest_path(name, reference)
            yield index_mark_path(name, reference)
    for image in release.images.values():
        yield outline_path(image.archive)
        yield blob_path(name, image.config.raw)
        outline = find_outline(folder, image.archive)
        if outline is not None and outline.repository != name:
            shared.append((image.archive, name))
        for blob in outline.blobs if outline else ():
            yield outline_path(blob.link)
            yield blob_path(name, blob.digest)
        for delta in image.deltas.values():
            yield delta_path(delta.cid)
            yield outline_path(delta.cid)


def _move(folder: Folder, archive: Cid, name: str, needed: Container[str]) -> None:
    """Let the outline of an archive name the repository ``name``, where the one that it names loses the archive's layers."""
    outline = find_outline(folder, archive)
    if outline is not None and any(blob_path(outline.repository, blob.digest) not in needed for blob in outline.blobs):
        folder.replace(outline_path(archive), encode_outline(replace(outline, repository=name)))


def _walk(path: Path) -> Iterator[Path]:
    """Yield the files below a folder; what a symbolic link leads to is not the catalogue's."""
    if path.is_symlink():
        return
    for parent, _, names in os.walk(path):
        for name in names:
            yield Path(parent, name)
