"""``images/``: the archives and their deltas as links, so that pins keep them and plain IPFS tools find them.

``images/<name>/<version>.<platform>.tar.zst`` is an archive, ``images/<name>/<version>.<platform>.<base archive CID>.delta`` a
delta; ``/`` in a name is a directory. No two releases share a path: no part of a name ends in a suffix of these files.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

from catalog.ipld.block import BlockSource, Put
from catalog.ipld.cid import Cid
from catalog.model.release import Release
from catalog.unixfs.directory import build_directory, find_entries, update_directory
from catalog.unixfs.hamt import DirectoryLink, Entry

DagSize = Callable[[Cid], int]
"""Returns the size of the DAG under an archive or a delta (Tsize), which its link states."""

ARCHIVE_ENDING = b".tar.zst"
FILE_ENDINGS = (ARCHIVE_ENDING, b".delta")
"""What the names of archives and deltas end with; any other name is a directory."""

Path = tuple[str, ...]
_Tree: TypeAlias = "dict[str, _Tree | Cid | None]"


def image_paths(release: Release) -> Iterator[tuple[Path, Cid]]:
    """Yield the paths and CIDs of a release in ``images/``."""
    directory = tuple(release.name.split("/"))
    for platform, image in release.images.items():
        stem = f"{release.version}.{platform.file_part}"
        yield (*directory, f"{stem}.tar.zst"), image.archive
        for base, delta in image.deltas.items():
            yield (*directory, f"{stem}.{base}.delta"), delta.cid


def build_images(releases: Iterable[Release], dag_size: DagSize, put: Put) -> DirectoryLink:
    """Store the whole of ``images/``."""
    tree: _Tree = {}
    for release in releases:
        for path, cid in image_paths(release):
            _insert(tree, path, cid)
    return _write(None, tree, None, dag_size, put) or build_directory((), put)


def update_images(
    root: Cid, changes: Iterable[tuple[Release | None, Release | None]], dag_size: DagSize, source: BlockSource, put: Put
) -> DirectoryLink | None:
    """Store ``images/`` with each first release replaced by the second; return ``None`` if nothing changes.

    Only the directories on the paths that change are read and written.
    """
    tree: _Tree = {}
    for before, after in changes:
        old = dict(image_paths(before)) if before else {}
        new = dict(image_paths(after)) if after else {}
        for path in old.keys() - new.keys():
            _insert(tree, path, None)
        for path, cid in new.items():
            if old.get(path) != cid:
                _insert(tree, path, cid)
    if not tree:
        return None
    return _write(root, tree, source, dag_size, put) or build_directory((), put)


def _insert(tree: _Tree, path: Path, cid: Cid | None) -> None:
    for part in path[:-1]:
        below = tree.setdefault(part, {})
        if not isinstance(below, dict):
            raise TypeError(f"{part} is both a directory and a file")  # the grammar of names forbids it
        tree = below
    tree[path[-1]] = cid


def _write(directory: Cid | None, changes: _Tree, source: BlockSource | None, dag_size: DagSize, put: Put) -> DirectoryLink | None:
    """Store a directory with the changes in it and below it; return ``None`` if nothing is left."""
    entries: dict[str, Entry | None] = {}
    below: dict[str, Entry] = {}
    if directory is not None and source is not None:
        below = find_entries(directory, [name for name, change in changes.items() if isinstance(change, dict)], source)
    for name, change in changes.items():
        if isinstance(change, Cid):
            entries[name] = Entry(name, change, dag_size(change))
        elif change is None:
            entries[name] = None
        else:
            link = _write(below[name].cid if name in below else None, change, source, dag_size, put)
            entries[name] = Entry(name, *link) if link else None
    return _store(directory, entries, source, put)


def _store(
    directory: Cid | None, entries: Mapping[str, Entry | None], source: BlockSource | None, put: Put
) -> DirectoryLink | None:
    if directory is None or source is None:
        present = [entry for entry in entries.values() if entry]
        return build_directory(present, put) if present else None
    link = update_directory(directory, entries, source, put)
    return None if link == _EMPTY else link


_EMPTY = build_directory((), lambda _: None)
