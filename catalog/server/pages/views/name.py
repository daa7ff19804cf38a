"""One name: a row for each release, the newest first."""

from collections.abc import Mapping
from dataclasses import dataclass

from catalog.documents.encoding import extend
from catalog.documents.releases import Image, Release, describe_image, describe_release
from catalog.errors import ReleaseNotFoundError
from catalog.index.catalogue import CatalogueRow
from catalog.index.entry import qualify
from catalog.index.releases import list_releases
from catalog.ipld.cid import DAG_PB, Cid
from catalog.ipld.dag_pb import decode_node
from catalog.lookup.nearby import names_like
from catalog.lookup.releases import get_release, usable_releases
from catalog.model import release as model
from catalog.model.reference import check_name, check_version, nearest
from catalog.server.pages.filling import size_of
from catalog.server.pages.views.layers import new_bytes
from catalog.server.pages.visit import Visit
from catalog.server.site.site import HeldBlocks

_ROWS = 30
_COMPARED = 3  # releases whose deltas are compared with blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedImage(Image):
    """An image of a release; ``held`` is whether its first blocks are here, ``bases`` the versions that its deltas start from.

    ``in_place_of`` is how many bytes of blocks each delta replaces, by its base, for the newest releases of which that is known.
    """

    held: bool
    bases: Mapping[str, str]
    in_place_of: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRelease(Release):
    """A release; ``images`` by platform."""

    images: Mapping[str, ListedImage]


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
    releases: tuple[ListedRelease, ...]
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
    shown = visit.fit(found, rows, _row_size)
    newest = next((usable.release.version for usable in usable_releases(visit.view, row.catalogue, name)), "")
    annotations = (shown[0].annotations if shown else {}) if not newest else _annotations(visit, row.catalogue, name, newest)
    return NamePage(
        label=row.label,
        name=name,
        reference=name if row.own else f"{row.label}/{name}",
        title=annotations.get("title", "") or annotations.get("org.opencontainers.image.title", ""),
        description=annotations.get("description", "") or annotations.get("org.opencontainers.image.description", ""),
        newest=newest,
        platforms=tuple(sorted({str(platform) for release in shown for platform in release.images})),
        releases=tuple(
            list_release(visit, row, release, versions, compared=int(number < _COMPARED)) for number, release in enumerate(shown)
        ),
        next=shown[-1].version if len(found) > len(shown) else "",
    )


def _row_size(release: model.Release) -> int:
    """Return about how many bytes a release takes, with a link for each of its platforms."""
    place = size_of(release.name, release.version)
    return 700 + 4 * place + size_of(release.yanked) + (190 + place) * len(release.images)


def unknown_name(visit: Visit, row: CatalogueRow, name: str) -> ReleaseNotFoundError:
    """Return the error for a name that a catalogue does not have, with the nearest that it has."""
    known = [found for _, found in names_like(visit.view, name, catalogue=row.catalogue)]
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
    found = get_release(visit.view, catalogue_name, name, version)
    return found.release.annotations if found is not None else {}


def list_release(
    visit: Visit, row: CatalogueRow, release: model.Release, versions: Mapping[Cid, str], *, compared: int
) -> ListedRelease:
    """Return a release as lists show it; ``versions`` are those that deltas may start from, by archive.

    ``compared`` is how many deltas of an image are compared with the blocks that they replace, which takes a look at all leaves.
    """
    found = describe_release(release, reference=qualify(row, release.reference), catalogue=row.catalogue, alias=row.alias)
    images = {
        str(platform): list_image(visit, image, versions, compared=compared) for platform, image in sorted(release.images.items())
    }
    return extend(ListedRelease, found, images=images)


def list_image(visit: Visit, image: model.Image, versions: Mapping[Cid, str], *, compared: int) -> ListedImage:
    """Return an image as lists show it."""
    bases = {base: versions[base] for base in image.deltas if base in versions}
    replaced = {base: new_bytes(visit, base, image.archive) for base in list(bases)[:compared]}
    return extend(
        ListedImage,
        describe_image(image),
        held=is_begun(image.archive, visit.blocks),
        bases={str(base): version for base, version in bases.items()},
        in_place_of={str(base): size for base, size in replaced.items() if size},
    )
