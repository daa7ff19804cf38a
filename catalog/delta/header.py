"""The header of a delta file (format ``dcat-delta/1``).

A delta rebuilds the blocks of a *target* archive that a *base* archive lacks, from contents that are compressed against the base's;
every rebuilt block is verified against its CID, so a delta needs no trust and may come from anyone.
Considered: bsdiff and xdelta of whole archives (memory of several times the image), shipping instructions per file (another parser
of tars from strangers). Chosen: zstd with a prefix of the base's contents, because the stored frames are rebuilt exactly by the
encoder that is part of the image format, and one decoder does all.
Source: docs/formats/delta.md; section 4 lists what is checked before anything is allocated or inflated.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from catalog.errors import CodecError, DeltaError
from catalog.ipld import dag_cbor
from catalog.ipld.cid import Cid
from catalog.ipld.varint import encode_varint
from catalog.limits import (
    KIB,
    MAX_DELTA_HEADER_SIZE,
    MAX_DELTA_PREFIX_BLOCKS,
    MAX_DELTA_SECTION_SIZE,
    MAX_DELTA_SECTIONS,
)

DELTA_FORMAT: Final = "dcat-delta/1"
MIN_PREFIX: Final = 8  # a shorter prefix counts as none: zstd takes none that short
_HEADER_KEYS = {"base", "format", "target", "sections"}
_SECTION_KEYS = {"size", "frame", "prefix"}


class BlockRange(NamedTuple):
    """Blocks of the base, by their place in its order."""

    first: int
    length: int


@dataclass(frozen=True, slots=True)
class DeltaSection:
    """``size`` bytes of payload in a frame of ``frame`` bytes, whose prefix is the contents of ``prefix``."""

    size: int
    frame: int
    prefix: tuple[BlockRange, ...]

    @property
    def prefix_blocks(self) -> Iterator[int]:
        for first, length in self.prefix:
            yield from range(first, first + length)


@dataclass(frozen=True, slots=True)
class DeltaHeader:
    """The header that precedes the frames."""

    base: Cid
    target: Cid
    sections: tuple[DeltaSection, ...]


def encode_header(header: DeltaHeader) -> bytes:
    """Return the beginning of a delta file: the header's length and the header."""
    document = {
        "base": header.base,
        "format": DELTA_FORMAT,
        "target": header.target,
        "sections": [
            {"size": section.size, "frame": section.frame, "prefix": [list(blocks) for blocks in section.prefix]}
            for section in header.sections
        ],
    }
    encoded = dag_cbor.encode(document)
    if len(encoded) > MAX_DELTA_HEADER_SIZE or len(header.sections) > MAX_DELTA_SECTIONS:
        raise DeltaError("the two images differ too much for a delta", why=f"its header would have {len(encoded)} bytes")
    return encode_varint(len(encoded)) + encoded


def decode_header(data: bytes) -> DeltaHeader:
    """Read a header (without its length); raise `DeltaError` for anything but exactly the format's keys within its limits."""
    if len(data) > MAX_DELTA_HEADER_SIZE:
        raise DeltaError(f"the delta's header has {len(data)} bytes", why=f"{MAX_DELTA_HEADER_SIZE} are the most")
    try:
        document = dag_cbor.decode(data)
    except CodecError as error:
        raise DeltaError("the delta's header is not strict DAG-CBOR", why=error.message) from error
    if not isinstance(document, Mapping) or set(document) != _HEADER_KEYS or document["format"] != DELTA_FORMAT:
        raise DeltaError(f"this is not a {DELTA_FORMAT} file")
    base, target, sections = document["base"], document["target"], document["sections"]
    if not isinstance(base, Cid) or not isinstance(target, Cid) or not isinstance(sections, list):
        raise DeltaError("the delta's header names no base, no target or no sections")
    if len(sections) > MAX_DELTA_SECTIONS:
        raise DeltaError(f"the delta has {len(sections)} sections", why=f"{MAX_DELTA_SECTIONS} are the most")
    return DeltaHeader(base, target, tuple(map(_decode_section, sections)))


def max_frame_size(size: int) -> int:
    """Return the most bytes that the frame of a payload of ``size`` bytes may have."""
    return size + size // 128 + KIB


def merge_ranges(indexes: Sequence[int]) -> tuple[BlockRange, ...]:
    """Return ascending indexes as ranges."""
    ranges: list[BlockRange] = []
    for index in indexes:
        if ranges and index == ranges[-1].first + ranges[-1].length:
            ranges[-1] = BlockRange(ranges[-1].first, ranges[-1].length + 1)
        else:
            ranges.append(BlockRange(index, 1))
    return tuple(ranges)


def _decode_section(section: object) -> DeltaSection:
    if not isinstance(section, Mapping) or set(section) != _SECTION_KEYS:
        raise DeltaError("a section of the delta has other keys than its format")
    size, frame, ranges = section["size"], section["frame"], section["prefix"]
    if not _is_count(size) or not _is_count(frame) or not isinstance(ranges, list):
        raise DeltaError("a section of the delta states no sizes")
    if size > MAX_DELTA_SECTION_SIZE:
        raise DeltaError(f"a section of the delta has {size} bytes", why=f"{MAX_DELTA_SECTION_SIZE} are the most")
    if frame > max_frame_size(size):
        raise DeltaError(f"a section of {size} bytes has a frame of {frame}")
    end = blocks = 0
    prefix: list[BlockRange] = []
    for entry in ranges:
        if not isinstance(entry, list) or len(entry) != 2:
            raise DeltaError("a prefix of the delta is not made of ranges")
        first, length = entry
        if type(first) is not int or not _is_count(length) or first < end:
            raise DeltaError("a prefix of the delta has ranges that do not ascend")
        end, blocks = first + length, blocks + length
        if blocks > MAX_DELTA_PREFIX_BLOCKS:
            raise DeltaError(f"a prefix of the delta has more than {MAX_DELTA_PREFIX_BLOCKS} blocks")
        prefix.append(BlockRange(first, length))
    return DeltaSection(size, frame, tuple(prefix))


def _is_count(value: object) -> bool:
    """Return whether this is a plain integer of at least 1."""
    return type(value) is int and value >= 1
