"""The DAG of an archive: what writing it needs and what comes out.

Each chunk is one zstd frame and each frame one raw leaf; the leaves of a layer form a balanced UnixFS file, the layer's sub-DAG;
the archive's root links metadata, layer, leaf (padding and the next header), layer, …, leaf (padding and the end). Concatenated
frames are one valid zstd stream, so the UnixFS file is the archive's ``tar.zst``. Source: design.md, section 2 ("The DAG").
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from catalog.blockstores.base import Block
from catalog.digest import ConfigDigest, DiffID, ManifestDigest
from catalog.ipld.cid import Cid
from catalog.platform import Platform


class FrameRef(NamedTuple):
    """A stored frame: its CID and its size."""

    cid: Cid
    size: int


class ChunkSink(Protocol):
    """Where the blocks of an archive go.

    One thread calls it. Blocks may be made durable later, but before the archive counts as stored; one may be put more than once.
    """

    def find_frame(self, content_digest: bytes) -> FrameRef | None:
        """Give the frame that this home's own checked encoder made of the chunk with this sha2-256, if its block is here.

        Frames that came from outside must never be given: another encoder's frame of the same bytes would change the CID.
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
    platform: Platform


class LayerWriter:
    """Hash, cut, compress and store one layer as it flows by; memory is bounded whatever its size.

    Compression runs in at most two threads; the sink is called from the feeding thread only. A writer that is given up is simply
    dropped: blocks that reached the sink stay there unreferenced.
    """

    def __init__(self, sink: ChunkSink) -> None:
        raise NotImplementedError

    def feed(self, data: bytes | memoryview) -> None:
        """Take the layer's next bytes, in pieces of any size; they are copied before this returns."""
        raise NotImplementedError

    def finish(self) -> StoredLayer:
        """End the layer: all its blocks are in the sink. Call it once."""
        raise NotImplementedError


def build_archive(config: bytes, layers: list[StoredLayer], sink: ChunkSink) -> StoredArchive:
    """Store what ties ``layers`` (one for each diffID of the config, in its order) together: the metadata and the root.

    Raises `ArchiveError` where config and layers do not belong together or there are more than 511 distinct layers.
    """
    raise NotImplementedError
