"""Write an archive as a DAG of blocks.

Each chunk is one zstd frame and each frame one raw leaf; the leaves of a layer form a balanced UnixFS file, the layer's sub-DAG;
the archive's root links metadata, layer, leaf (padding and the next header), layer, …, leaf (padding and the end). Concatenated
frames are one valid zstd stream, so the UnixFS file is the archive's ``tar.zst``. Source: docs/formats/image.md, section 5.
"""

import hashlib
import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from catalog.errors import ArchiveError
from catalog.image.canonical import lay_out_archive
from catalog.image.chunking import LayerCutter, cut_metadata
from catalog.image.config import parse_config
from catalog.image.encoder import check_encoder, compress_chunk
from catalog.image.hashing import LayerDigest
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid, cid_of
from catalog.model.digest import ConfigDigest, DiffID, ManifestDigest
from catalog.unixfs.file import FileLink, file_node
from catalog.unixfs.file_writer import FileTree

_THREADS: Final = min(max(os.cpu_count() or 2, 2), 4)
_BATCH_SIZE: Final = 512 * 1024  # content that one task compresses, about: many chunks are small
_BATCH_ENTRIES: Final = 64
_MAX_IN_FLIGHT: Final = 8 * 1024 * 1024  # content waiting to be compressed


class FrameRef(NamedTuple):
    """A stored frame: its CID and its size."""

    cid: Cid
    size: int


class ChunkSink(Protocol):
    """Receives the blocks of an archive.

    One thread calls it. Blocks may be made durable later, but before the archive counts as stored; one may be put more than once.
    """

    def find_frame(self, content_digest: bytes) -> FrameRef | None:
        """Return the frame that this home's own checked encoder made of the chunk with this sha2-256, if its block is here.

        Frames from outside must never be returned: another encoder's frame of the same bytes would change the CID.
        """
        ...

    def put_frame(self, content_digest: bytes, block: Block) -> None:
        """Keep a frame that was just made of the chunk with this sha2-256, and remember the pair for `find_frame`."""
        ...

    def put_node(self, block: Block) -> None:
        """Keep an inner node."""
        ...


@dataclass(frozen=True, slots=True)
class StoredLayer:
    """A layer whose blocks are in a sink.

    ``size`` is the uncompressed tar, ``stored_size`` the sub-DAG's file (its frames), ``dag_size`` all its blocks.
    """

    diff_id: DiffID
    size: int
    cid: Cid
    stored_size: int
    dag_size: int


@dataclass(frozen=True, slots=True)
class StoredArchive:
    """An archive whose blocks are in a sink.

    ``size`` is the archive as stored (the ``tar.zst``), ``unpacked`` the uncompressed tar, ``dag_size`` all blocks with repetitions
    (the Tsize of a link to it); ``layers`` are in the config's order, repetitions included;
    ``created`` is UTC to the second, or None.
    """

    archive: Cid
    config: ConfigDigest
    manifest: ManifestDigest
    size: int
    unpacked: int
    dag_size: int
    layers: tuple[StoredLayer, ...]
    created: str | None


class LayerWriter:
    """Hash, cut, compress and store one layer as a stream, in bounded memory.

    Compression runs in at most four threads, the layer's own digest in one; the sink is called from the feeding thread only. An
    abandoned writer needs no cleanup: blocks that reached the sink stay there unreferenced.
    """

    def __init__(self, sink: ChunkSink) -> None:
        check_encoder()
        self._frames = _FrameWriter(sink)
        self._cutter = LayerCutter()
        self._digest = LayerDigest()
        self._size = 0

    def feed(self, data: bytes | memoryview) -> None:
        """Feed the layer's next bytes, in pieces of at most a few MiB; those in a mutable buffer are copied before this returns."""
        if not isinstance(data.obj if isinstance(data, memoryview) else data, bytes):
            data = bytes(data)
        self._digest.update(data)
        self._size += len(data)
        for chunk in self._cutter.feed(data):
            self._frames.add(chunk)

    def finish(self) -> StoredLayer:
        """Finish the layer; all its blocks are in the sink afterwards. Call it once."""
        for chunk in self._cutter.finish():
            self._frames.add(chunk)
        if self._size == 0:
            self._frames.add(b"")
        root = self._frames.finish()
        return StoredLayer(DiffID(self._digest.finish()), self._size, root.cid, root.file_size, root.dag_size)


