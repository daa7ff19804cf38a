"""Read blobs that are pushed: small ones and JSON are kept until a manifest tells what they are, layers are stored as they come.

A blob's role is not known before its manifest. What is large is therefore read as a layer: inflated by its first bytes, whatever
media type it will have, cut and stored in bounded memory.
"""

import hashlib
import json
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from catalog.image.canonical import INDEX_TYPE
from catalog.image.compression import MAGIC_SIZE, CompressionError, detect_compression
from catalog.image.dag import ChunkSink, FrameRef, LayerWriter, StoredLayer
from catalog.image.layers import LayerReader, hash_pieces, without_trace
from catalog.image.stream import Budget, ByteStream, Piece
from catalog.ipld.block import Block
from catalog.limits import MAX_JSON_SIZE, MAX_SMALL_BLOB
from catalog.model.digest import Digest
from catalog.progress import Progress, silent

_BLOBS: Final = "blobs/sha256/"
_MARGIN: Final = 64  # white space allowed before a document

BlobContent = bytes | StoredLayer | CompressionError
"""The bytes of a blob that is kept, the layer that it is, or why it cannot be one."""


@dataclass(frozen=True, slots=True)
class ReadBlob:
    """A blob that was read to its end: its digest, its size as it was sent, and what it is."""

    digest: Digest
    size: int
    content: BlobContent


class BlobReader:
    """Read blobs into a sink. Several threads may use one reader if sink, budget and progress allow it."""

    def __init__(self, sink: ChunkSink, budget: Budget, progress: Progress = silent) -> None:
        self._reader = LayerReader(lambda: LayerWriter(sink), budget, progress)

    def read(self, label: str, size: int | None, pieces: Iterable[Piece], *, keeps: bool = True) -> ReadBlob:
        """Read a blob of ``size`` bytes, None where that is not known; without ``keeps``, as a layer whatever its size.

        Damaged compression is no error yet: the blob may not be a layer. Raise `ArchiveError` where the budget is exceeded, and
        what ``pieces`` and the sink raise.
        """
        count = _Counter()
        stream = ByteStream(self._reader.spend(count.through(pieces)))
        if keeps and (data := _keep(size, stream)) is not None:
            return ReadBlob(Digest(hashlib.sha256(data).digest()), count.bytes, data)
        if detect_compression(stream.peek(MAGIC_SIZE)) is None:  # the digest of a plain layer is its diffID: hashed once
            layer = self._reader.read(label, size or 0, stream.rest(), plain=True)
            return ReadBlob(Digest(layer.diff_id.raw), count.bytes, layer)
        sha256 = hashlib.sha256()
        hashed = ByteStream(hash_pieces(stream.rest(), sha256.update))
        content: BlobContent
        try:
            content = self._reader.read(label, size or 0, hashed.rest())
        except CompressionError as error:
            content = without_trace(error)
        for _ in hashed.rest():
            pass
        return ReadBlob(Digest(sha256.digest()), count.bytes, content)

    def read_kept(self, label: str, data: bytes, *, plain: bool) -> StoredLayer:
        """Store the bytes of a small blob that turned out to be a layer."""
        return self._reader.read(label, len(data), (data,), plain=plain)


def _keep(size: int | None, stream: ByteStream) -> bytes | None:
    """Return the whole blob if it is small or a document, and consume it; else None, and consume nothing."""
    most = MAX_JSON_SIZE if stream.peek(_MARGIN).lstrip()[:1] in (b"{", b"[") else MAX_SMALL_BLOB
    if size is not None and size > most:
        return None
    data = stream.peek(most + 1)
    if len(data) > most:
        return None
    stream.read(len(data))
    return data


class _Counter:
    def __init__(self) -> None:
        self.bytes = 0

    def through(self, pieces: Iterable[Piece]) -> Iterable[Piece]:
        for piece in pieces:
            self.bytes += len(piece)
            yield piece


class LooseMembers:
    """What pushes have in common as the members of an OCI layout: all stand at its top, and its index is what was tagged."""

    remarks: Sequence[str] = ()

    def find_inside(self) -> str:
        return ""

    def find_archive(self) -> str:
        return ""


class LockedSink:
    """A sink that several threads use in turn, under ``lock``."""

    def __init__(self, sink: ChunkSink, lock: "threading.RLock") -> None:
        self._sink = sink
        self._lock = lock

    def find_frame(self, content_digest: bytes) -> FrameRef | None:
        with self._lock:
            return self._sink.find_frame(content_digest)

    def put_frame(self, content_digest: bytes, block: Block) -> None:
        with self._lock:
            self._sink.put_frame(content_digest, block)

    def put_node(self, block: Block) -> None:
        with self._lock:
            self._sink.put_node(block)


def index_tagged(tagged: Iterable[tuple[str, Digest, int]]) -> bytes:
    """Return the index of an OCI layout with media type, digest and size of each manifest."""
    manifests = [{"mediaType": kind, "digest": str(digest), "size": size} for kind, digest, size in tagged]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": manifests}).encode()


def blob_member(digest: Digest) -> str:
    """Return the name of a blob as a member of an OCI layout."""
    return f"{_BLOBS}{digest.hex}"


def member_digest(name: str) -> Digest | None:
    """Return the digest of the blob that a member of an OCI layout is; None for another file of the layout."""
    return Digest(bytes.fromhex(name.removeprefix(_BLOBS))) if name.startswith(_BLOBS) else None
