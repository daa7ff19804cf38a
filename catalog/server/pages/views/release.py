"""One release: how to get it, what it is made of, how it runs, where it came from."""

from dataclasses import dataclass, replace

from catalog.blockstores.holding import is_whole
from catalog.documents.encoding import extend
from catalog.errors import BlockNotFoundError, PlatformNotFoundError, ReleaseNotFoundError, VerificationError
from catalog.image.reader import ArchiveView, read_listed_archive
from catalog.image.walk import walk
from catalog.index.catalogue import CatalogueRow
from catalog.index.history import list_changes
from catalog.index.releases import list_releases
from catalog.ipld.cid import Cid
from catalog.lookup.releases import get_release, times_seen
from catalog.model.platform import Platform, parse_platform
from catalog.model.reference import check_name, check_version, nearest
from catalog.model.release import IMAGE_FORMAT, Image, Release
from catalog.server.pages.filling import Part, fill, size_of
from catalog.server.pages.getting import Client, list_clients
from catalog.server.pages.views.configuration import Configuration, Setting, describe_configuration
from catalog.server.pages.views.fetching import can_fetch
from catalog.server.pages.views.layers import LayerRow, list_layers
from catalog.server.pages.views.name import ListedRelease, is_begun, list_release, unknown_name
from catalog.server.pages.visit import Visit

