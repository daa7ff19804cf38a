"""Reading blocks out of files: by one request for many places, by ranges, or from the whole file."""

from collections.abc import Iterator
from typing import Final

from catalog import limits
from catalog.clients.http import HttpClient
from catalog.clients.response import HttpResponse
from catalog.errors import BlockMismatchError, UnavailableError
from catalog.ipld.cid import verify_block
from catalog.sources.static.answers import CONTENT_RANGE, MisreadRangeError, check_range, read_boundary, with_slack
from catalog.sources.static.outlines import HeldFile
from catalog.sources.static.whole import WholeFiles
from catalog.static.spans import Range, Span, plan_parts, plan_ranges

_FEW_RANGES: Final = 8  # are asked for one by one: a server that knows no several ranges begins to send the whole file
_MOST_PARTS: Final = 120  # of one request: some servers take 200, and heads of 4 KiB
_MOST_AROUND_A_PART: Final = 1024


class FileReader:
    """Reads parts of files, in the best way that the server turned out to know. Thread-safe; close it."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._gives_several = True
        self._gives_ranges = True
        self._whole = WholeFiles(client)

    def read(self, held: HeldFile, spans: list[Span]) -> Iterator[tuple[Span, bytes]]:
        """Yield these blocks of a file, verified."""
        pending = {span.cid.digest: span for span in spans}
        try:
            for span, data in self._read_parts(held, spans):
                del pending[span.cid.digest]
                yield span, data
        except MisreadRangeError:
            self._gives_several = False
        try:
            for span, data in self._read_ranges(held, list(pending.values())):
                del pending[span.cid.digest]
                yield span, data
        except MisreadRangeError:
            self._gives_ranges = False
        yield from self._whole.read(held.path, held.size, list(pending.values()))

    def close(self) -> None:
        """Delete temporary files."""
        self._whole.close()

    def _read_parts(self, held: HeldFile, spans: list[Span]) -> Iterator[tuple[Span, bytes]]:
        """Yield blocks that stand far apart, many by one request, if the server gives several ranges at once."""
        if not self._gives_several or len(plan_ranges(spans)) <= _FEW_RANGES:
            return
        parts = plan_parts(spans)
        for first in range(0, len(parts), _MOST_PARTS):
            group = parts[first : first + _MOST_PARTS]
            asked = [(part.start, part.end) for part in group]
            with self._client.open("GET", held.path, byte_ranges=asked, answers=(200, 206, 416)) as response:
                if response.status != 206 or response.header("Content-Encoding") not in (None, "identity"):
                    raise MisreadRangeError
                response.start_reading(sum(end - start for start, end in asked) + (len(asked) + 1) * _MOST_AROUND_A_PART)
                body = _Body(response)
                boundary = read_boundary(response.header("Content-Type") or "")
                for part in group:
                    if boundary is None or body.read_part_head(boundary) != (part.start, part.end - 1, held.size):
                        raise MisreadRangeError
                    yield from body.read_blocks(part)

    def _read_ranges(self, held: HeldFile, spans: list[Span]) -> Iterator[tuple[Span, bytes]]:
        if not self._gives_ranges:
            return
        for part in plan_ranges(spans):
            whole = part.start == 0 and part.end == held.size
            asked = [] if whole else [(part.start, part.end)]
            with self._client.open("GET", held.path, byte_ranges=asked, answers=(200,) if whole else (200, 206, 416)) as response:
                if not whole:
                    check_range(response, part.start, part.end, held.size)
                response.start_reading(with_slack(part.end - part.start))
                yield from _Body(response).read_blocks(part, may_lie=whole)


class _Body:
    """The body of an answer, read piece by piece."""

    def __init__(self, response: HttpResponse) -> None:
        self._response = response

    def read_blocks(self, part: Range, *, may_lie: bool = False) -> Iterator[tuple[Span, bytes]]:
        """Yield the blocks of a range that begins here.

        Where one does not match, raise `MisreadRangeError`: a server may be off by some bytes, and the whole file decides. With
        ``may_lie`` this is the whole file.
        """
        offset = part.start
        for span in part.spans:
            self._take(span.offset - offset)
            data = self._take(span.size)
            offset = span.offset + span.size
            try:
                verify_block(span.cid, data)
            except BlockMismatchError:
                if may_lie:
                    raise
                raise MisreadRangeError from None
            yield span, data

    def read_part_head(self, boundary: bytes) -> tuple[int, int, int] | None:
        """Return first byte, last byte and size that the next part of an answer of several states; None for anything else."""
        head = b""
        while not head.endswith(b"\r\n\r\n") or not head.strip():
            if len(head) > _MOST_AROUND_A_PART:
                return None
            piece = self._response.read(1)
            if not piece:
                return None
            head += piece
        lines = head.strip(b"\r\n").split(b"\r\n")
        if lines[0] != b"--" + boundary:
            return None
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-range":
                stated = CONTENT_RANGE.fullmatch(value.strip().decode("latin-1"))
                if stated is not None and stated[3] != "*":
                    return int(stated[1]), int(stated[2]), int(stated[3])
        return None

    def _take(self, size: int) -> bytes:
        pieces: list[bytes] = []
        missing = size
        while missing:
            piece = self._response.read(min(missing, limits.MIB))
            if not piece:
                raise UnavailableError(f"{self._response.name} ended too early", why=f"{missing} bytes of a block are missing")
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)
