"""Paths through directories, by one look-up after another."""

from collections.abc import Iterable

from catalog.ipld.block import BlockSource
from catalog.ipld.cid import Cid
from catalog.unixfs.directory import find_entry


def resolve_path(root: Cid, path: Iterable[str], source: BlockSource) -> Cid | None:
    """Follow ``path`` from a directory down; return ``None`` if a part does not exist."""
    cid = root
    for part in path:
        entry = find_entry(cid, part, source)
        if entry is None:
            return None
        cid = entry.cid
    return cid
