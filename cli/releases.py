"""How releases and images are shown: the JSON of documents and the cells of tables, the same in every command."""

from typing import Any

from catalog.documents.encoding import to_json
from catalog.documents.releases import describe_release
from catalog.model.platform import Platform
from catalog.model.release import Image, Release
from cli.quantities import format_count, format_size


def release_body(release: Release, *, reference: str, catalogue: str, alias: str) -> dict[str, Any]:
    """Return the JSON of a release; ``reference`` is how it is reached from here, ``alias`` is empty for the own catalogue."""
    found: dict[str, Any] = to_json(describe_release(release, reference=reference, catalogue=catalogue, alias=alias))
    return found


def state_of(release: Release) -> str:
    """Return ``removed`` or ``yanked: REASON`` where a release is; else an empty text."""
    if release.removed:
        return "removed"
    return f"yanked: {release.yanked}" if release.yanked is not None else ""


def sizes_of(release: Release) -> str:
    """Return the stored size of a release's images: of one, or from the smallest to the largest."""
    sizes = sorted(image.size for image in release.images.values())
    if not sizes:
        return ""
    return format_size(sizes[0]) if sizes[0] == sizes[-1] else f"{format_size(sizes[0])} - {format_size(sizes[-1])}"


def platforms_of(release: Release) -> str:
    """Return the platforms of a release, divided by commas."""
    return ",".join(str(platform) for platform in sorted(release.images))


def image_fields(platform: Platform, image: Image) -> list[tuple[str, str]]:
    """Return the fields that describe an image."""
    return [
        ("platform", str(platform)),
        ("cid", str(image.archive)),
        ("config", str(image.config)),
        ("manifest", str(image.manifest)),
        (
            "size",
            f"{format_size(image.size)} stored, {format_size(image.unpacked)} unpacked, {format_count(image.layers, 'layer')}",
        ),
        ("created", image.created or ""),
        *(("registry", reference) for reference in image.registry),
    ]
