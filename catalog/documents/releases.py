"""A release, its images and their layers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.model import release as model

if TYPE_CHECKING:
    from catalog.image.reader import ArchivedLayer


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A published delta: its CID and the size of the file."""

    cid: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer of an archive: ``size`` bytes unpacked, ``stored`` as it is stored."""

    diff_id: str
    cid: str
    size: int
    stored: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image of a release; ``deltas`` by the CID of the archive that each starts from."""

    archive: str
    config: str
    manifest: str
    created: str | None
    layers: int
    size: int
    unpacked: int
    format: str
    registry: tuple[str, ...]
    deltas: Mapping[str, Delta]


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release; ``reference`` is how it is reached from this home, ``alias`` null for the own catalogue.

    ``images`` by platform. ``yanked`` is a reason, ``removed`` a time, null where it is neither.
    """

    reference: str
    name: str
    version: str
    catalogue: str
    alias: str | None
    published: str
    yanked: str | None
    removed: str | None
    annotations: Mapping[str, str]
    images: Mapping[str, Image]


def describe_release(release: model.Release, *, reference: str, catalogue: str, alias: str | None) -> Release:
    """Return the document of a release."""
    return Release(
        reference=reference,
        name=release.name,
        version=release.version,
        catalogue=catalogue,
        alias=alias or None,
        published=release.published,
        yanked=release.yanked,
        removed=release.removed,
        annotations=dict(release.annotations),
        images={str(platform): describe_image(image) for platform, image in sorted(release.images.items())},
    )


def describe_image(image: model.Image) -> Image:
    """Return the document of an image."""
    return Image(
        archive=str(image.archive),
        config=str(image.config),
        manifest=str(image.manifest),
        created=image.created,
        layers=image.layers,
        size=image.size,
        unpacked=image.unpacked,
        format=image.format,
        registry=tuple(image.registry),
        deltas={str(base): Delta(cid=str(delta.cid), size=delta.size) for base, delta in image.deltas.items()},
    )


def describe_layer(layer: "ArchivedLayer") -> Layer:
    """Return the document of a layer."""
    return Layer(diff_id=str(layer.diff_id), cid=str(layer.cid), size=layer.size, stored=layer.stored_size)
