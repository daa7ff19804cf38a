"""A release and its images: shared by the rows of the index, the lines of a snapshot and the results of operations.

Times are text as in snapshots: UTC, whole seconds, ``2026-11-24T06:33:30Z``. Sizes are bytes.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from catalog.ipld.cid import Cid
from catalog.limits import MAX_REGISTRY_REFERENCES
from catalog.model.digest import ConfigDigest, ManifestDigest
from catalog.model.platform import Platform
from catalog.record import field, record

IMAGE_FORMAT = "dcat-image/1"
_REGISTRY_REFERENCE = r"[\x21-\x7e]{1,512}@sha256:[0-9a-f]{64}"
_TIME_LENGTH = len("2026-11-24T06:33:30Z")


def is_registry_reference(text: str) -> bool:
    """Return whether a text has the form of the manifest references that a release may state (`Image.registry`)."""
    return re.fullmatch(_REGISTRY_REFERENCE, text) is not None


@record(frozen=True, slots=True)
class DeltaLink:
    """A published delta file: its CID and its size; ``extra`` holds keys of newer formats."""

    cid: Cid
    size: int
    extra: Mapping[str, object] = field(default_factory=dict)


@record(frozen=True, slots=True)
class Image:
    """The image of a release for one platform.

    ``size`` is the archive as stored, ``unpacked`` the uncompressed archive, ``layers`` their number with repetitions,
    ``registry`` sorted manifest references of the registries it was seen in, ``deltas`` by base archive; ``extra`` holds keys of
    newer formats.
    """

    archive: Cid
    config: ConfigDigest
    manifest: ManifestDigest
    layers: int
    size: int
    unpacked: int
    created: str | None = None
    registry: tuple[str, ...] = ()
    deltas: Mapping[Cid, DeltaLink] = field(default_factory=dict)
    format: str = IMAGE_FORMAT
    extra: Mapping[str, object] = field(default_factory=dict)


@record(frozen=True, slots=True)
class Release:
    """One ``name@version`` of one catalogue. ``removed`` is a time, ``yanked`` a reason; ``extra`` holds keys of newer formats."""

    name: str
    version: str
    published: str
    images: Mapping[Platform, Image] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    removed: str | None = None
    yanked: str | None = None
    extra: Mapping[str, object] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.version}"


def fit_registry(images: Mapping[Platform, Image]) -> dict[Platform, Image]:
    """Return the images with as many references to registries as a line has room for beside what comes to it later.

    The last one of the longest list goes first, so that the same references are kept whenever the same image is published.
    """
    from dataclasses import replace  # see catalog.record

    kept = {platform: list(image.registry) for platform, image in images.items()}
    while sum(len(reference) for references in kept.values() for reference in references) > MAX_REGISTRY_REFERENCES:
        max(kept.values(), key=len).pop()
    return {platform: replace(image, registry=tuple(kept[platform])) for platform, image in images.items()}


def format_time(moment: datetime) -> str:
    """Write a moment as snapshots do."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def parse_time(text: str) -> datetime:
    """Read a moment as snapshots write it; raise `ValueError` otherwise."""
    if len(text) == _TIME_LENGTH and text.endswith("Z"):
        moment = datetime.fromisoformat(text)  # strptime imports the locale first, which takes longer than `resolve` has
        if format_time(moment) == text:  # the other forms of ISO 8601 are read as well
            return moment
    raise ValueError(f'"{text[:40]}" is not a UTC time in whole seconds')
