"""The roots of the blocks that this home keeps: what the own catalogue released, what the user pulled, pinned or mirrored, and the
newest snapshots of the shown catalogues.

A publisher may link anything from a snapshot, and call anything a delta: an archive that this home's user removed, for example. So
of a snapshot only what its format has is kept, and of deltas only what is one (docs/safety.md, A25).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from catalog.blockstores.holding import is_whole
from catalog.delta.reader import is_delta_to
from catalog.errors import BlockNotFoundError, CodecError
from catalog.home.home import Home
from catalog.index.releases import find_archive, iterate_releases
from catalog.index.subscriptions import CatalogueRow, list_catalogues
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import DAG_PB, Cid, parse_cid
from catalog.ipld.dag_pb import PBNode, decode_node
from catalog.ipns.name import parse_ipns_name
from catalog.ipns.record import check_record
from catalog.snapshot.images import FILE_ENDINGS
from catalog.snapshot.reader import CATALOGUE_FILE, IMAGES, RELEASES_FILE
from catalog.trust.store import get_floor, list_pins
from catalog.unixfs.node import UnixFSType, decode_data


@dataclass(frozen=True, slots=True)
class Root:
    """The root of a kept DAG. ``reason`` is own, pinned, pulled, mirrored, fetched or snapshot; ``label`` names it for users.

    ``catalogue`` is the IPNS name of the one that it is kept from, where that is known.
    """

    cid: Cid
    reason: str
    label: str
    catalogue: str | None = None


def list_roots(home: Home) -> list[Root]:
    """Return the roots of all that this home keeps; an archive with several reasons is listed once for each.

    The deltas of a kept archive that are complete here are kept too, so that this home can offer them.
    """
    roots = []
    with home.index.read() as connection:
        rows = list_catalogues(connection)
        for row in rows:
            if row.root is not None:
                roots.append(Root(parse_cid(row.root), "snapshot", row.label, row.catalogue))
            if not row.own:
                continue
            for release in iterate_releases(connection, row.catalogue):
                for image in release.images.values():
                    roots.append(Root(image.archive, "own", release.reference, row.catalogue))
                    roots += [Root(delta.cid, "own", release.reference, row.catalogue) for delta in image.deltas.values()]
    with home.trust.read() as connection:
        pins = list_pins(connection)
        roots += _accepted_snapshots(connection, rows)
    with home.index.read() as connection:
        for pin in pins:
            archive, label = parse_cid(pin.archive), f"{pin.name}@{pin.version}"
            roots.append(Root(archive, pin.reason, label, pin.catalogue))
            deltas: dict[Cid, None] = {}
            for _, release in find_archive(connection, archive, catalogue=pin.catalogue):
                images = (image for image in release.images.values() if image.archive.digest == archive.digest)
                deltas.update(dict.fromkeys(delta.cid for image in images for delta in image.deltas.values()))
            for cid in deltas:
                if is_delta_to(archive, cid, home.blocks) and is_whole(cid, home.blocks):
                    roots.append(Root(cid, pin.reason, label, pin.catalogue))
    return roots


def mark(root: Root, source: BlockSource, marked: set[bytes]) -> Iterator[Cid]:
    """Yield every block under ``root`` whose digest is not in ``marked`` yet, and add it.

    Absent blocks are yielded, and what they link is skipped: an archive may be held in part. A snapshot keeps its head, its
    releases and the directories of its images, not the archives that these link, nor anything else.
    """
    pending = [(root.cid, _TOP if root.reason == "snapshot" else _ALL)]
    while pending:
        cid, part = pending.pop()
        if cid.digest in marked:
            continue
        node = None
        if cid.codec == DAG_PB:
            try:
                node = decode_node(source.get(cid))
            except (BlockNotFoundError, CodecError):
                node = None
            else:
                if part in (_TOP, _IMAGES) and not _is_directory(node):
                    continue
        marked.add(cid.digest)
        yield cid
        if node is None:
            continue
        for link in node.links:
            below = _part_of(part, link.name or b"", link.cid)
            if below is not None:
                pending.append((link.cid, below))


def list_described(home: Home) -> Iterator[Cid]:
    """Yield the archives of the other platforms of every release of which an image is kept.

    Their metadata is kept where it is here, since `dcat serve` makes the index of the release of it.
    """
    with home.trust.read() as connection:
        pins = list_pins(connection)
    with home.index.read() as connection:
        for pin in pins:
            for _, release in find_archive(connection, parse_cid(pin.archive), catalogue=pin.catalogue):
                yield from (image.archive for image in release.images.values())


def mark_metadata(archive_cid: Cid, source: BlockSource, marked: set[bytes]) -> Iterator[Cid]:
    """Yield the root of an archive and the blocks of its metadata, and add them to ``marked``; nothing where the root is absent."""
    if archive_cid.digest in marked or archive_cid.codec != DAG_PB:
        return
    try:
        node = decode_node(source.get(archive_cid))
    except (BlockNotFoundError, CodecError):
        return
    marked.add(archive_cid.digest)
    yield archive_cid
    if node.links:
        yield from mark(Root(node.links[0].cid, "metadata", ""), source, marked)


_ALL, _TOP, _IMAGES = "all", "top", "images"
_PARTS = {CATALOGUE_FILE.encode(): _ALL, RELEASES_FILE.encode(): _ALL, IMAGES.encode(): _IMAGES}
_SHARD_PREFIX = 2  # hex digits before a name in a sharded directory; a link of these alone is a further shard


def _part_of(part: str, name: bytes, cid: Cid) -> str | None:
    """Return as which part what a node links is marked, None where it is not."""
    if part == _ALL:
        return _ALL
    if part == _IMAGES:
        return None if cid.codec != DAG_PB or name.endswith(FILE_ENDINGS) else _IMAGES
    if len(name) == _SHARD_PREFIX:
        return _TOP
    return _PARTS.get(name) or _PARTS.get(name[_SHARD_PREFIX:])


def _is_directory(node: PBNode) -> bool:
    try:
        return node.data is not None and decode_data(node.data).type in (UnixFSType.DIRECTORY, UnixFSType.HAMT_SHARD)
    except CodecError:
        return False


def _accepted_snapshots(connection: Connection, rows: list[CatalogueRow]) -> Iterator[Root]:
    """Yield the snapshots that are shown again when a suspicious one is refused."""
    for row in rows:
        stored = get_floor(connection, row.catalogue)
        if stored is not None and stored.shown is not None and stored.record is not None:
            record = check_record(parse_ipns_name(row.catalogue), stored.record)
            yield Root(record.snapshot_cid, "snapshot", row.label, row.catalogue)
