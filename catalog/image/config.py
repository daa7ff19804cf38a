"""An image config: read strictly, kept as its exact bytes, because those bytes are the image's identity.

Source: OCI image-spec, config.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from catalog.digest import ConfigDigest, DiffID
from catalog.platform import Platform


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What dcat reads of an image config. ``created`` is UTC, cut to the second, None where absent or unreadable.

    ``env`` holds ``NAME=value`` texts; it and ``labels`` are for people and for the warning about secrets.
    """

    digest: ConfigDigest
    platform: Platform
    diff_ids: tuple[DiffID, ...]
    created: str | None
    labels: Mapping[str, str]
    env: tuple[str, ...]


def parse_config(data: bytes) -> ImageConfig:
    """Read the config's exact bytes; raise `ArchiveError` where they are not strict JSON or not an image config."""
    raise NotImplementedError
