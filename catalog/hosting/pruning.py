"""Deleting what no release of a static catalogue needs any more."""

import os
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from catalog.errors import CodecError
from catalog.hosting.folder import Folder
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
from catalog.static.outline import Outline, decode_outline, encode_outline
from catalog.static.registry import manifests_in

_OWNED: Final = ("outlines", "packs", "deltas", "indexes", "v2")
"""The folders in which files may be deleted: whatever else the user put beside them stays."""


def prune_folder(folder: Folder, root: Cid, blocks: BlockSource) -> int:
    """Delete what the snapshot ``root`` does not need, and return how many files that were."""
    needed = set(_of_snapshot(folder, root))
    snapshot = open_snapshot(root, blocks)
    for release in snapshot.read():
        needed.update(_of_release(folder, release))
    for release in snapshot.read():
        for image in release.images.values():
            _move(folder, image.archive, release.name, needed)
    deleted = 0
    for name in _OWNED:
        for path in _walk(folder.path / name):
            if path.relative_to(folder.path).as_posix() not in needed:
                folder.delete(path)
                deleted += 1
    return deleted


def _of_snapshot(folder: Folder, root: Cid) -> Iterator[str]:
    yield PING_PATH
    yield outline_path(root)
    outline = _read(folder, root)
    for before in outline.before if outline else ():
        yield outline_path(before)
    for pack in outline.packs if outline else ():
        yield pack_path(pack.digest)
        yield pack_index_path(pack.digest)


def _of_release(folder: Folder, release: Release) -> Iterator[str]:
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
        outline = _read(folder, image.archive)
        for blob in outline.blobs if outline else ():
            yield outline_path(blob.link)
            yield blob_path(name, blob.digest)
        for delta in image.deltas.values():
            yield delta_path(delta.cid)
            yield outline_path(delta.cid)


def _move(folder: Folder, archive: Cid, name: str, needed: Collection[str]) -> None:
    """Let the outline of an archive name the repository ``name``, where the one that it names loses the archive's layers."""
    outline = _read(folder, archive)
    if outline is not None and any(blob_path(outline.repository, blob.digest) not in needed for blob in outline.blobs):
        folder.replace(outline_path(archive), encode_outline(replace(outline, repository=name)))


def _read(folder: Folder, root: Cid) -> Outline | None:
    data = folder.read(outline_path(root))
    try:
        return None if data is None else decode_outline(root, data)
    except CodecError:
        return None


def _walk(path: Path) -> Iterator[Path]:
    """Yield the files below a folder; what a symbolic link leads to is not the catalogue's."""
    if path.is_symlink():
        return
    for parent, _, names in os.walk(path):
        for name in names:
            yield Path(parent, name)