_NEIGHBOURS = 20
_ROOM = 24_000  # bytes of the rows of layers, variables and labels: the page says more than these
_USUAL = 6_000  # bytes of the annotations, references and settings that a page has beside them
_LEAST = 4_000  # bytes of the rows where these take more; the template cuts them
_COMPARED = 3  # deltas of an image that are compared with blocks


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A change of the release, as this home saw it."""

    at: str
    kind: str
    platform: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePage(ListedRelease):
    """A release and its image for one platform.

    ``whole`` is whether all bytes of that image are here, ``fetches`` whether this server fetches it for who opens its files with
    ``fetch=yes``. ``layer_list`` and ``configuration`` are null where its first blocks are not here. Layers, environment and labels
    are one list after the other, as far as a page has room; ``next`` is where to go on ``after``. ``previous`` is the version
    before, ``newest`` the one to use, each empty where there is none.
    """

    label: str
    first_seen: str | None
    platform: str
    whole: bool
    begun: bool
    fetches: bool
    getting: tuple[Client, ...]
    layer_list: tuple[LayerRow, ...] | None
    next: str
    configuration: Configuration | None
    previous: str
    newest: str
    versions: tuple[str, ...]
    changes: tuple[ChangeRow, ...]


def release(visit: Visit, label: str, reference: str) -> ReleasePage:
    """Make the page of ``name@version`` for the platform in the query, else for the first that is here."""
    row, found = find_release(visit, label, reference)
    chosen = choose_platform(visit, found)
    image = found.images[chosen] if chosen is not None else None
    with visit.home.index.read() as connection:
        others = list_releases(connection, row.catalogue, found.name, limit=_NEIGHBOURS)
        older = list_releases(connection, row.catalogue, found.name, before=found.version, limit=_NEIGHBOURS)
        changes = list_changes(connection, catalogue=row.catalogue, name=found.name, version=found.version, limit=20)
    usable = [entry for entry in older if entry.removed is None and (chosen is None or chosen in entry.images)]
    before = next((entry for entry in usable if entry.yanked is None), usable[0] if usable else None)
    view = _open(visit, image, chosen)
    is_readable = view is not None or (image is not None and image.format != IMAGE_FORMAT)
    whole = image is not None and is_readable and is_whole_here(visit, image.archive)
    old_image = before.images.get(chosen) if before is not None and chosen is not None else None
    layers = list_layers(visit, view, old_image, f"{row.label}/{found.name}") if view is not None else ()
    configuration = describe_configuration(view) if view is not None else None
    parts = (
        Part("layers", layers, _layer_size),
        Part("environment", configuration.environment if configuration else (), _pair_size),
        Part("labels", configuration.labels if configuration else (), _pair_size),
    )
    room = _ROOM - min(max(_size_of_rest(found, image, configuration) - _USUAL, 0), _ROOM - _LEAST)
    shown, following = fill(visit, parts, "layers", room)
    if configuration is not None:
        configuration = replace(configuration, environment=shown["environment"], labels=shown["labels"])
    return extend(
        ReleasePage,
        list_release(visit, row, found, _versions(older), compared=_COMPARED),
        label=row.label,
        first_seen=min(times_seen(visit.view, row.catalogue, found.name, found.version).values(), default=None),
        annotations=dict(sorted(found.annotations.items())),
        platform=str(chosen) if chosen is not None else "",
        whole=whole,
        begun=view is not None,
        fetches=image is not None and not whole and can_fetch(visit, row),
        getting=list_clients(visit, row, found, image, whole=whole) if image is not None else (),
        layer_list=shown["layers"] if view is not None else None,
        next=following,
        configuration=configuration,
        previous=before.version if before is not None else "",
        newest=next((entry.version for entry in others if entry.yanked is None and entry.removed is None), ""),
        versions=tuple(entry.version for entry in others if entry.removed is None),
        changes=tuple(ChangeRow(change.at, change.kind, change.platform) for change in changes),
    )


def _size_of_rest(release: Release, image: Image | None, configuration: Configuration | None) -> int:
    """Return about how many bytes the texts of a release take that are on each of its pages."""
    texts = [*release.annotations, *release.annotations.values()]
    texts += 2 * list(image.registry) if image is not None else []
    if configuration is not None:
        texts += [*configuration.entrypoint, *configuration.command, *configuration.ports, *configuration.volumes]
    return size_of(*texts) + 40 * len(texts)


def _layer_size(row: LayerRow) -> int:
    """Return about how many bytes a layer takes, with its part of the picture."""
    return 1000 + size_of(row.made_by[:300], *row.names[:4])


def _pair_size(row: Setting) -> int:
    return 120 + size_of(row.name, row.value[:600])


def find_release(visit: Visit, label: str, reference: str) -> tuple[CatalogueRow, Release]:
    """Return the release that ``name@version`` is in a catalogue, removed or not; raise `ReleaseNotFoundError`."""
    row = visit.catalogue(label)
    name, _, version = reference.partition("@")
    check_name(name)
    check_version(version)
    found = get_release(visit.view, row.catalogue, name, version)
    if found is None:
        if not visit.view.has_name(row.catalogue, name):
            raise unknown_name(visit, row, name)
        versions = visit.view.versions(row.catalogue, name, most=200)
        near = nearest(version, versions)
        why = f"the newest are {', '.join(versions[:5])}" if versions else "all of its releases were removed"
        raise ReleaseNotFoundError(f'no release "{name}@{version}" in the catalogue "{row.label}"', why=why, nearest=near)
    return row, found.release


def choose_platform(visit: Visit, release: Release) -> Platform | None:
    """Return the platform in the query, else linux on amd64 or arm64, else the first; None where the release has no image."""
    text = visit.query.get("platform", "")
    if text:
        platform = parse_platform(text)
        if platform not in release.images:
            there = [str(known) for known in sorted(release.images)]
            raise PlatformNotFoundError(
                f"{release.reference} has no image for {platform}", why=f"it has {', '.join(there) or 'none'}", nearest=there
            )
        return platform
    for preferred in (Platform("linux", "amd64"), Platform("linux", "arm64")):
        if preferred in release.images:
            return preferred
    return min(release.images, default=None)


def is_whole_here(visit: Visit, archive: Cid) -> bool:
    """Return whether all blocks of an archive may be shown."""

    def look() -> bool:
        if visit.blocks is visit.home.blocks:
            return is_whole(archive, visit.home.blocks)
        try:
            return all(visit.blocks.has(block.cid) for block in walk(archive, visit.blocks))
        except (BlockNotFoundError, VerificationError):
            return False

    return visit.remember(("whole", archive), look)


def _open(visit: Visit, image: Image | None, platform: Platform | None) -> ArchiveView | None:
    """Return the archive of an image if its first blocks are here and it is what its release lists."""
    if image is None or platform is None or not is_begun(image.archive, visit.blocks):
        return None
    try:
        return read_listed_archive(image, platform, visit.blocks)
    except (BlockNotFoundError, VerificationError):
        return None


def _versions(releases: list[Release]) -> dict[Cid, str]:
    return {image.archive: entry.version for entry in releases for image in entry.images.values()}
