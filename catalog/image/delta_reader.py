"""Rebuild the blocks of an archive from a delta, giving each as soon as it matched its CID.

Nothing is allocated or inflated before what the delta states was held against its limits; one section and its prefix are in memory
at a time. Whatever goes wrong is a `DeltaError`: what was given before it is good, the rest has to come as plain blocks.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple

import zstandard

from catalog.blockstores.base import Block, BlockSource
from catalog.errors import BlockNotFoundError, CodecError, DeltaError, VerificationError
from catalog.image.contents import content_of, content_size, read_blocks
from catalog.image.delta import MIN_PREFIX, DeltaHeader, DeltaSection, decode_header
from catalog.image.encoder import check_encoder, compress_chunk
from catalog.image.stream import ByteStream, Piece
from catalog.image.walk import walk
from catalog.ipld.cid import DAG_PB, RAW, Cid, cid_of, verify_block
from catalog.ipld.dag_pb import decode_node
from catalog.ipld.varint import decode_varint
from catalog.limits import (
    MAX_CHUNK_SIZE,
    MAX_DELTA_DEPTH,
    MAX_DELTA_HEADER_SIZE,
    MAX_DELTA_NODE_SIZE,
    MAX_DELTA_PREFIX_SIZE,
    MAX_DELTA_WINDOW,
    MAX_LAYERS,
)
from catalog.unixfs.file import FileLink, decode_file_node
from catalog.unixfs.node import UnixFSType, decode_data

_THREADS: Final = 2
_TASK_SIZE: Final = 512 * 1024  # content that one task compresses, about
_MAX_TASKS: Final = 16
_LEAST_CHUNK = 512  # layers are cut at blocks of a tar
_MAGIC = b"\x28\xb5\x2f\xfd"
_VARINT = re.compile(rb"[\x80-\xff]{0,8}[\x00-\x7f]", re.DOTALL)


def read_delta(
    pieces: Iterable[Piece],
    base: Cid,
    target: Cid,
    source: BlockSource,
    *,
    unpacked: int,
    size: int,
    file_size: int | None = None,
) -> Iterator[Block]:
    """Give the blocks of archive ``target`` that archive ``base`` lacks, in the target's order, each verified.

    ``pieces`` are the delta file, ``source`` holds the base whole (it should be local), ``unpacked`` and ``size`` are the target's
    by its release, ``file_size`` the delta's where it is known. Raises `DeltaError` at the first thing that is wrong,
    `EncoderError` where this process cannot make stored frames; what ``pieces`` raises passes through.
    """
    check_encoder()
    stream = ByteStream(pieces)
    header, head_size = _read_header(stream)
    if header.base != base or header.target != target or base == target:
        raise DeltaError("the delta is for other archives than the ones asked for")
    whole = head_size + sum(section.frame for section in header.sections)
    if file_size is not None and file_size != whole:
        raise DeltaError(f"the delta has {file_size} bytes; its header says {whole}")
    _check_sizes(header.sections, unpacked)
    with _Rebuilder(_Base(base, source, header.sections), target, unpacked=unpacked, size=size) as rebuilder:
        for section in header.sections:
            yield from rebuilder.rebuild(section, _read_frame(stream, section))
        rebuilder.finish()
    if stream.read(1):
        raise DeltaError("something stands behind the delta's end")


def _read_header(stream: ByteStream) -> tuple[DeltaHeader, int]:
    start = _VARINT.match(stream.peek(9))
    if start is None:
        raise DeltaError("this is no delta", why="it does not begin with its header's length")
    length = _decode_length(start[0])
    if length > MAX_DELTA_HEADER_SIZE:
        raise DeltaError(f"the delta's header has {length} bytes", why=f"{MAX_DELTA_HEADER_SIZE} are the most")
    stream.read(len(start[0]))
    data = stream.read(length)
    if len(data) < length:
        raise DeltaError("the delta is cut short")
    return decode_header(data), len(start[0]) + length


def _check_sizes(sections: Sequence[DeltaSection], unpacked: int) -> None:
    """Hold all payloads together against what the target can have at most, before the first is read.

    How many nodes it has is known only as they come, so this takes the most that its leaves can need; `_Rebuilder` counts exactly.
    """
    nodes = 2 + 2 * MAX_LAYERS + unpacked // (_LEAST_CHUNK * 512)
    total = sum(section.size for section in sections)
    if total > unpacked + nodes * MAX_DELTA_NODE_SIZE:
        raise DeltaError(f"the delta states {total} bytes for an archive of {unpacked}")


def _read_frame(stream: ByteStream, section: DeltaSection) -> bytes:
    """Read a section's frame and check what its header states."""
    frame = stream.read(section.frame)
    if len(frame) < section.frame:
        raise DeltaError("the delta is cut short")
    if frame[:4] != _MAGIC:
        raise DeltaError("a section of the delta is no zstd frame")
    try:
        parameters = zstandard.get_frame_parameters(frame)
    except zstandard.ZstdError as error:
        raise DeltaError("a section of the delta is no zstd frame", why=str(error)) from error
    if parameters.content_size != section.size:
        raise DeltaError(f"a section of {section.size} bytes has a frame of another content size")
    if parameters.window_size > MAX_DELTA_WINDOW:
        raise DeltaError(
            f"a section's frame needs a window of {parameters.window_size} bytes", why=f"{MAX_DELTA_WINDOW} are the most"
        )
    if parameters.dict_id or parameters.has_checksum:
        raise DeltaError("a section's frame has a checksum or a dictionary")
    return frame


