"""Turn contents into the blocks of an archive: walk it from its root, and verify every block against the CID that is expected.

Each block that neither the base has nor was rebuilt takes the next content, a leaf through the checked encoder; leaves
are compressed in threads and returned in order. A content that does not match ends the delta.
Source: docs/formats/delta.md, sections 3 and 4.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple

from catalog.errors import CodecError, DeltaError, VerificationError
from catalog.image.encoder import compress_chunk
from catalog.ipld.block import Block
from catalog.ipld.cid import DAG_PB, RAW, Cid, cid_of, verify_block
from catalog.ipld.dag_pb import decode_node
from catalog.ipld.varint import decode_varint
from catalog.limits import MAX_CHUNK_SIZE, MAX_DELTA_DEPTH, MAX_DELTA_NODE_SIZE
from catalog.unixfs.file import FileLink, decode_file_node
from catalog.unixfs.node import UnixFSType, decode_data

_THREADS: Final = 2
_TASK_SIZE: Final = 512 * 1024  # content that one task compresses, about
_MAX_TASKS: Final = 16


class _Rebuilt(NamedTuple):
    """Blocks that match, and the first that does not."""

    blocks: Sequence[Block]
    mismatch: Cid | None


class Rebuilder:
    """Walk the target from its root; each block that neither the base has nor was rebuilt takes the next content."""

    def __init__(self, base: AbstractSet[Cid], target: Cid, *, payload_size: int, max_content: int, max_stored: int) -> None:
        """``base`` are the CIDs of the base's blocks; the new leaves hold at most ``max_content``, stored ``max_stored`` bytes."""
        self._base = base
        self._seen = {target}
        self._wanted: list[Iterator[FileLink]] = [iter((FileLink(target, 0, 0),))]
        self._content_left = max_content
        self._stored_left = max_stored
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="rebuild") if payload_size > _TASK_SIZE else None
        self._queue: deque[Future[_Rebuilt]] = deque()
        self._task: list[tuple[Cid, memoryview]] = []
        self._task_size = 0

    def __enter__(self) -> "Rebuilder":
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def rebuild(self, payload: bytes) -> Iterator[Block]:
        """Yield the blocks of one section's payload, each verified; on a violation those before it, then a `DeltaError`."""
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
        """Raise `DeltaError` if blocks of the target are still missing."""
        if self._next_wanted() is not None:
            raise DeltaError("the delta lacks blocks of its target")

    def _take(self, content: memoryview) -> Iterator[Block]:
        link = self._next_wanted()
        if link is None:
            raise DeltaError("the delta has more contents than its target lacks blocks")
        if link.cid.codec == RAW:
            if len(content) > MAX_CHUNK_SIZE:
                raise DeltaError(f"a leaf of the delta has {len(content)} bytes", why=f"{MAX_CHUNK_SIZE} are the most")
            self._content_left -= len(content)
            if self._content_left < 0:
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
        self._queue.append(_done(_Rebuilt([Block(link.cid, node)], None)))
        self._wanted.append(iter(links))

    def _next_wanted(self) -> FileLink | None:
        while self._wanted:
            for link in self._wanted[-1]:
                if len(self._wanted) > 1:
                    if link.cid in self._seen or link.cid in self._base:
                        continue
                    self._seen.add(link.cid)
                elif link.cid in self._base:
                    continue
                return link
            self._wanted.pop()
        return None

    def _submit(self) -> None:
        if not self._task:
            return
        if self._pool is not None:
            self._queue.append(self._pool.submit(_rebuild_leaves, self._task))
        else:
            self._queue.append(_done(_rebuild_leaves(self._task)))
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
    """Yield the contents of a section's payload, each after its length."""
    view = memoryview(payload)
    offset = 0
    while offset < len(payload):
        try:
            length, start = decode_varint(payload, offset)
        except CodecError as error:
            raise DeltaError("a length in the delta is malformed", why=error.message) from error
        offset = start + length
        if offset > len(payload):
            raise DeltaError("a content of the delta goes beyond its section")
        yield view[start:offset]


def _done(rebuilt: _Rebuilt) -> Future[_Rebuilt]:
    future: Future[_Rebuilt] = Future()
    future.set_result(rebuilt)
    return future


def _rebuild_leaves(task: Sequence[tuple[Cid, memoryview]]) -> _Rebuilt:
    blocks: list[Block] = []
    for cid, content in task:
        frame = compress_chunk(content)
        if cid_of(frame) != cid:
            return _Rebuilt(blocks, cid)
        blocks.append(Block(cid, frame))
    return _Rebuilt(blocks, None)


def _read_links(link: FileLink, node: bytes) -> tuple[FileLink, ...]:
    """Check a rebuilt node, and return what it links: a strict UnixFS file node, nothing else."""
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
        raise DeltaError(f"node {link.cid} is not a node of an archive")
    return decoded.links
