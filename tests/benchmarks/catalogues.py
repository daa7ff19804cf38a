"""Homes with many releases, made by the library itself: 20 versions a name, one image each; 64 archives of a few bytes in all."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from catalog.home.home import Home, open_home
from catalog.index.history import Change
from catalog.ipld.block import Block
from catalog.ipld.cid import RAW, cid_of
from catalog.model.digest import ConfigDigest, ManifestDigest
from catalog.model.platform import parse_platform
from catalog.model.release import Image, Release
from catalog.own.share import share_own
from catalog.sources.network import NO_NETWORK

VERSIONS = 20
_BATCH = 20_000
_SHARED_AT = 10 * _BATCH
_ARCHIVES = [Block(cid_of(data, RAW), data) for data in (b"archive %d" % number for number in range(64))]
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
    config, manifest = (hashlib.sha256(bytes([kind]) + seed).digest() for kind in range(2))
    archive = _ARCHIVES[number % len(_ARCHIVES)].cid
    image = Image(archive, ConfigDigest(config), ManifestDigest(manifest), 7, 40_000_000, 100_000_000, time)
    return Release(name, f"1.{number % VERSIONS}.0", time, {_AMD64: image}, {"title": f"The {second} of {first}"})


def fill_home(path: Path, count: int) -> Home:
    """Make a home whose own catalogue has ``count`` releases, with its snapshot, and give it open."""
    home = open_home(path, now=datetime.now(UTC))
    home.blocks.put_many(_ARCHIVES)
    catalogue, _ = home.create_own_catalogue()
    numbers = iter(range(count))
    shown = 0
    while batch := list(_releases(home, islice(numbers, _BATCH))):
        changes = [Change(catalogue, home.time, "published", release.name, release.version) for release in batch]
        with home.lock("own"):
            home.put_own(batch, changes)
        shown += len(batch)
        if shown % _SHARED_AT == 0 or shown == count:
            share_own(home, NO_NETWORK, deltas=False)
    return home


def _releases(home: Home, numbers: Iterator[int]) -> Iterator[Release]:
    for number in numbers:
        yield make_release(number, home.time)
