"""One name: a row for each release, the newest first."""

from collections.abc import Mapping
from dataclasses import dataclass

from catalog.errors import ReleaseNotFoundError
from catalog.index.catalogue import CatalogueRow
from catalog.index.releases import list_releases
from catalog.ipld.cid import DAG_PB, Cid
from catalog.ipld.dag_pb import decode_node
from catalog.model.reference import check_name, check_version, nearest
from catalog.model.release import Image, Release
from catalog.server.pages.visit import Visit
from catalog.server.site.site import HeldBlocks

_ROWS = 30


@dataclass(frozen=True, slots=True)
class DeltaRow:
    """A published delta: the version that it starts from (its archive's CID where no release here has it), and the size of the
    file."""

    base: str
    size: int


@dataclass(frozen=True, slots=True)
class ImageCell:
    """The image of a release for one platform; ``held`` is whether its first blocks are here."""

    archive: str
    config: str
    size: int
    unpacked: int
    layers: int
    held: bool
    deltas: tuple[DeltaRow, ...]


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """A release; ``images`` by platform. ``yanked`` is a reason, ``removed`` a time, null where it is neither."""

    version: str
    published: str
    title: str
    yanked: str | None
    removed: str | None
    images: Mapping[str, ImageCell]


@dataclass(frozen=True, slots=True)
class NamePage:
    """A name of a catalogue and a page of its releases, the newest first; ``next`` is the version to go on ``before``.

    ``platforms`` are those of the releases on this page.
    """

    label: str
    name: str
    reference: str
    title: str
    description: str
    newest: str
    platforms: tuple[str, ...]
    releases: tuple[ReleaseRow, ...]
    next: str


def name(visit: Visit, label: str, name: str) -> NamePage:
    """Make the page of a name."""
    row = visit.catalogue(label)
    check_name(name)
    rows = visit.rows(_ROWS)
    before = check_version(visit.query["before"]) if visit.query.get("before") else None
    with visit.home.index.read() as connection:
        found = list_releases(connection, row.catalogue, name, before=before, limit=rows + 1)
    if not found and not visit.view.has_name(row.catalogue, name):
        raise unknown_name(visit, row, name)
    versions = {image.archive: release.version for release in found for image in release.images.values()}
    shown = found[:rows]
    newest = next((usable.release.version for usable in visit.view.usable(row.catalogue, name)), "")
    annotations = (shown[0].annotations if shown else {}) if not newest else _annotations(visit, row.catalogue, name, newest)
    return NamePage(
        label=row.label,
        name=name,
        reference=name if row.own else f"{row.label}/{name}",
        title=annotations.get("title", "") or annotations.get("org.opencontainers.image.title", ""),
        description=annotations.get("description", "") or annotations.get("org.opencontainers.image.description", ""),
        newest=newest,
        platforms=tuple(sorted({str(platform) for release in shown for platform in release.images})),
        releases=tuple(_describe(release, versions, visit.blocks) for release in shown),
        next=shown[-1].version if len(found) > rows else "",
    )


def unknown_name(visit: Visit, row: CatalogueRow, name: str) -> ReleaseNotFoundError:
    """Return the error for a name that a catalogue does not have, with the nearest that it has."""
    known = [found for _, found in visit.view.names_like(name, catalogue=row.catalogue)]
    near = nearest(name, known)
    why = f'the nearest is "{near[0]}"' if near else f"the catalogue {row.label} has no name like it"
    return ReleaseNotFoundError(f'no name "{name}" in the catalogue "{row.label}"', why=why, nearest=near)


def is_begun(archive: Cid, blocks: HeldBlocks) -> bool:
    """Return whether an archive's root and all that it links are here: whether it is whole takes a longer look."""
    if not blocks.has(archive):
        return False
    if archive.codec != DAG_PB:
        return True
    return all(blocks.has(link.cid) for link in decode_node(blocks.get(archive)).links)


def _annotations(visit: Visit, catalogue_name: str, name: str, version: str) -> Mapping[str, str]:
    found = visit.view.release(catalogue_name, name, version)
    return found.release.annotations if found is not None else {}


def _describe(release: Release, versions: Mapping[Cid, str], blocks: HeldBlocks) -> ReleaseRow:
    return ReleaseRow(
        version=release.version,
        published=release.published,
        title=release.annotations.get("title", ""),
        yanked=release.yanked,
        removed=release.removed,
        images={str(platform): _cell(image, versions, blocks) for platform, image in sorted(release.images.items())},
    )


def _cell(image: Image, versions: Mapping[Cid, str], blocks: HeldBlocks) -> ImageCell:
    return ImageCell(
        archive=str(image.archive),
        config=str(image.config),
        size=image.size,
        unpacked=image.unpacked,
        layers=image.layers,
        held=is_begun(image.archive, blocks),
        deltas=list_deltas(image, versions),
    )


def list_deltas(image: Image, versions: Mapping[Cid, str]) -> tuple[DeltaRow, ...]:
    """Return an image's published deltas, named after the versions that they start from."""
    return tuple(DeltaRow(versions.get(base, str(base)), delta.size) for base, delta in image.deltas.items())
