"""A line of ``releases.ndjson``: one release as RFC 8785 JSON.

::

    {"annotations":{…},"images":{"linux/amd64":{"archive":"bafy…","config":"sha256:…","created":"…"|null,
     "deltas":{"<base archive CID>":{"cid":"bafy…","size":n},…},"format":"dcat-image/1","layers":7,"manifest":"sha256:…",
     "registry":["docker.io/library/nginx@sha256:…"],"size":n,"unpacked":n}},
     "name":"nginx","published":"…","removed":null|"…","version":"1.25","yanked":null|"reason"}

Every key is there. Unknown keys are kept in ``extra`` and written again, so that a newer dcat's releases survive an older one.
CIDs are CIDv1 in base32, platforms normalised, times UTC to the second; ``registry`` is sorted; a removed release has no images.
A line has at most 8 KiB with its LF. Any other line is refused with its name, because two readers must not see two releases in it.
"""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from itertools import pairwise

from catalog.errors import CidError, DcatError, InvalidInputError, InvalidPlatformError, SnapshotError
from catalog.ipld.cid import Cid, parse_cid
from catalog.limits import (
    MAX_ANNOTATION_KEY_LENGTH,
    MAX_ANNOTATION_LENGTH,
    MAX_DELTAS,
    MAX_LINE_SIZE,
    MAX_PLATFORMS,
)
from catalog.model.digest import ConfigDigest, ManifestDigest
from catalog.model.platform import Platform, parse_platform
from catalog.model.reference import check_name, check_version
from catalog.model.release import DeltaLink, Image, Release, is_registry_reference
from catalog.snapshot.json import MAX_INTEGER, check_extra, decode_json, encode_json

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    _T = TypeVar("_T")

Key = tuple[str, str]
"""The sort key of lines: name and version; both are ASCII, so text and bytes sort alike."""

_RELEASE_KEYS = frozenset({"annotations", "images", "name", "published", "removed", "version", "yanked"})
_IMAGE_KEYS = frozenset({"archive", "config", "created", "deltas", "format", "layers", "manifest", "registry", "size", "unpacked"})
_DELTA_KEYS = frozenset({"cid", "size"})
_ANNOTATION_KEY = rf"[a-z0-9._/-]{{1,{MAX_ANNOTATION_KEY_LENGTH}}}"
_TIME = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ", re.ASCII)


def encode_line(release: Release) -> bytes:
    """Return the release's line with its LF; raise `InvalidInputError` if it is longer than a line may be, or not Unicode."""
    fields: dict[str, object] = {
        "annotations": release.annotations,
        "images": {str(platform): _image_fields(image) for platform, image in release.images.items()},
        "name": release.name,
        "published": release.published,
        "removed": release.removed,
        "version": release.version,
        "yanked": release.yanked,
    }
    try:
        line = encode_json(fields | dict(release.extra)) + b"\n"
    except UnicodeEncodeError as error:
        raise InvalidInputError(f"{release.reference} has text that is not Unicode", why=str(error)[:200]) from error
    if len(line) > MAX_LINE_SIZE:
        raise InvalidInputError(
            f"{release.reference} makes a line of {len(line)} bytes",
            why=f"a release has at most {MAX_LINE_SIZE} in its catalogue",
            hint="shorten its annotations",
        )
    return line


def decode_line(line: bytes) -> Release:
    """Read a line without its LF; raise `SnapshotError`, which names the release and the violation."""
    if len(line) >= MAX_LINE_SIZE:
        raise SnapshotError(f"a line of {len(line) + 1} bytes", why=f"at most {MAX_LINE_SIZE} are read")
    try:
        return _decode_release(decode_json(line))
    except SnapshotError as error:
        raise SnapshotError(f"{error.message}, in the line {_excerpt(line)}", why=error.why) from error


def line_key(line: bytes) -> Key:
    """Return a line's key; the line must be canonical JSON, its other fields are not read."""
    fields = decode_json(line)
    name, version = fields.get("name"), fields.get("version")
    if not isinstance(name, str) or not isinstance(version, str):
        raise SnapshotError(f"a line without a name and a version: {_excerpt(line)}")
    return name, version


def check_time(value: object, what: str) -> str:
    """Return ``value`` if it is a time as snapshots write it; ``what`` names it in the error."""
    if isinstance(value, str) and _TIME.fullmatch(value):
        if value[8:10] <= "28":
            return value
        try:
            date.fromisoformat(value[:10])
        except ValueError:
            pass
        else:
            return value
    raise SnapshotError(f'"{what}" is not a UTC time in whole seconds')


def _image_fields(image: Image) -> dict[str, object]:
    fields: dict[str, object] = {
        "archive": str(image.archive),
        "config": str(image.config),
        "created": image.created,
        "deltas": {
            str(base): {"cid": str(delta.cid), "size": delta.size} | dict(delta.extra) for base, delta in image.deltas.items()
        },
        "format": image.format,
        "layers": image.layers,
        "manifest": str(image.manifest),
        "registry": list(image.registry),
        "size": image.size,
        "unpacked": image.unpacked,
    }
    return fields | dict(image.extra)


