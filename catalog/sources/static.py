"""Blocks from plain files on any web server (docs/formats/static.md).

The outline of a DAG brings its small blocks in one request, and says in which files its large ones are. Those are read by ranges:
neighbours by one, and many by one request where the server gives several ranges in one answer. A server that ignores or misreads
ranges is asked for whole files, each once: what was not wanted yet waits in a temporary file. Every block is compared with its CID
before it is returned.

What leads to a block is its DAG, so the source has to know which DAGs are wanted (`StaticFiles.expect`): a leaf alone has no
address.
"""

import json
import re
import tempfile
import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO, Final, NamedTuple

from catalog import limits
from catalog.clients.http import HttpClient
from catalog.clients.response import HttpResponse
from catalog.errors import BlockMismatchError, UnavailableError
from catalog.ipld.block import Block
from catalog.ipld.cid import DAG_PB, RAW, Cid, convert_to_v1, verify_block
from catalog.static.layout import SCHEMA, STATIC_PATH, blob_path, delta_path, outline_path, pack_index_path, pack_path
from catalog.static.outline import Outline, PackEntry, read_outline
from catalog.static.pack import decode_index
from catalog.static.spans import Range, Span, locate_leaves, plan_parts, plan_ranges

_ABSENT: Final = (404, 403, 410)  # a bucket answers 403 for what it does not hold
_PAGES: Final = frozenset({"text/html", "application/xhtml+xml"})
_MAX_EXPECTED: Final = 16
_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", re.ASCII)
_BOUNDARY: Final = re.compile(r'multipart/byteranges; *boundary=("[\x20-\x7e]{1,70}"|[!-~]{1,70})', re.ASCII | re.IGNORECASE)
_FEW_RANGES: Final = 8  # are asked for one by one: a server that knows no several ranges begins to send the whole file
_MOST_PARTS: Final = 120  # of one request: some servers take 200, and heads of 4 KiB
_MOST_AROUND_A_PART: Final = 1024
_MAX_POINTER: Final = 4096
_NO_STATIC: Final = (400, 405, 406, 501)
_COST_OF_PLACE: Final = 256  # bytes of memory


class _MisreadRangeError(Exception):
    """The server did not answer with the range that was asked for."""


class _Place(NamedTuple):
    """Where a block stands: a file, its size, and the bytes in it."""

    path: str
    size: int
    span: Span


class _Held(NamedTuple):
    """A file that joins the leaves of a DAG."""

    path: str
    size: int


@dataclass(slots=True)
class _Opened:
    """An outline that was read: its blocks, where others stand, and what else may have to be read to find them."""

    outline: Outline
    size: int
    blocks: dict[Cid, bytes]
    small: dict[bytes, bytes]
    places: dict[bytes, _Place] = field(default_factory=dict)
    layers: dict[Cid, _Held] = field(default_factory=dict)
    pending: deque[Cid | PackEntry] = field(default_factory=deque)

    def place(self, held: _Held, spans: Iterable[Span]) -> None:
        for span in spans:
            self.places.setdefault(span.cid.digest, _Place(held.path, held.size, span))
            self.size += _COST_OF_PLACE


def find_static(client: HttpClient) -> bool:
    """Return whether a server says that it holds a static catalogue."""
    with client.open("GET", f"/{STATIC_PATH}", accept="application/json", answers=(200, *_ABSENT, *_NO_STATIC)) as response:
        if response.status != 200 or response.media_type in _PAGES:
            return False
        data = response.read_all(_MAX_POINTER)
    try:
        return bool(json.loads(data)["schema"] == SCHEMA)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


