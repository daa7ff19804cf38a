"""The outline of a snapshot: what came with it, and where the rest of the index is.

A small index stands in each outline whole. Of a larger one an outline holds only the blocks that are new, and leads to the outlines
before it; after `_MOST_BEFORE` of these, their blocks go into a pack, which swallows the packs that are not much larger than it.
So a follower reads one file for each snapshot that it missed, a new one reads a few packs by large ranges, and each block is
written anew a few times at most, however many releases there are.
"""

import hashlib
from collections.abc import Iterator

from catalog.hosting.folder import Folder
from catalog.hosting.outlines import find_outline
from catalog.image.walk import walk
from catalog.ipld.block import Block, BlockSource
from catalog.ipld.cid import Cid
from catalog.limits import KIB
from catalog.snapshot.reader import CATALOGUE_FILE, open_snapshot
from catalog.static.layout import outline_path, pack_index_path, pack_path
from catalog.static.outline import Outline, PackEntry, encode_outline
from catalog.static.pack import decode_index, encode_index
from catalog.unixfs.directory import list_directory

_SMALL_INDEX = 64 * KIB
_MOST_NEW = 256 * KIB
_MOST_BEFORE = 16
_SWALLOWED = 2  # times the size of a new pack


def write_snapshot(folder: Folder, root: Cid, last: Cid | None, blocks: BlockSource) -> Outline:
    """Write the outline of snapshot ``root``, whose blocks are all in ``blocks``; ``last`` is the one that was written before."""
    done = find_outline(folder, root)
    if done is not None:
        return done
    sizes = _sizes_of(root, blocks)
    before = None if last is None else find_outline(folder, last)
    if sum(sizes.values()) <= _SMALL_INDEX:
        outline = Outline(root, tuple(_load(list(sizes), blocks)))
    else:
        outline = _outline(folder, root, sizes, last, before, blocks)
    folder.put(outline_path(root), encode_outline(outline))
    return outline


def _outline(
    folder: Folder, root: Cid, sizes: dict[Cid, int], last: Cid | None, before: Outline | None, blocks: BlockSource
) -> Outline:
    roots: list[Cid] = []
    packs: list[PackEntry] = []
    if last is not None and before is not None:
        roots = [other for other in (last, *before.before) if folder.has(outline_path(other))]
        packs = [pack for pack in before.packs if folder.has(pack_path(pack.digest)) and folder.has(pack_index_path(pack.digest))]
    packed = [set(_index_of(folder, pack)) for pack in packs]
    in_packs = set().union(*packed)
    in_outlines = {block.cid for other in roots for block in (find_outline(folder, other) or Outline(other)).blocks}
    head = list(sizes)[:2]
    new = [cid for cid in sizes if cid not in in_packs and cid not in in_outlines]
    if len(roots) < _MOST_BEFORE and sum(sizes[cid] for cid in new) <= _MOST_NEW:
        inline = list(dict.fromkeys([*head, *new]))
        return Outline(root, tuple(_load(inline, blocks)), before=tuple(roots), packs=tuple(packs))
    loose = {cid for cid in sizes if cid not in in_packs}
    while packs and packs[-1].size <= _SWALLOWED * sum(sizes[cid] for cid in loose):
        packs.pop()
        loose |= {cid for cid in packed.pop() if cid in sizes}
    packs.append(_write_pack(folder, [cid for cid in sizes if cid in loose], blocks))
    return Outline(root, tuple(_load(head, blocks)), packs=tuple(packs))


def _write_pack(folder: Folder, cids: list[Cid], blocks: BlockSource) -> PackEntry:
    digest = hashlib.sha256()
    size = 0
    index = bytearray()
    with folder.create() as file:
        for block in _load(cids, blocks):
            digest.update(block.data)
            file.stream.write(block.data)
            size += len(block.data)
            index += encode_index([block])
        name = digest.digest()
        folder.put(pack_index_path(name), bytes(index))
        file.keep(pack_path(name))
    return PackEntry(name, size, len(index))


def _sizes_of(root: Cid, blocks: BlockSource) -> dict[Cid, int]:
    """Return the blocks that a follower reads of a snapshot, in order, with their sizes: root and head first, then the releases."""
    snapshot = open_snapshot(root, blocks)
    head = next(entry.cid for entry in list_directory(root, blocks) if entry.name == CATALOGUE_FILE)
    sizes = {root: len(blocks.get(root))}
    for cid in (head, snapshot.releases.cid):
        sizes.update((block.cid, block.size) for block in walk(cid, blocks))
    return sizes


def _load(cids: list[Cid], blocks: BlockSource) -> Iterator[Block]:
    for start in range(0, len(cids), 256):
        part = cids[start : start + 256]
        found = dict(blocks.get_many(part))
        for cid in part:
            yield Block(cid, found[cid] if cid in found else blocks.get(cid))


def _index_of(folder: Folder, pack: PackEntry) -> Iterator[Cid]:
    index = folder.read(pack_index_path(pack.digest))
    for span in decode_index(index or b"", pack.size):
        yield span.cid
