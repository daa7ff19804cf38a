"""Deltas that a bundle carries instead of blocks: published ones if they are here, else made for the bundle."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from catalog.delta.make import BUNDLED_DELTA, count_new_bytes, is_delta_needed, make_delta
from catalog.delta.policy import is_delta_worth
from catalog.errors import BlockNotFoundError, DeltaError, StorageError
from catalog.home.deltas import UNFINISHED_DELTA
from catalog.home.home import Home
from catalog.image.reader import read_archive
from catalog.image.walk import walk
from catalog.ipld.block import Block, BlockSource
from catalog.ipld.cid import Cid
from catalog.model.release import Image
from catalog.progress import Progress, Step
from catalog.sources.bundle import BundledDelta
from catalog.unixfs.file import FileLink, raw_leaf
from catalog.unixfs.file_writer import CHUNK_SIZE, FileTree


class CarriedDeltas:
    """The deltas of one bundle, by target. Use it as a context manager: leaving it deletes the files of deltas that it made."""

    def __init__(self, home: Home, store: BlockSource) -> None:
        self.by_target: dict[Cid, BundledDelta] = {}
        self._home = home
        self._store = store
        self._made: dict[Cid, Path] = {}
        self._stack = ExitStack()

    def add(self, image: Image, bases: Sequence[Cid], progress: Progress) -> None:
        """Add a delta to ``image`` from one of ``bases``, which are whole here, if it is smaller than the blocks."""
        sizes = {
            base: size for base in bases if base != image.archive and (size := count_new_bytes(base, image.archive, self._store))
        }
        base = min(sizes, key=lambda base: sizes[base], default=None)
        if base is None or not is_delta_needed(sizes[base]):
            return
        published = image.deltas.get(base)
        if published is not None and is_delta_worth(published.size, sizes[base]) and self._is_here(published.cid):
            self.by_target[image.archive] = BundledDelta(base, image.archive, published.cid, published.size)
            return
        progress(Step("phase", "Making a delta for the bundle"))
        try:
            place = None if self._home.read_only else self._home.path
            folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(dir=place, prefix=UNFINISHED_DELTA)))
            path = folder / "made.delta"
            written = make_delta(base, image.archive, self._store, path, BUNDLED_DELTA, new_bytes=sizes[base])
            file = _link_of(path)
        except DeltaError:
            return  # not worth it
        except OSError as error:
            raise StorageError("a delta for the bundle cannot be written", why=error.strerror or str(error)) from error
        self._made[file.cid] = path
        self.by_target[image.archive] = BundledDelta(base, image.archive, file.cid, written.size)

    def blocks(self, target: Cid) -> Iterator[Block]:
        """Yield what a bundle holds of an archive that has a delta: its root and metadata, then the delta."""
        view = read_archive(target, self._store)
        yield Block(target, self._store.get(target))
        if view.links[0].cid != target:
            yield from self._store.get_many(block.cid for block in walk(view.links[0].cid, self._store))
        file = self.by_target[target].file
        if file in self._made:
            yield from _read_blocks(self._made[file])
        else:
            yield from self._store.get_many(block.cid for block in walk(file, self._store))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def _is_here(self, file: Cid) -> bool:
        try:
            return not self._home.blocks.missing([block.cid for block in walk(file, self._home.blocks)])
        except BlockNotFoundError:
            return False


def _link_of(path: Path) -> FileLink:
    tree = FileTree(lambda _: None)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_SIZE):
            tree.add(raw_leaf(chunk)[1])
    return tree.finish()


def _read_blocks(path: Path) -> Iterator[Block]:
    """Yield the blocks of a plain file, the nodes last; memory is that of one chunk."""
    nodes: list[Block] = []
    tree = FileTree(nodes.append)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_SIZE):
            block, leaf = raw_leaf(chunk)
            yield block
            tree.add(leaf)
    tree.finish()
    yield from nodes
