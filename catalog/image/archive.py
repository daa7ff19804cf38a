"""Read images from any export: docker save of every engine, podman and skopeo archives, oci-archives, OCI layouts.

One pass over the stream (`members`), or on demand from a directory (`layout`). Only two things are kept: the config's exact bytes
and the uncompressed layers, each checked against ``rootfs.diff_ids`` (`export`).
"""

from collections.abc import Iterable

from catalog.image.export import Export, ExportedImage
from catalog.image.foreign import HEAD_SIZE, refuse_foreign
from catalog.image.layers import LayerReader, NewLayer
from catalog.image.layout import LayoutMembers, OpenMember
from catalog.image.members import StreamedMembers
from catalog.image.stream import Budget, ByteStream, Piece
from catalog.limits import DEFAULT_MAX_IMAGE_SIZE
from catalog.progress import Progress, silent

__all__ = ["Export", "ExportedImage", "NewLayer", "read_export", "read_layout"]


def read_export(
    chunks: Iterable[Piece],
    new_layer: NewLayer,
    *,
    max_size: int = DEFAULT_MAX_IMAGE_SIZE,
    progress: Progress = silent,
) -> Export:
    """Read a whole export from its bytes in pieces of any size, compressed (gzip, zstd, xz, bzip2) or not.

    ``max_size`` bounds the bytes that are read and inflated in total. Raise `ArchiveError`, whatever the bytes; errors of
    ``chunks`` and of the layer's sink pass through.
    """
    reader = LayerReader(new_layer, Budget(max_size), progress)
    stream = ByteStream(reader.inflate(reader.spend(chunks)))
    refuse_foreign(stream.peek(HEAD_SIZE))
    members = StreamedMembers(reader)
    members.read(stream)
    return Export(members)


def read_layout(
    open_member: OpenMember, new_layer: NewLayer, *, max_size: int = DEFAULT_MAX_IMAGE_SIZE, progress: Progress = silent
) -> Export:
    """Read an OCI layout, only as much as the chosen image needs. Raise `ArchiveError`, whatever it holds."""
    return Export(LayoutMembers(open_member, LayerReader(new_layer, Budget(max_size), progress)))
