"""Releases as catalogues list them: small, different, and quick to make. Their archives are single raw blocks."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from catalog.home.home import Home
from catalog.index.history import Change
from catalog.ipld.block import Block
from catalog.ipld.cid import RAW, cid_of
from catalog.model.digest import ConfigDigest, ManifestDigest
from catalog.model.platform import Platform
from catalog.model.release import Image, Release
from tests.factory.platforms import AMD64
from tests.factory.times import AT


def archive_block(content: object, archive: object = "archive") -> Block:
    """Return the block that stands for an image's archive."""
    data = repr((content, archive)).encode()
    return Block(cid_of(data, RAW), data)


def listed_image(content: object, archive: object = "archive", **fields: object) -> Image:
    """Return an image whose config is ``content``, and whose archive is one of both; ``fields`` replace others."""
    seed = content.encode() if isinstance(content, str) else repr(content).encode()
    block = archive_block(content, archive)
    image = Image(block.cid, ConfigDigest.of(seed), ManifestDigest.of(seed + b" manifest"), 3, len(block.data), 3000)
    return replace(image, **fields)  # type: ignore[arg-type]


def make_release(
    name: str = "web",
    version: str = "1.0",
    content: object = None,
    *,
    platforms: Iterable[Platform] = (AMD64,),
    images: Mapping[Platform, Image] | None = None,
    annotations: Mapping[str, str] | None = None,
    yanked: str | None = None,
    removed: str | None = None,
    published: str = AT,
) -> Release:
    """Return a release; its images are ``images``, else functions of ``content``, else of its name and version."""
    seed = (name, version) if content is None else content
    if images is None:
        images = {} if removed else {platform: listed_image((seed, str(platform))) for platform in platforms}
    return Release(name, version, published, dict(images), dict(annotations or {}), removed, yanked)


def put_release(home: Home, name: str, version: str, content: str = "", platforms: Iterable[Platform] = (AMD64,)) -> Release:
    """Return a release whose archives are put into the home's blocks; it is not in any catalogue yet."""
    images = {}
    for platform in platforms:
        seed = content or f"{name}@{version} {platform}"
        home.blocks.put_many([archive_block(seed)])
        images[platform] = listed_image(seed)
    return make_release(name, version, images=images, published=home.time)


def publish_fake(home: Home, name: str, version: str, content: str = "", platforms: Iterable[Platform] = (AMD64,)) -> Release:
    """Publish such a release without sharing."""
    catalogue, _ = home.create_own_catalogue()
    release = put_release(home, name, version, content, platforms)
    with home.lock("own"):
        home.put_own([release], [Change(catalogue, home.time, "published", name, version)])
    return release
