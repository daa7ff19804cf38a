"""The roots of the blocks that this home keeps: what the own catalogue released, what the user pulled, pinned or mirrored, and the
newest snapshots of the shown catalogues.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from catalog.blockstores.holding import is_whole
from catalog.errors import BlockNotFoundError, CodecError
from catalog.home.home import Home
from catalog.index.releases import find_archive, iterate_releases
from catalog.index.subscriptions import list_catalogues
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import DAG_PB, Cid, parse_cid
from catalog.ipld.dag_pb import decode_node
from catalog.trust.store import list_pins

_ARCHIVE_ENDINGS = (b".tar.zst", b".delta")


@dataclass(frozen=True, slots=True)
class Root:
    """The root of a kept DAG. ``reason`` is own, pinned, pulled, mirrored, fetched or snapshot; ``label`` names it for users."""

    cid: Cid
    reason: str
    label: str


def list_roots(home: Home) -> list[Root]:
    """Return the roots of all that this home keeps; an archive with several reasons is listed once for each.

    The deltas of a kept archive that are complete here are kept too, so that this home can offer them.
    """
    roots = []
    with home.index.read() as connection:
        rows = list_catalogues(connection)
        for row in rows:
            if row.root is not None:
                roots.append(Root(parse_cid(row.root), "snapshot", row.label))
            if not row.own:
                continue
            for release in iterate_releases(connection, row.catalogue):
                for image in release.images.values():
                    roots.append(Root(image.archive, "own", release.reference))
                    roots += [Root(delta.cid, "own", release.reference) for delta in image.deltas.values()]
    with home.trust.read() as connection:
        pins = list_pins(connection)
    with home.index.read() as connection:
        for pin in pins:
            archive, label = parse_cid(pin.archive), f"{pin.name}@{pin.version}"
            roots.append(Root(archive, pin.reason, label))
            for _, release in find_archive(connection, archive):
                images = [image for image in release.images.values() if image.archive.digest == archive.digest]
                deltas = [delta.cid for image in images for delta in image.deltas.values()]
                roots += [Root(cid, pin.reason, label) for cid in deltas if is_whole(cid, home.blocks)]
    return roots


def mark(root: Root, source: BlockSource, marked: set[bytes]) -> Iterator[Cid]:
    """Yield every block under ``root`` whose digest is not in ``marked`` yet, and add it.

    Absent blocks are skipped: an archive may be held in part. A snapshot keeps its own blocks, not the archives that it links.
    """
    pending = [root.cid]
    while pending:
        cid = pending.pop()
        if cid.digest in marked:
            continue
        marked.add(cid.digest)
        yield cid
        if cid.codec != DAG_PB:
            continue
        try:
            links = decode_node(source.get(cid)).links
        except (BlockNotFoundError, CodecError):
            continue
        for link in links:
            if root.reason == "snapshot" and (link.name or b"").endswith(_ARCHIVE_ENDINGS):
                continue
            pending.append(link.cid)
