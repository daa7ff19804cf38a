"""What becomes part of the own catalogue can be read by everybody who follows it."""

import json
from collections.abc import Mapping

import pytest

from catalog.errors import InvalidInputError
from catalog.ipld.cid import cid_of
from catalog.limits import MAX_REGISTRY_REFERENCES
from catalog.model.digest import ConfigDigest, ManifestDigest
from catalog.model.platform import Platform, parse_platform
from catalog.model.release import Image, Release
from catalog.own.release import add_images
from catalog.snapshot.line import decode_line, encode_line

AT = "2026-11-24T06:33:30Z"
AMD, ARM = parse_platform("linux/amd64"), parse_platform("linux/arm64")


def image(*registry: str) -> Image:
    return Image(cid_of(b""), ConfigDigest.of(b""), ManifestDigest.of(b""), 1, 2, 3, registry=registry)


def add(images: Mapping[Platform, Image], existing: Release | None = None) -> Release:
    return add_images(existing, "web", "1.0", images, {}, AT)[0]


def references(count: int, host: str = "r.example") -> list[str]:
    return [f"{host}/team/web-{number:04d}@sha256:{number:064x}" for number in range(count)]


@pytest.mark.parametrize(
    "reference", ["w\nb@sha256:" + "4" * 64, "web@sha512:" + "4" * 128, "web", "w" * 600 + "@sha256:" + "4" * 64]
)
def test_what_followers_refuse_is_not_promised(reference: str) -> None:
    """One such line would keep the catalogue from being signed for ever."""
    with pytest.raises(InvalidInputError, match="cannot be part of a catalogue"):
        add({AMD: image(reference)})


def test_provenance_takes_no_more_than_its_room() -> None:
    """An image that is in hundreds of registries is published, and its release still has room for what comes later."""
    release = add({AMD: image(*references(500)), ARM: image(*references(3))})
    line = encode_line(release)
    assert decode_line(line[:-1]) == release
    kept = [reference for entry in release.images.values() for reference in entry.registry]
    assert sum(map(len, kept)) <= MAX_REGISTRY_REFERENCES
    assert release.images[ARM].registry == tuple(references(3))
    assert list(release.images[AMD].registry) == references(500)[: len(release.images[AMD].registry)]
    assert len(json.loads(line)["images"]["linux/amd64"]["registry"]) > 5


def test_the_same_references_are_kept_each_time() -> None:
    release = add({AMD: image(*references(500))})
    assert add({AMD: image(*references(500))}, release) == release


def test_text_that_is_not_unicode_is_refused() -> None:
    """An argument of a command line may hold any bytes; Python passes them on as lone surrogates."""
    with pytest.raises(InvalidInputError, match="not Unicode"):
        add_images(None, "web", "1.0", {AMD: image()}, {"note": "\udcff"}, AT)