class StaticFiles:
    """The blocks of one static catalogue. Thread-safe; close it."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._lock = threading.RLock()
        self._expected: OrderedDict[Cid, None] = OrderedDict()
        self._opened: OrderedDict[Cid, _Opened] = OrderedDict()
        self._absent: set[Cid] = set()
        self._takes = {"_read_parts", "_read_ranges"}
        self._whole = WholeFiles(client)

    def expect(self, roots: Iterable[Cid]) -> None:
        """Note which DAGs are wanted next, the last ones first; nothing is asked for yet."""
        with self._lock:
            for root in map(convert_to_v1, roots):
                self._expected[root] = None
                self._expected.move_to_end(root)
            while len(self._expected) > _MAX_EXPECTED:
                self._expected.popitem(last=False)

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        """Yield the blocks that the files hold, verified: small ones first, then those of each file in their order."""
        wanted = {cid.digest: cid for cid in cids}
        small, placed = self._locate(wanted)
        yield from small
        for held, spans in placed.items():
            for span, data in self._read(held, spans):
                yield Block(wanted[span.cid.digest], data)

    def close(self) -> None:
        """Delete temporary files."""
        self._whole.close()

    def _locate(self, wanted: dict[bytes, Cid]) -> tuple[list[Block], dict[_Held, list[Span]]]:
        """Return the wanted blocks that are in outlines, and by file where the others stand.

        Outlines are read until every block is found or there is no other one to read.
        """
        small: list[Block] = []
        placed: dict[_Held, list[Span]] = {}
        unknown = dict(wanted)
        with self._lock:
            fresh = list(reversed(self._opened.values()))
            while True:
                for opened in fresh:
                    self._find_in(opened, unknown, small, placed)
                if not unknown:
                    return small, placed
                found = self._open_next(unknown)
                if found is None:
                    return small, placed
                fresh = found

    def _find_in(self, opened: _Opened, unknown: dict[bytes, Cid], small: list[Block], placed: dict[_Held, list[Span]]) -> None:
        for digest in [digest for digest in unknown if digest in opened.small]:
            small.append(Block(unknown.pop(digest), opened.small[digest]))
        for digest in [digest for digest in unknown if digest in opened.places]:
            path, size, span = opened.places[digest]
            placed.setdefault(_Held(path, size), []).append(span)
            del unknown[digest]

    def _open_next(self, unknown: dict[bytes, Cid]) -> list[_Opened] | None:
        """Read one more outline or index that may help; return what has to be looked through again, None if nothing is left."""
        for root in self._candidates([convert_to_v1(cid) for cid in unknown.values()]):
            if root not in self._opened and root not in self._absent:
                return self._open(root)
        for opened in reversed(self._opened.values()):
            while opened.pending:
                place = opened.pending.popleft()
                if isinstance(place, PackEntry):
                    return self._open_pack(opened, place)
                if place not in self._opened and place not in self._absent:
                    return self._open(place)
        return None

    def _candidates(self, keys: list[Cid]) -> Iterator[Cid]:
        """Yield the roots whose outlines may help, the likeliest first."""
        layers = {link for opened in self._opened.values() for link in opened.layers if link.codec == DAG_PB}
        yield from (key for key in keys if key in layers)
        yield from list(reversed(self._expected))
        if len(keys) == 1 and keys[0].codec == DAG_PB:
            yield keys[0]

    def _open(self, root: Cid) -> list[_Opened]:
        with self._client.open("GET", f"/{outline_path(root)}", answers=(200, *_ABSENT)) as response:
            if response.status != 200 or response.media_type in _PAGES:
                self._absent.add(root)
                self._expected.pop(root, None)
                return []
            response.start_reading(limits.MAX_OUTLINE_SIZE)
            outline = read_outline(root, response)
        blocks = {block.cid: block.data for block in outline.blocks}
        small = {block.cid.digest: block.data for block in outline.blocks}
        opened = _Opened(outline, sum(map(len, blocks.values())), blocks, small)
        for blob in outline.blobs if outline.repository else ():
            if blob.link != root:  # what a layer's own outline says is for writers: the file may have got another name since
                opened.layers[blob.link] = _Held(f"/{blob_path(outline.repository, blob.digest)}", blob.size)
        opened.pending += [*opened.layers, *outline.before, *outline.packs]
        self._keep(root, opened)
        changed = [opened]
        if outline.size:
            opened.place(_Held(f"/{delta_path(root)}", outline.size), locate_leaves(root, outline.size, blocks))
        for link, held in opened.layers.items():
            layer = self._opened.get(link)
            if link.codec == RAW or layer is not None:
                target = layer or opened
                target.place(held, locate_leaves(link, held.size, target.blocks))
                changed.append(target)
        for other in list(self._opened.values()):
            if root in other.layers:
                opened.place(other.layers[root], locate_leaves(root, other.layers[root].size, blocks))
        return changed

    def _open_pack(self, opened: _Opened, pack: PackEntry) -> list[_Opened]:
        with self._client.open("GET", f"/{pack_index_path(pack.digest)}", answers=(200, *_ABSENT)) as response:
            if response.status != 200 or response.media_type in _PAGES:
                return []
            index = response.read_all(pack.index_size)
        opened.place(_Held(f"/{pack_path(pack.digest)}", pack.size), decode_index(index, pack.size))
        return [opened]

    def _keep(self, root: Cid, opened: _Opened) -> None:
        self._opened[root] = opened
        self._expected.pop(root, None)
        while len(self._opened) > 1 and sum(other.size for other in self._opened.values()) > limits.MAX_HELD_OUTLINES:
            self._opened.popitem(last=False)

    def _read(self, held: _Held, spans: list[Span]) -> Iterator[tuple[Span, bytes]]:
        """Yield these blocks of a file: by ranges, or from the whole file where they do not work with this server."""
        pending = {span.cid.digest: span for span in spans}
        for read in (self._read_parts, self._read_ranges):
            try:
                for span, data in read(held, list(pending.values())):
                    del pending[span.cid.digest]
                    yield span, data
            except _MisreadRangeError:
                self._takes.discard(read.__name__)
        yield from self._whole.read(held.path, held.size, list(pending.values()))

    def _read_parts(self, held: _Held, spans: list[Span]) -> Iterator[tuple[Span, bytes]]:
        """Yield blocks that stand far apart, many by one request, if the server gives several ranges at once."""
        if "_read_parts" not in self._takes or len(plan_ranges(spans)) <= _FEW_RANGES:
            return
        parts = plan_parts(spans)
        for first in range(0, len(parts), _MOST_PARTS):
            group = parts[first : first + _MOST_PARTS]
            asked = [(part.start, part.end) for part in group]
            with self._client.open("GET", held.path, byte_ranges=asked, answers=(200, 206, 416)) as response:
                if response.status != 206 or response.header("Content-Encoding") not in (None, "identity"):
                    raise _MisreadRangeError
                response.start_reading(sum(end - start for start, end in asked) + (len(asked) + 1) * _MOST_AROUND_A_PART)
                body = _Body(response)
                boundary = read_boundary(response.header("Content-Type") or "")
                for part in group:
                    if boundary is None or body.read_part_head(boundary) != (part.start, part.end - 1, held.size):
                        raise _MisreadRangeError
                    yield from body.read_blocks(part)

    def _read_ranges(self, held: _Held, spans: list[Span]) -> Iterator[tuple[Span, bytes]]:
        if "_read_ranges" not in self._takes:
            return
        for part in plan_ranges(spans):
            whole = part.start == 0 and part.end == held.size
            asked = [] if whole else [(part.start, part.end)]
            with self._client.open("GET", held.path, byte_ranges=asked, answers=(200,) if whole else (200, 206, 416)) as response:
                if not whole:
                    _check_range(response, part, held.size)
                response.start_reading(_with_slack(part.end - part.start))
                yield from _Body(response).read_blocks(part, may_lie=whole)


class WholeFiles:
    """Files that are taken whole, each once: what is not wanted yet waits in a temporary file. Thread-safe."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._spools: dict[str, IO[bytes]] = {}

    def read(self, path: str, size: int, spans: list[Span]) -> Iterator[tuple[Span, bytes]]:
        """Yield these blocks of a file of ``size`` bytes, verified; the file is fetched by the first call."""
        if not spans:
            return
        with self._lock:
            lock = self._locks.setdefault(path, threading.Lock())
        with lock:
            spool = self._spools.get(path) or self._fetch(path, size)
            found = []
            for span in sorted(spans, key=lambda span: span.offset):
                spool.seek(span.offset)
                found.append((span, spool.read(span.size)))
                verify_block(span.cid, found[-1][1])
                if sum(len(data) for _, data in found) > limits.BLOCK_BATCH_SIZE:
                    yield from found
                    found = []
            yield from found

    def close(self) -> None:
        """Delete the temporary files."""
        with self._lock:
            for spool in self._spools.values():
                spool.close()
            self._spools.clear()

    def _fetch(self, path: str, size: int) -> IO[bytes]:
        with ExitStack() as stack:
            try:
                spool = stack.enter_context(tempfile.TemporaryFile())
                received = 0
                with self._client.open("GET", path) as response:
                    if response.media_type in _PAGES:
                        response.require_media_type("application/octet-stream")
                    for piece in response.chunks(_with_slack(size)):
                        spool.write(piece)
                        received += len(piece)
            except OSError as error:
                raise UnavailableError(
                    f"a file of {self._client.name} cannot be stored", why=error.strerror or str(error)
                ) from error
            if received != size:
                raise UnavailableError(f"{self._client.name} has a file of the wrong size", why=f"{received} bytes, not {size}")
            stack.pop_all()
        self._spools[path] = spool
        return spool


