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
from catalog.model.platform import Platform, make_platform

_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d{1,30})?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII
)
_OTHER_SHAPES = ("manifests", "layers", "fsLayers")


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The fields of an image config that dcat reads. ``created`` is UTC, cut to the second, None if absent or unreadable.

    ``env`` holds ``NAME=value`` texts; it and ``labels`` are for people and for the warning about secrets.
    """

    digest: ConfigDigest
    platform: Platform
    diff_ids: tuple[DiffID, ...]
    created: str | None
    labels: Mapping[str, str]
    env: tuple[str, ...]


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
        platform=_read_platform(document, what),
        diff_ids=_read_diff_ids(get_object(document, "rootfs", what), what),
        created=_read_created(get_field(document, "created", what)),
        labels=get_text_map(runtime, "Labels", what),
        env=tuple(get_texts(runtime, "Env", what)),
    )


def _read_platform(document: JsonObject, what: str) -> Platform:
    try:
        return make_platform(
            get_text(document, "os", what), get_text(document, "architecture", what), get_text(document, "variant", what)
        )
    except InvalidPlatformError as error:
        raise ArchiveError(f"{what} is for a platform that dcat cannot name", why=error.message, hint=error.why) from error


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