def _decode_release(fields: dict[str, Any]) -> Release:
    extra = _extra(fields, _RELEASE_KEYS, "a release")
    name = _checked(check_name, fields["name"], "name")
    version = _checked(check_version, fields["version"], "version")
    removed = fields["removed"]
    images = {_platform(text): _decode_image(image) for text, image in _map(fields["images"], "images").items()}
    if len(images) > MAX_PLATFORMS:
        raise SnapshotError(f"{len(images)} platforms", why=f"a release has at most {MAX_PLATFORMS}")
    if removed is not None and images:
        raise SnapshotError("a removed release with images")
    annotations = _map(fields["annotations"], "annotations")
    if annotations:
        _check_annotations(annotations)
    return Release(
        name,
        version,
        check_time(fields["published"], "published"),
        images,
        annotations,
        None if removed is None else check_time(removed, "removed"),
        None if fields["yanked"] is None else _text(fields["yanked"], "yanked"),
        extra,
    )


def _decode_image(fields: Any) -> Image:
    extra = _extra(fields, _IMAGE_KEYS, "an image")
    created, registry, deltas = fields["created"], fields["registry"], _map(fields["deltas"], "deltas")
    if registry != []:
        _check_registry(registry)
    return Image(
        _cid(fields["archive"], "archive"),
        _checked(ConfigDigest.parse, fields["config"], "config"),
        _checked(ManifestDigest.parse, fields["manifest"], "manifest"),
        _integer(fields["layers"], "layers"),
        _integer(fields["size"], "size"),
        _integer(fields["unpacked"], "unpacked"),
        None if created is None else check_time(created, "created"),
        tuple(registry),
        _decode_deltas(deltas) if deltas else {},
        _text(fields["format"], "format"),
        extra,
    )


def _decode_deltas(fields: dict[str, Any]) -> dict[Cid, DeltaLink]:
    if len(fields) > MAX_DELTAS:
        raise SnapshotError(f"{len(fields)} deltas", why=f"an image has at most {MAX_DELTAS}")
    deltas = {}
    for base, delta in fields.items():
        extra = _extra(delta, _DELTA_KEYS, "a delta")
        deltas[_cid(base, "base archive")] = DeltaLink(_cid(delta["cid"], "cid"), _integer(delta["size"], "size"), extra)
    return deltas


def _extra(fields: Any, known: frozenset[str], what: str) -> dict[str, object]:
    """Check that every known key is there; return the unknown ones."""
    if not isinstance(fields, dict):
        raise SnapshotError(f"{what} is not a JSON object")
    if fields.keys() == known:
        return {}
    missing = known - fields.keys()
    if missing:
        raise SnapshotError(f'{what} without "{min(missing)}"')
    extra = {key: value for key, value in fields.items() if key not in known}
    check_extra(extra)
    return extra


def _map(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SnapshotError(f'"{what}" is not a JSON object')
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or len(value) > MAX_ANNOTATION_LENGTH:
        raise SnapshotError(f'"{what}" is not text of at most {MAX_ANNOTATION_LENGTH} characters')
    return value


def _integer(value: Any, what: str) -> int:
    if type(value) is not int or not 0 <= value <= MAX_INTEGER:
        raise SnapshotError(f'"{what}" is not an integer from 0 to below 2⁵³')
    return value


def _checked(check: Callable[[str], _T], value: Any, what: str) -> _T:
    if not isinstance(value, str):
        raise SnapshotError(f'"{what}" is not text')
    try:
        return check(value)
    except DcatError as error:
        raise SnapshotError(f'"{what}": {error.message}', why=error.why) from error


def _cid(value: Any, what: str) -> Cid:
    if not isinstance(value, str) or value[:1] != "b":
        raise SnapshotError(f'"{what}" is not a CIDv1 in base32')
    try:
        return parse_cid(value)
    except CidError as error:
        raise SnapshotError(f'"{what}": {error.message}', why=error.why) from error


@lru_cache(maxsize=256)
def _platform(text: str) -> Platform:
    try:
        platform = parse_platform(text)
    except InvalidPlatformError as error:
        raise SnapshotError(error.message, why=error.why) from error
    if str(platform) != text:
        raise SnapshotError(f'the platform "{text[:100]}" is written {platform}')
    return platform


def _check_annotations(annotations: dict[str, Any]) -> None:
    for key, value in annotations.items():
        if not re.fullmatch(_ANNOTATION_KEY, key):
            raise SnapshotError(f'"{key[:100]}" is not a key of an annotation')
        _text(value, key)


def _check_registry(registry: Any) -> None:
    if not isinstance(registry, list) or not all(isinstance(entry, str) and is_registry_reference(entry) for entry in registry):
        raise SnapshotError('"registry" is not a list of manifest references')
    if any(first >= second for first, second in pairwise(registry)):
        raise SnapshotError('"registry" is not sorted, or repeats an entry')


def _excerpt(line: bytes) -> str:
    """Return an excerpt that identifies a line: mostly its name and version, which are near its end."""
    text = line.decode("utf-8", "replace")
    place = text.rfind('"name":')
    return text[place : place + 160] if place >= 0 else text[:160]