def build_archive(config: bytes, layers: Sequence[StoredLayer], sink: ChunkSink) -> StoredArchive:
    """Store the metadata and the root that join ``layers`` (one for each diffID of the config, in its order).

    Raise `ArchiveError` if config and layers do not belong together or there are more than 511 distinct layers.
    """
    check_encoder()
    image = parse_config(config)
    if image.diff_ids != tuple(layer.diff_id for layer in layers):
        raise ArchiveError("the image config names other layers than these")
    by_diff_id = {layer.diff_id: layer for layer in layers}
    frame = lay_out_archive(config, image.diff_ids, {layer.diff_id: layer.size for layer in layers})
    children = [_store_metadata(frame.head, sink)]
    for position, diff_id in enumerate(frame.diff_ids):
        layer = by_diff_id[diff_id]
        children.append(FileLink(layer.cid, layer.stored_size, layer.dag_size))
        children.append(_store_metadata(frame.gap(position), sink))
    root = children[0]
    if len(children) > 1:
        block, root = file_node(children)
        sink.put_node(block)
    return StoredArchive(
        archive=root.cid,
        config=image.digest,
        manifest=frame.manifest_digest,
        size=root.file_size,
        unpacked=frame.size,
        dag_size=root.dag_size,
        layers=tuple(layers),
        created=image.created,
    )


def _store_metadata(data: bytes, sink: ChunkSink) -> FileLink:
    frames = _FrameWriter(sink)
    for chunk in cut_metadata(data):
        frames.add(chunk)
    return frames.finish()


class _Batch:
    """Chunks that one task compresses, at their position among those whose frames were found."""

    def __init__(self) -> None:
        self.entries: list[tuple[bytes, FrameRef | None]] = []
        self.chunks: list[bytes | memoryview] = []
        self.size = 0
        self.span = 0  # with the chunks whose frames were found: a view keeps the memory of its neighbours
        self.blocks: Future[list[Block]] | None = None


class _FrameWriter:
    """Turn chunks into the leaves of one balanced file: compressed side by side, linked in order."""

    def __init__(self, sink: ChunkSink) -> None:
        self._sink = sink
        self._tree = FileTree(sink.put_node)
        self._batch = _Batch()
        self._queue: deque[_Batch] = deque()
        self._in_flight = 0
        self._pool: ThreadPoolExecutor | None = None

    def add(self, chunk: bytes | memoryview) -> None:
        content_digest = hashlib.sha256(chunk).digest()
        found = self._sink.find_frame(content_digest)
        batch = self._batch
        batch.entries.append((content_digest, found))
        batch.span += len(chunk)
        if found is None:
            batch.chunks.append(chunk)
            batch.size += len(chunk)
        if batch.size >= _BATCH_SIZE or len(batch.entries) >= _BATCH_ENTRIES:
            self._submit()

    def finish(self) -> FileLink:
        if self._pool is None and not self._queue:  # too little work for threads
            self._link(self._batch, _compress(self._batch.chunks))
        else:
            self._submit()
            while self._queue:
                self._drain_one()
        if self._pool is not None:
            self._pool.shutdown()
        return self._tree.finish()

    def _submit(self) -> None:
        batch, self._batch = self._batch, _Batch()
        if batch.chunks:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="compress")
            batch.blocks = self._pool.submit(_compress, batch.chunks)
        self._queue.append(batch)
        self._in_flight += batch.span
        while self._queue and (self._in_flight > _MAX_IN_FLIGHT or self._queue[0].blocks is None or self._queue[0].blocks.done()):
            self._drain_one()

    def _drain_one(self) -> None:
        batch = self._queue.popleft()
        self._in_flight -= batch.span
        self._link(batch, batch.blocks.result() if batch.blocks else [])

    def _link(self, batch: _Batch, blocks: Sequence[Block]) -> None:
        made = iter(blocks)
        for content_digest, found in batch.entries:
            if found is None:
                block = next(made)
                self._sink.put_frame(content_digest, block)
                found = FrameRef(block.cid, len(block.data))
            self._tree.add(FileLink(found.cid, found.size, found.size))


def _compress(chunks: Sequence[bytes | memoryview]) -> list[Block]:
    frames = [compress_chunk(chunk) for chunk in chunks]
    return [Block(cid_of(frame), frame) for frame in frames]
