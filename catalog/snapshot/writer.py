"""Write snapshots, whole or by editing the last one.

Both make the same root for the same releases and head. Blocks go to ``put``, children first, the root last, and are not read back,
so ``put`` may collect them.
"""

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from catalog.errors import SnapshotError
from catalog.ipld.block import BlockSource, Put
from catalog.ipld.cid import Cid
from catalog.limits import MAX_RELEASES, MAX_SNAPSHOT_SIZE
from catalog.model.release import Release
from catalog.snapshot.catalogue import Catalogue, encode_catalogue
from catalog.snapshot.edit import TreeEdit, update_tree
from catalog.snapshot.images import DagSize, build_images, update_images
from catalog.snapshot.line import Key, decode_line, encode_line
from catalog.snapshot.reader import CATALOGUE_FILE, IMAGES, RELEASES_FILE, Snapshot, open_snapshot
from catalog.snapshot.tree import build_tree
from catalog.snapshot.view import UncutError
from catalog.unixfs.directory import build_directory
from catalog.unixfs.file import FileLink
from catalog.unixfs.file_writer import import_file
from catalog.unixfs.hamt import DirectoryLink, Entry


@dataclass(frozen=True, slots=True)
class WrittenSnapshot:
    """A written snapshot: the root, the size of its DAG with the images, and the number of releases."""

    root: Cid
    dag_size: int
    releases: int


def write_snapshot(
    releases: Iterable[Release],
    *,
    title: str,
    published: str,
    previous: Cid | None,
    dag_size: DagSize,
    put: Put,
    extra: Mapping[str, object] | None = None,
) -> WrittenSnapshot:
    """Store a whole snapshot of ``releases``, in any order.

    ``extra`` are keys of newer formats that the head had before. ``dag_size`` returns the size of the DAG under each archive and
    delta. Raise `InvalidInputError` for a release whose line is too long.
    """
    ordered = {(release.name, release.version): release for release in releases}
    keys = sorted(ordered)
    tree = build_tree(((key, encode_line(ordered[key])) for key in keys), put)
    images = build_images((ordered[key] for key in keys), dag_size, put)
    return _write_root(Catalogue(title, published, previous, len(keys), extra or {}), tree, images, put)


def update_snapshot(
    root: Cid,
    changes: Iterable[Release],
    *,
    published: str,
    dag_size: DagSize,
    source: BlockSource,
    put: Put,
    title: str | None = None,
    previous: Cid | None = None,
) -> WrittenSnapshot:
    """Store the snapshot that ``root`` becomes when ``changes`` are added, or replace the releases of the same name@version.

    ``source`` holds the blocks of the old one, which becomes the new one's ``previous`` unless another is given. Read and write
    only the changed paths; the root is the one that `write_snapshot` makes for all releases.
    """
    old = open_snapshot(root, source)
    after = {(release.name, release.version): release for release in changes}
    edit = _edit(old, {key: encode_line(release) for key, release in after.items()}, source, put)
    before = {key: decode_line(line) for key, line in edit.replaced.items()}
    pairs = [(before.get(key), release) for key, release in after.items()]
    images = update_images(old.images.cid, pairs, dag_size, source, put) or old.images
    head = Catalogue(
        old.catalogue.title if title is None else title,
        published,
        previous or root,
        old.catalogue.releases + len(after) - len(before),
        old.catalogue.extra,
    )
    return _write_root(head, edit.root, images, put)


def has_canonical_tree(snapshot: Snapshot) -> bool:
    """Return whether the releases' tree is the one that a whole build makes of the same lines; all of it is read."""
    return build_tree(((key, line + b"\n") for key, line in snapshot.lines()), lambda _: None).cid == snapshot.releases.cid


def _edit(old: Snapshot, lines: Mapping[Key, bytes], source: BlockSource, put: Put) -> TreeEdit:
    try:
        return update_tree(old.releases, lines, source, put)
    except UncutError:
        # The tree of another writer is legal; it is read whole once.
        replaced: dict[Key, bytes] = {}
        merged = dict(lines)
        for key, line in old.lines():
            if key in lines:
                replaced[key] = line
            else:
                merged[key] = line + b"\n"
        return TreeEdit(build_tree(sorted(merged.items()), put), replaced)


def _write_root(head: Catalogue, tree: FileLink, images: DirectoryLink, put: Put) -> WrittenSnapshot:
    if head.releases > MAX_RELEASES or tree.file_size > MAX_SNAPSHOT_SIZE:
        raise SnapshotError(
            f"{head.releases} releases of {tree.file_size} bytes do not fit in a catalogue",
            why=f"at most {MAX_RELEASES} releases of {MAX_SNAPSHOT_SIZE} bytes together are read",
        )
    catalogue = import_file(io.BytesIO(encode_catalogue(head)), put)
    entries = [
        Entry(CATALOGUE_FILE, catalogue.cid, catalogue.dag_size),
        Entry(IMAGES, *images),
        Entry(RELEASES_FILE, tree.cid, tree.dag_size),
    ]
    link = build_directory(entries, put)
    return WrittenSnapshot(link.cid, link.dag_size, head.releases)
