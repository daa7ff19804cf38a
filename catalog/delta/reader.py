"""Rebuild the blocks of an archive from a delta; each is yielded as soon as it is verified against its CID.

Everything that the delta states is checked against its limits before anything is allocated or inflated; one section and its prefix
are in memory at a time. Every failure is a `DeltaError`: blocks yielded before it are good, the others are fetched as blocks.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import zstandard

from catalog.delta.contents import content_of, content_size, read_blocks
from catalog.delta.header import MIN_PREFIX, DeltaHeader, DeltaSection, decode_header
from catalog.delta.rebuilder import Rebuilder
from catalog.errors import BlockNotFoundError, CodecError, DeltaError, UnavailableError, VerificationError
from catalog.image.encoder import check_encoder
from catalog.image.stream import ByteStream, Piece
from catalog.image.walk import walk
from catalog.ipld.block import Block, BlockSource
from catalog.ipld.cid import Cid
from catalog.ipld.varint import decode_varint
from catalog.limits import (
    MAX_DELTA_HEADER_SIZE,
    MAX_DELTA_NODE_SIZE,
    MAX_DELTA_PREFIX_SIZE,
    MAX_DELTA_WINDOW,
    MAX_LAYERS,
)
from catalog.unixfs.file_reader import read_file

_LEAST_CHUNK: Final = 512  # layers are cut at blocks of a tar
_MAGIC: Final = b"\x28\xb5\x2f\xfd"


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
    """Yield the blocks of archive ``target`` that archive ``base`` lacks, in the target's order, each verified.

    ``pieces`` are the delta file, ``source`` holds the base whole (it should be local), ``unpacked`` and ``size`` are the target's
    by its release, ``file_size`` the delta's if known. Raise `DeltaError` at the first violation,
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
    prefixes = _Base(base, source, header.sections)
    total = sum(section.size for section in header.sections)
    with Rebuilder(prefixes.cids, target, payload_size=total, max_content=unpacked, max_stored=size) as rebuilder:
        for section in header.sections:
            frame = _read_frame(stream, section)
            yield from rebuilder.rebuild(_inflate(frame, section.size, prefixes.read_prefix(section)))
        rebuilder.finish()
    if stream.read(1):
        raise DeltaError("there are bytes after the delta's end")


def is_delta_to(target: Cid, cid: Cid, source: BlockSource) -> bool:
    """Return whether the file ``cid`` begins as a delta to archive ``target``; only its header is read."""
    try:
        header, _ = _read_header(ByteStream(read_file(cid, source, end=MAX_DELTA_HEADER_SIZE + 9)))
    except (VerificationError, UnavailableError):
        return False
    return header.target.digest == target.digest


def _read_header(stream: ByteStream) -> tuple[DeltaHeader, int]:
    try:
        length, start = decode_varint(stream.peek(9))
    except CodecError as error:
        raise DeltaError("this is not a delta", why=f"its header's length: {error.message}") from error
    if length > MAX_DELTA_HEADER_SIZE:
        raise DeltaError(f"the delta's header has {length} bytes", why=f"{MAX_DELTA_HEADER_SIZE} are the most")
    data = stream.read(start + length)[start:]
    if len(data) < length:
        raise DeltaError("the delta is cut short")
    return decode_header(data), start + length


def _check_sizes(sections: Sequence[DeltaSection], unpacked: int) -> None:
    """Check the total of all payloads against the most that the target can have, before the first is read.

    How many nodes it has is known only as they come, so this takes the most that its leaves can need; `Rebuilder` counts exactly.
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
        raise DeltaError("a section of the delta is not a zstd frame")
    try:
        parameters = zstandard.get_frame_parameters(frame)
    except zstandard.ZstdError as error:
        raise DeltaError("a section of the delta is not a zstd frame", why=str(error)) from error
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


def _inflate(frame: bytes, size: int, prefix: bytearray) -> bytes:
    """Return the payload of a section; its size was checked, and is the most that comes out."""
    dictionary = None
    if len(prefix) >= MIN_PREFIX:
        dictionary = zstandard.ZstdCompressionDict(prefix, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    prefix.clear()
    decompressor = zstandard.ZstdDecompressor(dict_data=dictionary, max_window_size=MAX_DELTA_WINDOW)
    try:
        payload = decompressor.decompress(frame, read_across_frames=False, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise DeltaError("a section of the delta is damaged", why=str(error)) from error
    if len(payload) != size:
        raise DeltaError(f"a section of the delta inflates to {len(payload)} bytes, not {size}")
    return payload
