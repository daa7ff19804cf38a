"""``dcat.lock``: the releases that a deployment uses, each with the digests of its images, for version control.

JSON with sorted keys, two blanks of indent and a last newline: the same releases give the same bytes, and a changed one changes
only its own lines. A catalogue is named by its key, never by an alias, so that the file means the same in every home.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from catalog.errors import InvalidInputError
from catalog.ipld.cid import parse_cid
from catalog.limits import MAX_LOCKED_RELEASES
from catalog.model.digest import ConfigDigest, ManifestDigest
from catalog.model.platform import Platform, parse_platform
from catalog.model.reference import check_publishable
from catalog.model.release import Image, parse_time

LOCK_FORMAT = "dcat-lock/1"


@dataclass(frozen=True, slots=True)
class LockedImage:
    """The digests of an image, as text; ``registry`` holds the registry references that it was seen under."""

    archive: str
    config: str
    manifest: str
    registry: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LockedRelease:
    """A release of the catalogue with the IPNS name ``catalogue``. ``latest``: an update may take a newer version."""

    catalogue: str
    name: str
    version: str
    latest: bool
    first_seen: str | None
    images: Mapping[Platform, LockedImage]

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.version}"


def lock_image(image: Image) -> LockedImage:
    """Return the digests of an image."""
    return LockedImage(str(image.archive), str(image.config), str(image.manifest), tuple(image.registry))


def format_lock(releases: Iterable[LockedRelease]) -> str:
    """Return the text of the file, with the releases sorted."""
    body = [
        {
            "catalogue": entry.catalogue,
            "first_seen": entry.first_seen,
            "images": {
                str(platform): {
                    "archive": image.archive,
                    "config": image.config,
                    "manifest": image.manifest,
                    "registry": list(image.registry),
                }
                for platform, image in entry.images.items()
            },
            "latest": entry.latest,
            "name": entry.name,
            "version": entry.version,
        }
        for entry in sorted(releases, key=lambda entry: (entry.name, entry.version, entry.catalogue))
    ]
    return json.dumps({"format": LOCK_FORMAT, "releases": body}, indent=2, sort_keys=True) + "\n"


def parse_lock(text: str) -> list[LockedRelease]:
    """Return the releases of a file; raise `InvalidInputError` for any other text."""
    try:
        document = json.loads(text)
        if not isinstance(document, dict) or document.get("format") != LOCK_FORMAT or not isinstance(document["releases"], list):
            raise InvalidInputError(f"this is not a lock of the format {LOCK_FORMAT}")
        if len(document["releases"]) > MAX_LOCKED_RELEASES:
            raise InvalidInputError(f"the lock has more than {MAX_LOCKED_RELEASES} releases")
        return [_read_release(entry) for entry in document["releases"]]
    except InvalidInputError:
        raise
    except Exception as error:  # whatever the parser, a missing key or a digest raises
        raise InvalidInputError("the lock is damaged", why=f"{type(error).__name__}: {error}"[:200]) from error


def _read_release(entry: dict[str, Any]) -> LockedRelease:
    check_publishable(entry["name"], entry["version"])
    images = {}
    for platform, image in entry["images"].items():
        locked = LockedImage(image["archive"], image["config"], image["manifest"], tuple(map(str, image["registry"])))
        parse_cid(locked.archive)
        ConfigDigest.parse(locked.config)
        ManifestDigest.parse(locked.manifest)
        images[parse_platform(platform)] = locked
    catalogue, latest, first_seen = entry["catalogue"], entry["latest"], entry["first_seen"]
    if not isinstance(catalogue, str) or not isinstance(latest, bool) or not isinstance(first_seen, str | None) or not images:
        raise InvalidInputError("the lock is damaged", why=f"the entry of {entry['name']}@{entry['version']} is not complete")
    if first_seen is not None:
        parse_time(first_seen)
    return LockedRelease(catalogue, entry["name"], entry["version"], latest, first_seen, images)
