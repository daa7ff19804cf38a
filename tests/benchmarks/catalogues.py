"""Homes with many releases, made by the library itself: 20 versions a name, one image each, whose bytes are nowhere."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from catalog.digest import ConfigDigest, ManifestDigest
from catalog.home import Home, open_home
from catalog.index.history import Change
from catalog.ipld.cid import DAG_PB, cid_from_digest
from catalog.platform import parse_platform
from catalog.release import Image, Release

VERSIONS = 20
_BATCH = 20_000
_AMD64 = parse_platform("linux/amd64")
_WORDS = (
    "api",
    "billing",
    "cache",
    "data",
    "edge",
    "front",
    "gateway",
    "ingest",
    "jobs",
    "kernel",
    "login",
    "mail",
    "notes",
    "web",
)


def make_release(number: int, time: str) -> Release:
    """Make the release with a number: always the same."""
    first, second = _WORDS[number // VERSIONS % 14], _WORDS[number // VERSIONS // 14 % 14]
    name = f"{first}/{second}-{number // VERSIONS:06d}"
    seed = hashlib.sha256(name.encode() + bytes([number % VERSIONS])).digest()
    archive, config, manifest = (hashlib.sha256(bytes([kind]) + seed).digest() for kind in range(3))
    image = Image(
        cid_from_digest(archive, DAG_PB), ConfigDigest(config), ManifestDigest(manifest), 7, 40_000_000, 100_000_000, time
    )
    return Release(name, f"1.{number % VERSIONS}.0", time, {_AMD64: image}, {"title": f"The {second} of {first}"})


def fill_home(path: Path, count: int) -> Home:
    """Make a home whose own catalogue has ``count`` releases, and give it open."""
    home = open_home(path, now=datetime.now(UTC))
    catalogue, _ = home.create_own_catalogue()
    numbers = iter(range(count))
    while batch := list(_releases(home, islice(numbers, _BATCH))):
        changes = [Change(catalogue, home.time, "published", release.name, release.version) for release in batch]
        with home.editing():
            home.put_own(batch, changes)
    return home


def _releases(home: Home, numbers: Iterator[int]) -> Iterator[Release]:
    for number in numbers:
        yield make_release(number, home.time)
