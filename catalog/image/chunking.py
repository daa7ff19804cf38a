"""Cut a layer where its files begin: the chunks are a function of the layer's bytes alone.

A regular file of at least `T` bytes is a segment of its own; headers, padding and smaller files between two such files form a
segment. A segment longer than 2·`A` is cut by FastCDC. Of a tar header only the size field and the type flag are read, and nothing
is an error: bytes that are not a tar are cut as well.
Source: docs/formats/image.md, section 3.
"""

from collections.abc import Iterator
from enum import Enum, auto
from typing import Final

from pyfastcdc import FastCDC

T: Final = 32 * 1024
A: Final = 128 * 1024
_LONG = 2 * A
_MAX_CHUNK = 4 * A
_WINDOW = 1024 * 1024  # the bytes of a long segment that are gathered before it is cut
_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_REGULAR = b"0\0" + b"7"
_OCTAL = frozenset(b"01234567")

Chunk = memoryview
"""The bytes of a chunk, which keep what they are a part of: at most what was fed at once, or 2 MiB."""


class _State(Enum):
    HEADERS = auto()  # between files: headers, padding, smaller files
    FILE = auto()  # inside a file that is its own segment
    REST = auto()  # after the last header that could be read


class LayerCutter:
    """Cut one layer tar as a stream. Holds at most about 2 MiB.

    Chunks are views of what was fed wherever a segment lies in one piece: copying a layer three times took a tenth of a publish.
    """

    def __init__(self) -> None:
        self._state = _State.HEADERS
        self._held = bytearray()  # the bytes of the segment that are not in a chunk yet
        self._is_long = False  # the segment was found to be longer than 2·A and is being cut
        self._header = bytearray()  # the beginning of a header that came in two pieces
        self._skip = 0  # bytes before the next header
        self._left = 0  # remaining bytes of the file
        self._fastcdc = _new_fastcdc()

    def feed(self, data: bytes | memoryview) -> Iterator[Chunk]:
        """Feed the next bytes, which must not change afterwards, and yield the chunks that are final by now.

        Exhaust the iterator before the next call.
        """
        view = memoryview(data)
        start, end = 0, len(view)
        while start < end:
            stop, segment_ends = self._advance(view, start, min(start + _WINDOW, end))
            segment = view[start:stop]
            start = stop
            if segment_ends and not self._held and not self._is_long:
                yield from _cut_segment(self._fastcdc, segment, is_long=False)
                continue
            self._held += segment
            if segment_ends:
                yield from self._end_segment()
            elif len(self._held) > _WINDOW:
                yield from self._cut_what_is_certain()

    def finish(self) -> Iterator[Chunk]:
        """Yield the last chunks."""
        yield from self._end_segment()

    def _advance(self, view: memoryview, start: int, end: int) -> tuple[int, bool]:
        """Find how far the current segment goes in ``view[start:end]``, and whether it ends there."""
        if self._state is _State.HEADERS:
            return self._advance_headers(view, start, end)
        if self._state is _State.REST:
            return end, False
        length = min(self._left, end - start)
        self._left -= length
        if self._left == 0:
            self._state = _State.HEADERS
        return start + length, self._left == 0

    def _advance_headers(self, view: memoryview, position: int, end: int) -> tuple[int, bool]:
        while position < end:
            if self._skip:
                length = min(self._skip, end - position)
                self._skip -= length
                position += length
                continue
            length = min(_BLOCK - len(self._header), end - position)
            if length == _BLOCK:
                header = bytes(view[position : position + _BLOCK])
            else:
                self._header += view[position : position + length]
                header = bytes(self._header)
            position += length
            if len(header) < _BLOCK:
                break
            self._header.clear()
            size = _read_size(header)
            if size is None:
                self._state = _State.REST
                return end, False
            padding = -size % _BLOCK
            if size >= T and header[156] in _REGULAR:
                self._state = _State.FILE
                self._left, self._skip = size, padding
                return position, True
            self._skip = size + padding
        return position, False

    def _cut_what_is_certain(self) -> Iterator[Chunk]:
        """Cut while more than 4·A is held: later bytes cannot change such a cut."""
        self._is_long = True
        held, self._held = memoryview(self._held), bytearray()  # what views refer to is left as it is
        position = 0
        for cut in self._fastcdc.cut_buf(held):
            if len(held) - position <= _MAX_CHUNK:
                break
            end = position + cut.length
            yield held[position:end]
            position = end
        self._held += held[position:]

    def _end_segment(self) -> Iterator[Chunk]:
        segment, self._held = memoryview(self._held), bytearray()
        yield from _cut_segment(self._fastcdc, segment, is_long=self._is_long)
        self._is_long = False


def cut_metadata(data: bytes) -> list[bytes]:
    """Cut the archive's own metadata: it is one segment."""
    return [bytes(chunk) for chunk in _cut_segment(_new_fastcdc(), memoryview(data), is_long=False)]


def _new_fastcdc() -> FastCDC:
    return FastCDC(A, min_size=A // 4, max_size=_MAX_CHUNK, normalized_chunking=1, seed=0)


def _cut_segment(fastcdc: FastCDC, segment: memoryview, *, is_long: bool) -> Iterator[Chunk]:
    if not segment:
        return
    if len(segment) <= _LONG and not is_long:
        yield segment
        return
    position = 0
    for cut in fastcdc.cut_buf(segment):
        end = position + cut.length
        yield segment[position:end]
        position = end


def _read_size(header: bytes) -> int | None:
    """Return the size that a header states; None for an all-zero header and for a field with any other character."""
    if header[124] & 0x80:
        return int.from_bytes(header[125:136], "big")
    digits = header[124:136].strip(b"\0 ")
    if not digits:
        return None if header == _ZEROS else 0
    if not _OCTAL.issuperset(digits):
        return None
    return int(digits, 8)