class _Base:
    """The base's blocks in its order, and prefixes of their contents."""

    def __init__(self, base: Cid, source: BlockSource, sections: Sequence[DeltaSection]) -> None:
        self._source = source
        try:
            self._cids = [block.cid for block in walk(base, source)]
        except (BlockNotFoundError, VerificationError) as error:
            raise DeltaError("the delta's base is not here whole", why=error.message) from error
        self.cids = frozenset(self._cids)
        for section in sections:
            if section.prefix and section.prefix[-1].first + section.prefix[-1].length > len(self._cids):
                raise DeltaError(f"the delta names blocks of its base beyond the {len(self._cids)} that it has")
        self._left = 4 * sum(section.size for section in sections) + MAX_DELTA_PREFIX_SIZE

    def read_prefix(self, section: DeltaSection) -> bytearray:
        """Join the contents of a section's prefix; each is counted by what it states before it is inflated."""
        prefix = bytearray()
        cids = [self._cids[index] for index in section.prefix_blocks]
        try:
            for block in read_blocks(cids, self._source):
                size = content_size(block)
                self._left -= size
                if len(prefix) + size > MAX_DELTA_PREFIX_SIZE or self._left < 0:
                    break
                prefix += content_of(block)
            else:
                return prefix
        except (BlockNotFoundError, VerificationError) as error:
            raise DeltaError("the delta's base is not here whole", why=error.message) from error
        raise DeltaError("the delta's prefixes are too large", why=f"{MAX_DELTA_PREFIX_SIZE} bytes are the most for one")


class _Rebuilt(NamedTuple):
    """Blocks that match, and the first that does not."""

    blocks: Sequence[Block]
    mismatch: Cid | None


class _Rebuilder:
    """Walk the target from its root; each block that neither the base has nor was rebuilt takes the next content."""

    def __init__(self, base: _Base, target: Cid, *, unpacked: int, size: int) -> None:
        self._base = base
        self._seen = {target}
        self._wanted: list[Iterator[FileLink]] = [iter((FileLink(target, 0, 0),))]
        self._payload_left = unpacked
        self._stored_left = size
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="rebuild")
        self._queue: deque[Future[_Rebuilt]] = deque()
        self._task: list[tuple[Cid, memoryview]] = []
        self._task_size = 0

    def __enter__(self) -> "_Rebuilder":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def rebuild(self, section: DeltaSection, frame: bytes) -> Iterator[Block]:
        """Give the blocks of one section."""
        payload = _inflate(frame, section.size, self._base.read_prefix(section))
        failure: DeltaError | None = None
        try:
            for content in _split(payload):
                yield from self._take(content)
        except DeltaError as error:  # what came before it may still match
            failure = error
        yield from self._drain()
        if failure is not None:
            raise failure

    def finish(self) -> None:
        """Raise `DeltaError` where blocks of the target are still missing."""
        if self._next_wanted() is not None:
            raise DeltaError("the delta lacks blocks of its target")

    def _take(self, content: memoryview) -> Iterator[Block]:
        link = self._next_wanted()
        if link is None:
            raise DeltaError("the delta has more contents than its target lacks blocks")
        if link.cid.codec == RAW:
            if len(content) > MAX_CHUNK_SIZE:
                raise DeltaError(f"a leaf of the delta has {len(content)} bytes", why=f"{MAX_CHUNK_SIZE} are the most")
            self._payload_left -= len(content)
            if self._payload_left < 0:
                raise DeltaError("the delta's leaves hold more than its target")
            self._task.append((link.cid, content))
            self._task_size += len(content)
            if self._task_size >= _TASK_SIZE:
                self._submit()
            while len(self._queue) > _MAX_TASKS:
                yield from self._collect()
            return
        if len(content) > MAX_DELTA_NODE_SIZE:
            raise DeltaError(f"a node of the delta has {len(content)} bytes", why=f"{MAX_DELTA_NODE_SIZE} are the most")
        if len(self._wanted) > MAX_DELTA_DEPTH:
            raise DeltaError(f"the delta's target is deeper than {MAX_DELTA_DEPTH} nodes")
        node = bytes(content)
        links = _read_links(link, node)
        self._submit()
        done: Future[_Rebuilt] = Future()
        done.set_result(_Rebuilt([Block(link.cid, node)], None))
        self._queue.append(done)
        self._wanted.append(iter(links))

    def _next_wanted(self) -> FileLink | None:
        while self._wanted:
            for link in self._wanted[-1]:
                if len(self._wanted) > 1:
                    if link.cid in self._seen or link.cid in self._base.cids:
                        continue
                    self._seen.add(link.cid)
                elif link.cid in self._base.cids:
                    continue
                return link
            self._wanted.pop()
        return None

    def _submit(self) -> None:
        if self._task:
            self._queue.append(self._pool.submit(_rebuild_leaves, self._task))
            self._task, self._task_size = [], 0

    def _drain(self) -> Iterator[Block]:
        self._submit()
        while self._queue:
            yield from self._collect()

    def _collect(self) -> Iterator[Block]:
        blocks, mismatch = self._queue.popleft().result()
        for block in blocks:
            if block.cid.codec == RAW:
                self._stored_left -= len(block.data)
                if self._stored_left < 0:
                    raise DeltaError("the delta's leaves are larger than its target")
            yield block
        if mismatch is not None:
            raise DeltaError(f"a content of the delta is not block {mismatch}")


