"""Two releases: layers, configuration, files and packages that differ, and what the upgrade costs on the wire."""

from dataclasses import dataclass

from catalog.documents.differences import (
    FileDifference,
    LayerDifference,
    PackageDifference,
    SettingDifference,
    describe_files,
    describe_layer,
    describe_packages,
)
from catalog.documents.encoding import extend
from catalog.errors import (
    BlockNotFoundError,
    CorruptHomeError,
    DcatError,
    LockedError,
    PathNotFoundError,
    ReleaseNotFoundError,
    StorageError,
    VerificationError,
)
from catalog.image.config import parse_config
from catalog.image.difference import compare_blocks, compare_configs, compare_layers
from catalog.image.reader import ArchiveView, read_archive
from catalog.image.secrets import find_secrets
from catalog.ipld.cid import Cid
from catalog.model.release import Image
from catalog.operations.diff import compare_files
from catalog.rootfs.difference import FileChange, FilesDifference
from catalog.server.pages.filling import Part, fill, path_size, size_of
from catalog.server.pages.views.fetching import can_fetch, fetch_if_asked
from catalog.server.pages.views.files import open_archive
from catalog.server.pages.views.layers import leaves, leaves_of
from catalog.server.pages.views.release import choose_platform, find_release
from catalog.server.pages.visit import ROOM, Visit

_CHANGE_SIZE = 256  # bytes that a change takes in memory, about


