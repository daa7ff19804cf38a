"""The files of an image of this home: its layers listed (or found listed already), and the bytes of single files.

Only blocks that are needed are read; what is not here is fetched by the store that is handed in, if it has sources.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from catalog.blockstores.holding import is_whole
from catalog.delivery.archive import count_need, fetch_archive, open_store, plan_delta
from catalog.errors import PathNotFoundError
from catalog.home.home import Home
from catalog.home.listings import open_listing_cache
from catalog.image.reader import ArchivedLayer, ArchiveView, read_archive
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import Cid
from catalog.limits import MAX_PACKAGE_FILE_SIZE
from catalog.model.release import Image
from catalog.progress import Progress, silent
from catalog.rootfs.content import Held, LayerBytes
from catalog.rootfs.listing import LayerListing, list_layer, open_layer
from catalog.rootfs.tree import Node, Tree
from catalog.sources.network import Network


def never() -> bool:
    """Return False: nobody stops a command's reading."""
    return False


@dataclass(frozen=True)
class ImageFiles:
    """The files of one image. ``layers`` are those of the config, with repetitions, and ``problems`` what could not be listed."""

    view: ArchiveView
    tree: Tree
    layers: tuple[ArchivedLayer, ...]
    problems: tuple[str, ...]
    _listings: dict[Cid, LayerListing]
    _source: BlockSource
    _held: Held
    _open: dict[Cid, LayerBytes] = field(default_factory=dict)

    def find(self, path: str) -> Node:
        """Return what a path leads to, links followed; raise `PathNotFoundError`, which names what exists above it."""
        node = self.tree.resolve(path)
        if node is None:
            parents = map(str, PurePosixPath("/", path).parents)
            above = next((parent for parent in parents if self.tree.resolve(parent) is not None), "/")
            raise PathNotFoundError(f'the image has no file "{path}"', why=f'it has "{above}"', nearest=(above,))
        return node

    def size(self, node: Node) -> int:
        return self.tree.size_of(node)

    def read(self, node: Node) -> Iterator[bytes]:
        """Yield the bytes of a file, verified, in pieces; raise `PathNotFoundError` for what has none."""
        holder = self.tree.content_of(node)
        if holder is None:
            raise PathNotFoundError(f'"{node.path}" has no content', why=f"it is a {node.entry.kind}")
        layer = self.layers[holder.layer]
        if layer.cid not in self._open:
            self._open[layer.cid] = open_layer(layer, self._listings[layer.cid], self._source, self._held)
        return self._open[layer.cid].read_at(holder.entry.offset, holder.entry.size)

    def read_text(self, node: Node) -> str:
        """Return a file's beginning as text; what is not UTF-8 is replaced, and what has no content is empty."""
        if self.tree.content_of(node) is None:
            return ""
        parts: list[bytes] = []
        size = 0
        for part in self.read(node):
            parts.append(part)
            size += len(part)
            if size >= MAX_PACKAGE_FILE_SIZE:
                break
        return b"".join(parts)[:MAX_PACKAGE_FILE_SIZE].decode("utf-8", "replace")


def open_image_files(
    home: Home, archive_cid: Cid, source: BlockSource, held: Held | None = None, stopped: Callable[[], bool] = never
) -> ImageFiles:
    """List the files of an archive. ``held`` says which blocks are here; without it, all that ``source`` gives are.

    Raise `BlockNotFoundError` or `UnavailableError` where a block is missing, `ArchiveError` for what is not an archive,
    `LockedError` once ``stopped()``.
    """
    view = read_archive(archive_cid, source)
    here = held or (lambda _cid: True)
    cache = open_listing_cache(home)
    listings: dict[Cid, LayerListing] = {}
    for layer in view.layers:
        found = cache.find(layer.cid)
        if found is None:
            found = list_layer(layer, source, here, stopped, home.blocks.read_start)
            cache.keep(layer.cid, found)
        listings[layer.cid] = found
    by_diff_id = {layer.diff_id: layer for layer in view.layers}
    layers = tuple(by_diff_id[diff_id] for diff_id in view.image.diff_ids)
    tree = Tree(listings[layer.cid].entries for layer in layers)
    problems = tuple(
        f"layer {number}: {listings[layer.cid].problem}" for number, layer in enumerate(layers, 1) if listings[layer.cid].problem
    )
    return ImageFiles(view, tree, layers, problems, listings, source, here)


def fetch_image_files(
    home: Home, image: Image, network: Network, *, progress: Progress = silent, catalogue: str | None = None, by_delta: bool = False
) -> ImageFiles:
    """List the files of a release's image, and fetch only the blocks that hold headers and are not here.

    With ``by_delta``, an image that is not here is brought whole where a delta from an older one is offered: for a comparison
    that is less than the headers alone. Call it inside `reading`.
    """
    store = open_store(home, network, catalogue)
    if by_delta and store.has_sources and not is_whole(image.archive, home.blocks):
        view = read_archive(image.archive, store)
        need = count_need(view, store)
        if plan_delta(home, view, store, need, progress, catalogue) is not None:
            fetch_archive(home, view, store, progress=progress, catalogue=catalogue)
    return open_image_files(home, image.archive, store, home.blocks.has if store.has_sources else None)