def _split(payload: bytes) -> Iterator[memoryview]:
    """Give the contents of a section's payload, each behind its length."""
    view = memoryview(payload)
    offset = 0
    while offset < len(payload):
        length = _VARINT.match(payload, offset)
        if length is None:
            raise DeltaError("a section of the delta has no length where a content should begin")
        start = length.end()
        offset = start + _decode_length(length[0])
        if offset > len(payload):
            raise DeltaError("a content of the delta goes beyond its section")
        yield view[start:offset]


def _rebuild_leaves(task: Sequence[tuple[Cid, memoryview]]) -> _Rebuilt:
    blocks: list[Block] = []
    for cid, content in task:
        frame = compress_chunk(content)
        if cid_of(frame) != cid:
            return _Rebuilt(blocks, cid)
        blocks.append(Block(cid, frame))
    return _Rebuilt(blocks, None)


def _read_links(link: FileLink, node: bytes) -> tuple[FileLink, ...]:
    """Check a rebuilt node, and give what it links: a strict UnixFS file node, nothing else."""
    try:
        verify_block(link.cid, node)
        decoded = decode_file_node(link.cid, node)
        message = decode_data(decode_node(node).data or b"")
    except VerificationError as error:
        raise DeltaError(f"a content of the delta is not block {link.cid}", why=error.message) from error
    if link.file_size and decoded.file_size != link.file_size:
        raise DeltaError(f"node {link.cid} holds {decoded.file_size} bytes of its file, its parent says {link.file_size}")
    strict = message.type is UnixFSType.FILE and message.data is None and decoded.links
    if not strict or any(child.cid.version != 1 or child.cid.codec not in (RAW, DAG_PB) for child in decoded.links):
        raise DeltaError(f"node {link.cid} is no node of an archive")
    return decoded.links


def _inflate(frame: bytes, size: int, prefix: bytearray) -> bytes:
    """Give the payload of a section; its size was checked, and is the most that comes out."""
    dictionary = None
    if len(prefix) >= MIN_PREFIX:
        dictionary = zstandard.ZstdCompressionDict(bytes(prefix), dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    prefix.clear()
    decompressor = zstandard.ZstdDecompressor(dict_data=dictionary, max_window_size=MAX_DELTA_WINDOW)
    try:
        payload = decompressor.decompress(frame, read_across_frames=False, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise DeltaError("a section of the delta is damaged", why=str(error)) from error
    if len(payload) != size:
        raise DeltaError(f"a section of the delta inflates to {len(payload)} bytes, not {size}")
    return payload


def _decode_length(text: bytes) -> int:
    try:
        return decode_varint(text)[0]
    except CodecError as error:
        raise DeltaError("a length in the delta is malformed", why=error.message) from error
