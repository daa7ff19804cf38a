"""A layer's bytes by position, over the blocks that hold them.

A leaf is inflated only where its bytes are read. Of one that is passed over, no more than the frame's header is looked at, and the
rest is not read where the store can do that. Where the leaf would have to be fetched for it, not even the header is: a file of at
most 256 KiB in a canonical cut is exactly one leaf, and where a longer one ends is found without its leaves
(`catalog.rootfs.boundary`).
"""

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from catalog.errors import BlockNotFoundError, VerificationError
from catalog.image.chunking import A, T
from catalog.image.encoder import frame_content_size, inflate_frame
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import Cid
from catalog.rootfs.boundary import is_behind_file, list_candidates
from catalog.rootfs.leaves import Leaf

_ONE_LEAF: Final = 2 * A  # a longer file is cut into several
_HELD_LEAVES: Final = 8  # inflated ones that are kept, for files that lie side by side

_FRAME_HEADER: Final = 18  # bytes, at most

Held = Callable[[Cid], bool]
ReadStart = Callable[[Cid, int], bytes | None]
"""Returns the first bytes of a block without verifying them, None where it cannot."""


class Mark(NamedTuple):
    """Where a leaf begins in its layer."""

    number: int
    start: int


class LayerBytes:
    """Read a layer from front to back, or at any position whose leaves were passed before.

    ``held`` says whether a leaf can be read without fetching it, as far as it is known without reading. ``marks`` are
    known from an earlier reading. With ``cheap``, what is not held is passed over without being
    fetched: ``exact`` turns false once a size was taken from the rule of the cut rather than read. The higher it is, the more
    leaves are looked at, and the likelier is the first match the right one. With ``read_start``, sizes of leaves that are passed
    over are taken from blocks that were not verified: ``verified`` turns false then, until somebody compares where the layer ends.
    """

    def __init__(
        self,
        leaves: Sequence[Leaf],
        source: BlockSource,
        held: Held,
        marks: Sequence[Mark] = (),
        *,
        cheap: int = 0,
        read_start: ReadStart | None = None,
    ) -> None:
        self._leaves = leaves
        self._source = source
        self._held = held
        self._cheap = cheap
        self._read_start = read_start
        self._known = {0: 0} | dict(marks)  # where leaves begin
        self._numbers = [0, *(mark.number for mark in marks)]
        self._starts = [0, *(mark.start for mark in marks)]
        self._contents: dict[int, bytes] = {}
        self._number = 0  # the leaf at the position
        self._start = 0  # where it begins
        self.position = 0
        self.exact = True
        self.verified = True

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Where the leaves begin that were passed, but the first: of all of them while ``exact``."""
        return tuple(map(Mark, self._numbers[1:], self._starts[1:]))

    def read(self, count: int) -> bytes:
        """Return the next ``count`` bytes, fewer only at the layer's end."""
        known = self._contents.get(self._number)
        if known is not None:  # nearly always, and the leaf goes on behind them
            begin = self.position - self._start
            if begin + count < len(known):
                self.position += count
                return known[begin : begin + count]
        parts: list[bytes] = []
        missing = count
        while missing and self._number < len(self._leaves):
            content = self._contents.get(self._number) or self._inflate(self._number)
            begin = self.position - self._start
            part = content[begin : begin + missing]
            self.position += len(part)
            if begin + len(part) == len(content):
                self._enter(self._number + 1)
            if len(part) == count:
                return part
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def pass_content(self, count: int) -> str:
        """Pass over a file's ``count`` bytes and return what identifies them."""
        if count >= T and self.position == self._start:
            found = self._find_end(count)
            if found is not None:
                digest = hashlib.sha256(b"".join([leaf.cid.digest for leaf in self._leaves[self._number : found]]))
                self.position += count
                self._enter(found)
                return f"leaves:{digest.hexdigest()[:32]}"
        digest = hashlib.sha256()
        missing = count
        while missing and (part := self.read(min(missing, 4 * A))):
            digest.update(part)
            missing -= len(part)
        return f"sha256:{digest.hexdigest()[:32]}"

    def ends_at(self, size: int) -> bool:
        """Return whether the layer has ``size`` bytes if the position is right; the last leaf is to be read by then."""
        if self._number == len(self._leaves):
            return self.position == size
        return self._number == len(self._leaves) - 1 and self._start + len(self._inflate(self._number)) == size

    def read_at(self, offset: int, size: int) -> Iterator[bytes]:
        """Yield ``size`` bytes from ``offset`` on, in pieces; only the leaves that hold them are read."""
        place = bisect_right(self._starts, offset) - 1  # the last leaf that is known to begin at or before the offset
        number, start = self._numbers[place], self._starts[place]
        stop = offset + size
        while offset < stop and number < len(self._leaves):
            content = self._inflate(number)
            part = content[offset - start : stop - start]
            if part:
                yield part
            offset += len(part)
            start += len(content)
            number += 1
            self._note(number, start)
        if offset < stop:
            raise VerificationError("a layer ends before a file in it does")

    def _enter(self, number: int) -> None:
        """Go on with a leaf that begins at the position."""
        self._number, self._start = number, self.position
        self._note(number, self.position)

    def _note(self, number: int, start: int) -> None:
        """Note where a leaf begins; raise `VerificationError` where it is known to begin elsewhere."""
        if self._known.setdefault(number, start) != start:
            raise VerificationError("a stored frame has another size than its layer's cut gives")
        if number > self._numbers[-1]:
            self._numbers.append(number)
            self._starts.append(start)

    def _find_end(self, size: int) -> int | None:
        """Return the leaf that begins behind a file of ``size`` bytes which begins with the leaf at the position, if one does."""
        number, left = self._number, size
        while left > 0 and number < len(self._leaves) and (known := self._size_of(number)) is not None:
            number, left = self._pass_leaf(number, left, known)
        if left > 0 and self._cheap:
            found = number + 1 if left == size <= _ONE_LEAF else self._search_end(number, left, size)
            if found is not None:
                self.exact = False
                return found
        while left > 0 and number < len(self._leaves):
            number, left = self._pass_leaf(number, left, frame_content_size(self._source.get(self._leaves[number].cid)))
        return None if left else number

    def _pass_leaf(self, number: int, left: int, size: int) -> tuple[int, int]:
        self._note(number + 1, self._known[number] + size)
        return number + 1, left - size

    def _size_of(self, number: int) -> int | None:
        """Return the content size of a leaf without fetching it, None where it is not here."""
        start, end = self._known.get(number), self._known.get(number + 1)
        if start is not None and end is not None:
            return end - start
        cid = self._leaves[number].cid
        if self._read_start is not None and number not in self._contents:
            beginning = self._read_start(cid, _FRAME_HEADER)
            if beginning is not None:
                try:
                    size = frame_content_size(beginning)
                except VerificationError:
                    self._read_start = None  # damaged: verified blocks say what it is
                else:
                    self.verified = False
                    return size
        try:
            return frame_content_size(self._source.get(cid)) if self._held(cid) else None
        except BlockNotFoundError:
            return None

    def _search_end(self, first: int, left: int, size: int) -> int | None:
        """Return the leaf that begins behind the ``left`` last bytes of a file of ``size`` bytes, the first of them in a leaf."""
        for number in list_candidates(self._leaves, first, left, self._size_of, cheap=self._cheap):
            try:
                content = self._inflate(number)
            except BlockNotFoundError:
                continue
            if is_behind_file(content, size, is_last=number == len(self._leaves) - 1):
                return number
        return None

    def _inflate(self, number: int) -> bytes:
        content = self._contents.get(number)
        if content is None:
            content = inflate_frame(self._source.get(self._leaves[number].cid))
            if len(self._contents) >= _HELD_LEAVES:
                self._contents.pop(next(iter(self._contents)))
            self._contents[number] = content
        return content
