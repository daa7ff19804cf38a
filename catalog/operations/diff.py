"""Compare two releases."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from catalog.delivery.archive import explain_absence
from catalog.delivery.contents import ImageFiles, fetch_image_files, never
from catalog.errors import BlockNotFoundError, LockedError, UnavailableError
from catalog.home.home import Home
from catalog.image.difference import (
    BlockChange,
    ConfigChange,
    LayerChange,
    compare_blocks,
    compare_configs,
    compare_layers,
)
from catalog.image.reader import read_listed_archive
from catalog.index.entry import IndexedRelease
from catalog.ipld.block import BlockSource
from catalog.lookup.locate import open_lookup
from catalog.model.platform import Platform
from catalog.model.release import Image
from catalog.progress import Progress, silent
from catalog.rootfs.difference import FilesDifference, compare_trees
from catalog.rootfs.tree import Node
from catalog.sources.network import Network


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
    layers, config, blocks = _compare(before, after, home.blocks)
    return Difference(before.entry, after.entry, after.platform, before.image, after.image, layers, config, blocks)


def diff_files(
    home: Home, old: str, new: str, *, platform: Platform, network: Network, progress: Progress = silent
) -> FilesDifference:
    """Compare the files and packages of the images for ``platform`` of two releases.

    What is not here is fetched: a delta where the newer one is offered as one, else the blocks that hold headers and metadata.
    """
    before, after = _resolve(home, old, platform), _resolve(home, new, platform)
    sides = []
    with home.reading(f"diff {old} {new}"):
        for reference, side in ((old, before), (new, after)):
            try:
                catalogue = side.entry.catalogue.catalogue
                files = fetch_image_files(home, side.image, network, progress=progress, catalogue=catalogue, by_delta=True)
            except UnavailableError as error:
                raise explain_absence(error, reference, network) from error
            sides.append(files)
        return compare_files(sides[0], sides[1])


def compare_files(before: ImageFiles, after: ImageFiles, stopped: Callable[[], bool] = never) -> FilesDifference:
    """Compare the files of two images that were opened; raise `LockedError` once ``stopped()``."""

    def same_bytes(one: Node, other: Node) -> bool:
        return _are_equal(before.read(one), after.read(other), stopped)

    return compare_trees(before.tree, after.tree, before.read_text, after.read_text, same_bytes, stopped)


def _are_equal(one: Iterator[bytes], other: Iterator[bytes], stopped: Callable[[], bool]) -> bool:
    """Compare two contents piece by piece: a file may be larger than memory."""
    left = right = b""
    while True:
        if stopped():
            raise LockedError("stopped before the images were compared")
        left = left or next(filter(None, one), b"")
        right = right or next(filter(None, other), b"")
        size = min(len(left), len(right))
        if not size:
            return left == right
        if left[:size] != right[:size]:
            return False
        left, right = left[size:], right[size:]


def _resolve(home: Home, reference: str, platform: Platform) -> _Side:
    with open_lookup(home.path) as lookup:
        resolved = lookup.resolve(reference, now=home.now, platform=platform)
    chosen = resolved.platform or platform
    return _Side(IndexedRelease(resolved.catalogue, resolved.release), chosen, resolved.release.images[chosen])


def _compare(
    old: _Side, new: _Side, source: BlockSource
) -> tuple[tuple[LayerChange, ...] | None, tuple[ConfigChange, ...] | None, BlockChange | None]:
    try:
        before, after = (read_listed_archive(side.image, side.platform, source) for side in (old, new))
    except BlockNotFoundError:
        return None, None, None
    try:
        blocks = compare_blocks(old.image.archive, new.image.archive, source)
    except BlockNotFoundError:
        blocks = None
    return compare_layers(before, after), compare_configs(before.config, after.config), blocks
