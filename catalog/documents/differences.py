"""What two images differ in."""

from dataclasses import dataclass
from typing import Literal

from catalog.image import difference
from catalog.rootfs.difference import Change, FilesDifference


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerDifference:
    """A layer of either image: ``size`` bytes unpacked, ``stored`` as it is stored."""

    kind: Literal["same", "added", "removed"]
    diff_id: str
    size: int
    stored: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingDifference:
    """A setting of the configuration that differs, null on the side that does not have it."""

    key: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlocksDifference:
    """Blocks and stored bytes that both images have, and that only the newer one has."""

    common: int
    common_size: int
    new: int
    new_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageDifference:
    """A package whose version changed; a version is null on the side that does not have it."""

    change: Change
    system: str
    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDifference:
    """A file, link or directory that differs; sizes are null on the side that does not have it.

    ``what`` names what changed of one that both have; ``package`` is the package of a changed version that it belongs to.
    """

    change: Change
    path: str
    kind: str
    old_size: int | None
    new_size: int | None
    what: tuple[str, ...]
    package: str | None


def describe_layer(change: difference.LayerChange) -> LayerDifference:
    """Return the document of a layer."""
    layer = change.layer
    return LayerDifference(kind=change.kind, diff_id=str(layer.diff_id), size=layer.size, stored=layer.stored_size)


def describe_setting(change: difference.ConfigChange) -> SettingDifference:
    """Return the document of a setting."""
    return SettingDifference(key=change.key, old=change.before, new=change.after)


def describe_blocks(found: difference.BlockChange) -> BlocksDifference:
    """Return the document of the blocks."""
    return BlocksDifference(
        common=found.common_blocks, common_size=found.common_size, new=found.new_blocks, new_size=found.new_size
    )


def describe_packages(found: FilesDifference) -> tuple[PackageDifference, ...]:
    """Return the documents of the packages."""
    return tuple(
        PackageDifference(
            change=package.change,
            system=package.system,
            name=package.name,
            old=package.old_version,
            new=package.new_version,
        )
        for package in found.packages
    )


def describe_files(found: FilesDifference) -> tuple[FileDifference, ...]:
    """Return the documents of the files."""
    return tuple(
        FileDifference(
            change=file.change,
            path=f"/{file.path}",
            kind=file.kind,
            old_size=file.old_size,
            new_size=file.new_size,
            what=file.what,
            package=None if file.package is None else found.packages[file.package].name,
        )
        for file in found.files
    )
