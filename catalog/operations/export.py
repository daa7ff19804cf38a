"""``dcat export``: write releases, or a whole catalogue, as one file with records, index and images, for use without a network."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from catalog.blockstores.holding import is_whole
from catalog.delivery import check_image, explain_absence, open_store
from catalog.delivery.bundled import CarriedDeltas
from catalog.errors import AmbiguousReferenceError, ReleaseNotFoundError, UnavailableError
from catalog.home.home import Home
from catalog.home.records import local_records
from catalog.image.walk import walk
from catalog.index.catalogue import CatalogueRow
from catalog.index.releases import iterate_releases
from catalog.index.subscriptions import find_catalogue
from catalog.ipld.block import Block
from catalog.ipld.cid import DAG_PB, Cid, parse_cid
from catalog.ipld.dag_pb import decode_node
from catalog.ipns.name import parse_ipns_name
from catalog.lookup.locate import open_lookup
from catalog.model.platform import Platform
from catalog.model.reference import parse_reference
from catalog.model.release import Image, Release
from catalog.progress import Progress, Step, silent
from catalog.snapshot.reader import open_snapshot
from catalog.sources.bundle import write_bundle
from catalog.sources.network import NO_NETWORK, Network
from catalog.sources.store import FetchingBlockstore
from catalog.storage.files import open_output
from catalog.trust.ownership import rewrite_alias

_BATCH = 256
_ENDINGS = (b".tar.zst", b".delta")


@dataclass(frozen=True, slots=True)
class Exported:
    """The content of a bundle: catalogues with their records, the number of images, ``deltas`` of them as deltas, and its size."""

    catalogues: tuple[str, ...]
    images: int
    blocks: int
    size: int
    deltas: int = 0


_Listed = tuple[Platform, Image]
"""An image of a release, and the platform that it is listed under."""


@dataclass(frozen=True, slots=True)
class _Content:
    """The content to write: catalogues with their index, images by the CID of their archive, and whose these are."""

    catalogues: tuple[CatalogueRow, ...]
    archives: dict[Cid, _Listed]
    owners: dict[Cid, str]


def export_releases(
    home: Home,
    references: Sequence[str],
    output: Path | BinaryIO,
    *,
    network: Network = NO_NETWORK,
    platform: Platform | None = None,
    since: Sequence[str] = (),
    progress: Progress = silent,
) -> Exported:
    """Write the images of releases (for ``platform``, or all of them), with the index and record of their catalogues.

    Blocks of the images of ``since`` are left out: the receiver must hold those. A delta from one replaces blocks where that
    is smaller. Raise `UnavailableError` where bytes are neither here nor at a source, and what resolving raises.
    """
    found = [_resolve(home, reference, platform) for reference in references]
    rows = {row.catalogue: row for row, _, _ in found}
    archives = {image.archive: (platform, image) for _, _, images in found for platform, image in images}
    owners = {image.archive: row.catalogue for row, _, images in found for _, image in images}
    return _write(home, _Content(tuple(rows.values()), archives, owners), output, network, _since(home, since), progress)


def export_catalogue(
    home: Home,
    label: str,
    output: Path | BinaryIO,
    *,
    network: Network = NO_NETWORK,
    since: Sequence[str] = (),
    progress: Progress = silent,
) -> Exported:
    """Write a whole catalogue, ``mine`` or that of an alias, with all its images."""
    with home.trust.read() as connection:
        label = rewrite_alias(connection, label)
    with home.index.read() as connection:
        row = find_catalogue(connection, label)
        archives = {
            image.archive: (platform, image)
            for release in iterate_releases(connection, row.catalogue)
            for platform, image in release.images.items()
        }
    owners = dict.fromkeys(archives, row.catalogue)
    return _write(home, _Content((row,), archives, owners), output, network, _since(home, since), progress)


def _resolve(home: Home, reference: str, platform: Platform | None) -> tuple[CatalogueRow, Release, list[_Listed]]:
    with open_lookup(home.path) as lookup:
        resolved = lookup.resolve(parse_reference(reference), now=home.now, platform=platform)
    images = list(resolved.release.images.items())
    if resolved.image is not None and resolved.platform is not None:
        images = [(resolved.platform, resolved.image)]
    if not images:
        raise ReleaseNotFoundError(f'"{reference}" holds no image')
    return resolved.catalogue, resolved.release, images


def _since(home: Home, references: Sequence[str]) -> dict[Cid, str]:
    """Return the archives that the receiver holds, with their catalogues."""
    found = [_resolve(home, reference, None) for reference in references]
    return {image.archive: row.catalogue for row, _, images in found for _, image in images}


def _write(
    home: Home, content: _Content, output: Path | BinaryIO, network: Network, since: dict[Cid, str], progress: Progress
) -> Exported:
    catalogues = {row.catalogue for row in content.catalogues} | set(since.values())
    stores = {catalogue: open_store(home, network, catalogue) for catalogue in catalogues}
    records = _records(home, content.catalogues)
    with home.reading("export"), CarriedDeltas(home, home.blocks) as carried:
        for archive, (platform, image) in content.archives.items():
            store = stores[content.owners[archive]]
            try:
                store.fetch_dag([archive], size=image.size, progress=progress)
                check_image(image, platform, store)
            except UnavailableError as error:
                raise explain_absence(error, str(archive), network) from error
        if since:
            _add_deltas(home, content, carried, since, progress)
        progress(Step("phase", "Writing the bundle"))
        counted = _Counted(_blocks(home, stores, content, since, carried))
        deltas = carried.by_target.values()
        with open_output(output) as file:
            size = write_bundle(file, content.archives, counted, records=records, since=since, deltas=deltas)
    return Exported(tuple(records), len(content.archives), counted.number, size, len(deltas))


def _add_deltas(home: Home, content: _Content, carried: CarriedDeltas, since: Iterable[Cid], progress: Progress) -> None:
    """Add deltas from images that the receiver holds, or has from the part of the bundle before."""
    before: list[Cid] = []
    held = [archive for archive in since if is_whole(archive, home.blocks)]
    for archive, (_, image) in content.archives.items():
        carried.add(image, [*held, *before], progress)
        before = [archive]


def _records(home: Home, rows: Iterable[CatalogueRow]) -> dict[str, bytes]:
    records = {}
    for row in rows:
        record = local_records(home).get(parse_ipns_name(row.catalogue))
        if record is None or row.root is None:
            raise AmbiguousReferenceError(
                f'the catalogue "{row.label}" has no record here yet', why="it was never signed or synced", hint="sync first"
            )
        records[row.catalogue] = record
    return records


def _blocks(
    home: Home, stores: Mapping[str, FetchingBlockstore], content: _Content, since: Mapping[Cid, str], carried: CarriedDeltas
) -> Iterator[Block]:
    """Yield the index of every catalogue, then the archives: each block once, without those under ``since`` or made by a delta."""
    done = {block.cid.digest for archive, owner in since.items() for block in walk(archive, stores[owner])}
    for row in content.catalogues:
        for cid in _index_blocks(home, row):
            if cid.digest not in done:
                done.add(cid.digest)
                yield Block(cid, home.blocks.get(cid))
    for archive in content.archives:
        store = stores[content.owners[archive]]
        if archive in carried.by_target:
            for plain in carried.blocks(archive):
                if plain.cid.digest not in done:
                    done.add(plain.cid.digest)
                    yield plain
            done.update(block.cid.digest for block in walk(archive, store))
            continue
        wanted: list[Cid] = []
        for block in walk(archive, store):
            if block.cid.digest not in done:
                done.add(block.cid.digest)
                wanted.append(block.cid)
            if len(wanted) >= _BATCH:
                yield from store.get_many(wanted)
                wanted = []
        yield from store.get_many(wanted)


def _index_blocks(home: Home, row: CatalogueRow) -> Iterator[Cid]:
    """Yield the blocks of a snapshot that a subscriber reads, and the directories of its images that are here."""
    root = parse_cid(row.root or "")
    images = open_snapshot(root, home.blocks).images.cid
    pending = [root]
    optional = {images}
    while pending:
        cid = pending.pop()
        if cid in optional and not home.blocks.has(cid):
            continue
        yield cid
        if cid.codec != DAG_PB:
            continue
        links = decode_node(home.blocks.get(cid)).links
        below = [link.cid for link in links if not (link.name or b"").endswith(_ENDINGS)]
        if cid in optional:
            optional.update(below)
        pending += below


class _Counted:
    """Blocks, counted as they are read."""

    def __init__(self, blocks: Iterator[Block]) -> None:
        self._blocks = blocks
        self.number = 0

    def __iter__(self) -> Iterator[Block]:
        for block in self._blocks:
            self.number += 1
            yield block