@dataclass(frozen=True, slots=True)
class Side:
    """A release of the comparison and its image."""

    label: str
    reference: str
    published: str
    archive: str
    size: int
    unpacked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedLayer(LayerDifference):
    """A layer of either image; of its ``stored`` bytes ``shared`` are in the other image too."""

    shared: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What the newer image costs somebody who holds the older one, in bytes; ``delta`` is null where none was published.

    ``registry`` are the layers that a registry would send, before it compresses them anew.
    """

    delta: int | None
    blocks: int
    new_blocks: int
    common: int
    registry: int


@dataclass(frozen=True, slots=True)
class DiffPage:
    """Two releases compared for one platform.

    ``layers``, ``config`` and ``cost`` are null where the first blocks of either image are not here, ``files`` and ``packages``
    where their files are not; ``why`` says which, and ``fetches`` whether this server fetches
    what is missing for who asks with ``fetch=yes``. ``packages``, ``layers``, ``config`` and
    ``files`` are one list after the other, as far as a page has room; ``next`` is where to go on ``after``. Of the changed files
    there are ``total``, by package first; ``owners`` are the packages of those that are shown, ``versions`` counts all packages.
    """

    old: Side
    new: Side
    platform: str
    platforms: tuple[str, ...]
    same: bool
    layers: tuple[ComparedLayer, ...] | None
    config: tuple[SettingDifference, ...] | None
    cost: Cost | None
    packages: tuple[PackageDifference, ...] | None
    files: tuple[FileDifference, ...] | None
    owners: tuple[PackageDifference, ...]
    versions: int
    added: int
    removed: int
    changed: int
    total: int
    next: str
    why: str
    fetches: bool


def diff(visit: Visit, old_label: str, old: str, new_label: str, new: str) -> DiffPage:
    """Make the page that compares two releases."""
    old_row, old_release = find_release(visit, old_label, old)
    new_row, new_release = find_release(visit, new_label, new)
    platform = choose_platform(visit, new_release)
    common = sorted(old_release.images.keys() & new_release.images.keys())
    if platform not in common:
        platform = common[0] if common and "platform" not in visit.query else None
    if platform is None:
        raise ReleaseNotFoundError(f"{old_release.reference} and {new_release.reference} have no platform in common")
    before, after = old_release.images[platform], new_release.images[platform]
    sides = ((old_row, old_release), (new_row, new_release))
    failed = [fetch_if_asked(visit, row, release, platform) for row, release in sides]
    views = _open(visit, before, after)
    found, why = _compare_files(visit, before.archive, after.archive)
    if found is None and any(failed):
        why = "what is missing could not be fetched from the sources of its catalogue"
    ordered = _order(found)
    packages = describe_packages(found) if found is not None else ()
    parts = (
        Part("packages", packages, _package_size),
        Part("layers", _layers(visit, *views) if views else (), _layer_size),
        Part("config", _settings(*views) if views else (), _setting_size),
        Part("files", ordered, _row_size),
    )
    shown, following = fill(visit, parts, "files", ROOM)
    files = shown["files"]
    owners = sorted({file.package for file in files if file.package is not None})
    return DiffPage(
        old=Side(old_row.label, old_release.reference, old_release.published, str(before.archive), before.size, before.unpacked),
        new=Side(new_row.label, new_release.reference, new_release.published, str(after.archive), after.size, after.unpacked),
        platform=str(platform),
        platforms=tuple(map(str, common)),
        same=before.config == after.config,
        layers=shown["layers"] if views else None,
        config=shown["config"] if views else None,
        cost=_cost(visit, *views, before, after) if views else None,
        packages=shown["packages"] if found is not None else None,
        files=describe_files(FilesDifference(found.packages, files)) if found is not None else None,
        owners=tuple(packages[place] for place in owners),
        versions=len(packages),
        added=sum(1 for file in ordered if file.change == "added"),
        removed=sum(1 for file in ordered if file.change == "removed"),
        changed=sum(1 for file in ordered if file.change == "changed"),
        total=len(ordered),
        next=following,
        why=why,
        fetches=found is None and any(can_fetch(visit, row) for row, _ in sides),
    )


def _package_size(row: PackageDifference) -> int:
    return 180 + size_of(row.name, row.system, row.old, row.new)


def _layer_size(_: ComparedLayer) -> int:
    return 1000  # with its part of the picture


def _setting_size(row: SettingDifference) -> int:
    return 120 + size_of(row.key, (row.old or "")[:300], (row.new or "")[:300])


def _open(visit: Visit, before: Image, after: Image) -> tuple[ArchiveView, ArchiveView] | None:
    try:
        return read_archive(before.archive, visit.blocks), read_archive(after.archive, visit.blocks)
    except (BlockNotFoundError, VerificationError):
        return None


def _compare_files(visit: Visit, before: Cid, after: Cid) -> tuple[FilesDifference | None, str]:
    def look() -> tuple[FilesDifference | None, str]:
        try:
            return compare_files(open_archive(visit, before), open_archive(visit, after), visit.stopped), ""
        except (LockedError, PathNotFoundError):  # not for long: the next one who asks shall have it
            raise
        except (StorageError, CorruptHomeError):  # their messages hold paths of this machine
            return None, "the files cannot be read here"
        except DcatError as error:
            return None, error.message

    try:
        return visit.remember(
            ("diff", before, after), look, lambda made: _CHANGE_SIZE * (1 + len(made[0].files if made[0] else ()))
        )
    except PathNotFoundError:
        return None, "not all files of both images are here"


def _row_size(change: FileChange) -> int:
    return 300 + path_size(change.path)


def _order(found: FilesDifference | None) -> tuple[FileChange, ...]:
    if found is None:
        return ()
    last = len(found.packages)
    return tuple(sorted(found.files, key=lambda file: (last if file.package is None else file.package, file.path)))


def _layers(visit: Visit, before: ArchiveView, after: ArchiveView) -> tuple[ComparedLayer, ...]:
    old, new = leaves_of(visit, before.cid), leaves_of(visit, after.cid)
    found = []
    for change in compare_layers(before, after):
        layer, other = change.layer, new if change.kind == "removed" else old
        shared = sum(size for cid, size in leaves(visit, layer) if cid in other)
        found.append(extend(ComparedLayer, describe_layer(change), shared=shared))
    return tuple(found)


def _settings(before: ArchiveView, after: ArchiveView) -> tuple[SettingDifference, ...]:
    secret: set[str] = set()
    for view in (before, after):
        config = parse_config(view.config)
        names = find_secrets(config.env, config.labels)
        secret |= {f"Env {name}" for name in names} | {f"Labels {name}" for name in names}
    return tuple(
        SettingDifference(
            key=change.key, old=_mask(change.before, change.key in secret), new=_mask(change.after, change.key in secret)
        )
        for change in compare_configs(before.config, after.config)
    )


def _mask(value: str | None, secret: bool) -> str | None:
    return "••••••" if secret and value is not None else value


def _cost(visit: Visit, before: ArchiveView, after: ArchiveView, old: Image, new: Image) -> Cost | None:
    try:
        blocks = visit.remember(("blocks", before.cid, after.cid), lambda: compare_blocks(before.cid, after.cid, visit.blocks))
    except BlockNotFoundError:
        return None
    known = {layer.diff_id for layer in before.layers}
    registry = sum(layer.stored_size for layer in after.layers if layer.diff_id not in known)
    delta = next((link.size for base, link in new.deltas.items() if base.digest == old.archive.digest), None)
    return Cost(delta, blocks.new_size, blocks.new_blocks, blocks.common_size, registry)