class _Body:
    """The body of an answer, read piece by piece."""

    def __init__(self, response: HttpResponse) -> None:
        self._response = response

    def read_blocks(self, part: Range, *, may_lie: bool = False) -> Iterator[tuple[Span, bytes]]:
        """Yield the blocks of a range that begins here.

        Where one does not match, raise `_MisreadRangeError`: a server may be off by some bytes, and the whole file decides. With
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
                raise _MisreadRangeError from None
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
                stated = _CONTENT_RANGE.fullmatch(value.strip().decode("latin-1"))
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


def read_boundary(content_type: str) -> bytes | None:
    """Return the boundary of ``multipart/byteranges``; None for any other type."""
    found = _BOUNDARY.fullmatch(content_type.strip())
    return found[1].strip('"').encode() if found else None


def _with_slack(size: int) -> int:
    """Return how long the body of so many bytes may be stated to be: a host may compress it, which can make it longer."""
    return size + size // 64 + limits.KIB


def _check_range(response: HttpResponse, part: Range, size: int) -> None:
    """Raise `_MisreadRangeError` unless the answer is exactly the range that was asked for."""
    stated = _CONTENT_RANGE.fullmatch((response.header("Content-Range") or "").strip())
    if (
        response.status != 206
        or response.header("Content-Encoding") not in (None, "identity")
        or stated is None
        or (int(stated[1]), int(stated[2])) != (part.start, part.end - 1)
        or stated[3] not in ("*", str(size))
    ):
        raise _MisreadRangeError
