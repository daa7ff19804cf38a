"""Image configs: parsed strictly, kept as exact bytes, because those bytes are the image's identity.

Source: OCI image-spec, config.md; docker's image/spec v1.2, whose extra fields are kept and ignored.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from catalog.errors import ArchiveError, InvalidDigestError, InvalidPlatformError
from catalog.image.document import JsonObject, decode_object, get_field, get_object, get_text, get_text_map, get_texts
from catalog.model.digest import ConfigDigest, DiffID
from catalog.model.platform import Platform, read_platform

_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d{1,30})?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII
)
_OTHER_SHAPES = ("manifests", "layers", "fsLayers")


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The fields of an image config that dcat reads. ``created`` is UTC, cut to the second, None if absent or unreadable.

    ``os``, ``architecture`` and ``variant`` are as written; kaniko, pack and Bazel's rules leave them out or use other names.
    ``env`` holds ``NAME=value`` texts; it and ``labels`` are for people and for the warning about secrets.
    """

    digest: ConfigDigest
    os: str
    architecture: str
    variant: str
    diff_ids: tuple[DiffID, ...]
    created: str | None
    labels: Mapping[str, str]
    env: tuple[str, ...]

    @property
    def platform(self) -> Platform | None:
        """The platform that the config states; None if its operating system or architecture is missing."""
        return read_platform(self.os, self.architecture, self.variant) if self.os and self.architecture else None

    def complete_platform(self, assumed: Platform) -> Platform:
        """Return the stated platform; fields that the config does not state are those of ``assumed``."""
        if self.architecture:
            return read_platform(self.os or assumed.os, self.architecture, self.variant)
        return read_platform(self.os or assumed.os, assumed.architecture, assumed.variant)

    def fits(self, platform: Platform) -> bool:
        """Return whether the config can be that of an image for ``platform``: none of its fields contradicts it."""
        return self.complete_platform(platform) == read_platform(platform.os, platform.architecture, platform.variant)


def parse_config(data: bytes) -> ImageConfig:
    """Read the config's exact bytes; raise `ArchiveError` if they are not strict JSON or not an image config."""
    what = "the image config"
    document = decode_object(data, what)
    for shape in _OTHER_SHAPES:
        if get_field(document, shape, what) is not None:
            raise ArchiveError(f'{what} has the key "{shape}"', why="it could be read as a manifest as well")
    runtime = get_object(document, "config", what)
    return ImageConfig(
        digest=ConfigDigest.of(data),
        **_read_platform(document, what),
        diff_ids=_read_diff_ids(get_object(document, "rootfs", what), what),
        created=_read_created(get_field(document, "created", what)),
        labels=get_text_map(runtime, "Labels", what),
        env=tuple(get_texts(runtime, "Env", what)),
    )


def _read_platform(document: JsonObject, what: str) -> dict[str, str]:
    fields = {key: get_text(document, key, what) for key in ("os", "architecture", "variant")}
    try:
        read_platform(fields["os"] or "linux", fields["architecture"] or "amd64", fields["variant"])
    except InvalidPlatformError as error:
        raise ArchiveError(f"{what} is for a platform that dcat cannot name", why=error.message, hint=error.why) from error
    return fields


def _read_diff_ids(rootfs: JsonObject, what: str) -> tuple[DiffID, ...]:
    if get_text(rootfs, "type", what) not in ("layers", ""):
        raise ArchiveError(f'"rootfs" of {what} is not made of layers')
    try:
        return tuple(DiffID.parse(text) for text in get_texts(rootfs, "diff_ids", what))
    except InvalidDigestError as error:
        raise ArchiveError(f'"diff_ids" of {what} holds something that is not a digest', why=error.message) from error


def _read_created(value: object) -> str | None:
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    offset = timedelta(hours=int(match[8] or 0), minutes=int(match[9] or 0))
    zone = timezone(-offset if match[7] == "-" else offset)
    try:
        moment = datetime(*(int(part) for part in match.groups()[:6]), tzinfo=zone).astimezone(UTC)  # type: ignore[arg-type, misc]
    except (ValueError, OverflowError):  # no such day, a leap second, before the year 1
        return None
    return moment.replace(tzinfo=None).isoformat() + "Z"
