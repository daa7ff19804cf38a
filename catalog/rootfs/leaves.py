"""A layer's bytes by position, over the blocks that hold them.

Each leaf of a layer's sub-DAG is one zstd frame that states the size of its content. A leaf is inflated only where its bytes
are read. Of one that is passed over, no more than the frame's header is looked at; where the leaf would have to be fetched for
that, not even this: a file of at most 256 KiB in a canonical cut is exactly one leaf. Of a longer file that is not here all
leaves are fetched, since only they tell where the last one ends.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from catalog.errors import BlockNotFoundError, CodecError, VerificationError
from catalog.image.chunking import A, T
from catalog.image.encoder import frame_content_size, inflate_frame
from catalog.image.reader import ArchivedLayer
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import RAW, Cid
from catalog.limits import MAX_DAG_BLOCKS, MAX_DAG_DEPTH
from catalog.unixfs.file import FileLink, decode_file_node

_ONE_LEAF: Final = 2 * A  # a longer file is cut into several
_HELD_LEAVES: Final = 8  # inflated ones that are kept, for files that lie side by side

Held = Callable[[Cid], bool]


class Leaf(NamedTuple):
    """A leaf: its CID and its size as stored."""

    cid: Cid
    stored_size: int


def list_leaves(layer: ArchivedLayer, source: BlockSource) -> list[Leaf]:
    """Return a layer's leaves in order, each as often as it occurs; only inner nodes are read.

    Raise `CodecError` for what is not a file DAG or is too large, `BlockNotFoundError` where a node is absent.
    """
    if layer.cid.codec == RAW:
        return [Leaf(layer.cid, layer.stored_size)]
    leaves: list[Leaf] = []
    stack: list[Iterator[FileLink]] = [iter((FileLink(layer.cid, layer.stored_size, 0),))]
    steps = 0
    while stack:
        link = next(stack[-1], None)
        if link is None:
            stack.pop()
            continue
        steps += 1
        if steps > MAX_DAG_BLOCKS:
            raise CodecError(f"layer {layer.cid} has more than {MAX_DAG_BLOCKS} blocks")
        if link.cid.codec == RAW:
            if link.file_size:
                leaves.append(Leaf(link.cid, link.file_size))
            continue
        if len(stack) > MAX_DAG_DEPTH:
            raise CodecError(f"layer {layer.cid} is deeper than {MAX_DAG_DEPTH} nodes")
        node = decode_file_node(link.cid, source.get(link.cid))
        if node.file_size != link.file_size:
            raise CodecError(f"block {link.cid} holds {node.file_size} bytes of its file, its parent says {link.file_size}")
        stack.append(iter(node.links))
    return leaves


class LayerBytes:
    """Read a layer from front to back, or at any position whose leaves were passed before.

    ``held`` says whether a leaf can be read without fetching it, as far as it is known without reading. ``exact`` turns false
    once the size of a leaf was taken from the rule of the cut rather than read. ``sizes`` are the leaves' content sizes where
    they are known from an earlier reading.
    """

    def __init__(self, leaves: Sequence[Leaf], source: BlockSource, held: Held, sizes: Sequence[int] = ()) -> None:
        self._leaves = leaves
        self._source = source
        self._held = held
        self._starts = [0]
        for size in sizes:
            self._starts.append(self._starts[-1] + size)
        self._contents: dict[int, bytes] = {}
        self._number = 0  # the leaf at the position
        self.position = 0
        self.exact = True
        self.inflated = 0

    @property
    def sizes(self) -> list[int]:
        """The content sizes of the leaves that were passed."""
        return [end - start for start, end in zip(self._starts, self._starts[1:], strict=False)]

    def read(self, count: int) -> bytes:
        """Return the next ``count`` bytes, fewer only at the layer's end."""
        parts: list[bytes] = []
        missing = count
        while missing and self._number < len(self._leaves):
            content = self._inflate(self._number)
            start = self.position - self._starts[self._number]
            part = content[start : start + missing] if start or len(content) > missing else content
            self._advance(len(part))
            parts.append(part)
            missing -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def pass_content(self, count: int) -> str:
        """Pass over a file's ``count`` bytes and return what identifies them."""
        if count >= T and self.position == self._starts[self._number]:
            digest, number, position = hashlib.sha256(), self._number, self.position
            target = position + count
            while position < target and number < len(self._leaves):
                position += self._size_of(number, count)
                digest.update(self._leaves[number].cid.digest)
                number += 1
            if position == target:
                self._number, self.position = number, position
                return f"leaves:{digest.hexdigest()[:32]}"
        digest = hashlib.sha256()
        missing = count
        while missing and (part := self.read(min(missing, 4 * A))):
            digest.update(part)
            missing -= len(part)
        return f"sha256:{digest.hexdigest()[:32]}"

    def read_at(self, offset: int, size: int) -> Iterator[bytes]:
        """Yield ``size`` bytes from ``offset`` on, in pieces; only the leaves that hold them are read."""
        low, high = 0, len(self._starts) - 1
        while low < high - 1:  # the last leaf that begins at or before the offset
            middle = (low + high) // 2
            low, high = (middle, high) if self._starts[middle] <= offset else (low, middle)
        number, stop = low, offset + size
        while offset < stop and number < len(self._leaves):
            content = self._inflate(number)
            start = offset - self._starts[number]
            part = content[start : start + stop - offset]
            if part:
                yield part
            offset += len(part)
            number += 1
        if offset < stop:
            raise VerificationError("a layer ends before a file in it does")

    def _advance(self, count: int) -> None:
        self.position += count
        while self._number + 1 < len(self._starts) and self.position >= self._starts[self._number + 1]:
            self._number += 1

    def _size_of(self, number: int, file_size: int) -> int:
        """Return the content size of a leaf with which a file of ``file_size`` bytes begins or goes on."""
        if number + 1 < len(self._starts):
            return self._starts[number + 1] - self._starts[number]
        leaf = self._leaves[number]
        size = self._read_size(leaf.cid, file_size)
        self._starts.append(self._starts[-1] + size)
        return size

    def _read_size(self, cid: Cid, file_size: int) -> int:
        if file_size > _ONE_LEAF:
            return frame_content_size(self._source.get(cid))
        if self._held(cid):
            try:
                return frame_content_size(self._source.get(cid))
            except BlockNotFoundError:
                pass
        self.exact = False
        return file_size

    def _inflate(self, number: int) -> bytes:
        content = self._contents.get(number)
        if content is None:
            content = inflate_frame(self._source.get(self._leaves[number].cid))
            self.inflated += len(content)
            if len(self._contents) >= _HELD_LEAVES:
                self._contents.pop(next(iter(self._contents)))
            self._contents[number] = content
        if number + 1 == len(self._starts):
            self._starts.append(self._starts[-1] + len(content))
        elif self._starts[number + 1] - self._starts[number] != len(content):
            raise VerificationError("a stored frame has another size than its layer's cut gives")
        return content
