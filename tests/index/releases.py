"""Releases for tests: small, different, and quick to make."""

import hashlib

from catalog.ipld.cid import DAG_PB, cid_from_digest
from catalog.model.digest import ConfigDigest, ManifestDigest
from catalog.model.platform import Platform, parse_platform
from catalog.model.release import Image, Release

AMD64 = parse_platform("linux/amd64")
ARM64 = parse_platform("linux/arm64")
AT = "2026-11-24T06:33:30Z"


def make_image(content: object, archive: object = "archive") -> Image:
    """Make an image whose config is a function of ``content``."""

    def digest(*parts: object) -> bytes:
        return hashlib.sha256(repr(parts).encode()).digest()

    return Image(
        cid_from_digest(digest(content, archive), DAG_PB),
        ConfigDigest(digest(content, "config")),
        ManifestDigest(digest(content, "manifest")),
        layers=3,
        size=1000,
        unpacked=3000,
    )


def make_release(
    name: str,
    version: str,
    content: object = None,
    *,
    platforms: tuple[Platform, ...] = (AMD64,),
    annotations: dict[str, str] | None = None,
    yanked: str | None = None,
    removed: str | None = None,
    published: str = AT,
) -> Release:
    """Make a release; its content is a function of ``content``, else of its name and version."""
    seed = (name, version) if content is None else content
    images = {} if removed else {platform: make_image((seed, str(platform))) for platform in platforms}
    return Release(name, version, published, images, annotations or {}, removed, yanked)
