"""Compare two releases."""

from dataclasses import dataclass
from typing import NamedTuple

from catalog.errors import BlockNotFoundError
from catalog.home.home import Home
from catalog.image.difference import (
    BlockChange,
    ConfigChange,
    LayerChange,
    compare_blocks,
    compare_configs,
    compare_layers,
)
from catalog.image.reader import read_archive
from catalog.index.entry import IndexedRelease
from catalog.ipld.block import BlockSource
from catalog.lookup.locate import open_lookup
from catalog.model.platform import Platform
from catalog.model.release import Image


@dataclass(frozen=True, slots=True)
class Difference:
    """The images of two releases for one platform, and how they differ.

    ``layers`` and ``config`` are None where the first blocks of either are missing, ``blocks`` where an inner node is.
    """

    old: IndexedRelease
    new: IndexedRelease
    platform: Platform
    old_image: Image
    new_image: Image
    layers: tuple[LayerChange, ...] | None
    config: tuple[ConfigChange, ...] | None
    blocks: BlockChange | None

    @property
    def same(self) -> bool:
        """Whether the two hold the same content."""
        return self.old_image.config == self.new_image.config


class _Side(NamedTuple):
    entry: IndexedRelease
    platform: Platform
    image: Image


def diff(home: Home, old: str, new: str, *, platform: Platform) -> Difference:
    """Compare the images of two releases for ``platform``; nothing is fetched."""
    before, after = _resolve(home, old, platform), _resolve(home, new, platform)
    layers, config, blocks = _compare(before.image, after.image, home.blocks)
    return Difference(before.entry, after.entry, after.platform, before.image, after.image, layers, config, blocks)


def _resolve(home: Home, reference: str, platform: Platform) -> _Side:
    with open_lookup(home.path) as lookup:
        resolved = lookup.resolve(reference, now=home.now, platform=platform)
    chosen = resolved.platform or platform
    return _Side(IndexedRelease(resolved.catalogue, resolved.release), chosen, resolved.release.images[chosen])


def _compare(
    old: Image, new: Image, source: BlockSource
) -> tuple[tuple[LayerChange, ...] | None, tuple[ConfigChange, ...] | None, BlockChange | None]:
    try:
        before, after = read_archive(old.archive, source), read_archive(new.archive, source)
    except BlockNotFoundError:
        return None, None, None
    try:
        blocks = compare_blocks(old.archive, new.archive, source)
    except BlockNotFoundError:
        blocks = None
    return compare_layers(before, after), compare_configs(before.config, after.config), blocks
