"""Write a delta between two archives of which one store holds every block.

Sections are made one at a time, in the target's order, and go to a file of the caller's as they are made: the header, which
states the size of every frame, is known only at the end and is handed back. Which contents of the base make a section's prefix is
the writer's choice: those that the target lacks, nearest to where the section's own blocks would stand in the base.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, NamedTuple, Protocol

from catalog.blockstores.base import BlockSource
from catalog.errors import DeltaError
from catalog.image.contents import content_of, content_size, read_blocks
from catalog.image.delta import MIN_PREFIX, DeltaHeader, DeltaSection, encode_header, merge_ranges
from catalog.image.walk import WalkedBlock, walk
from catalog.image.zstd import CompressionParameter, ZstdCompressor, ZstdDict
from catalog.ipld.cid import Cid
from catalog.ipld.varint import encode_varint
from catalog.limits import GIB, MAX_DELTA_PREFIX_BLOCKS, MAX_DELTA_PREFIX_SIZE, MAX_DELTA_WINDOW, MIB

WIRE_LEVEL: Final = 3  # of a delta that is made while somebody waits
PUBLISHED_LEVEL: Final = 12  # of one that is made once and fetched often
_MIN_WINDOW_LOG: Final = 10
# At level 12: 40 MB less memory and less time than with its own, for files that are 3 % larger.
_HASH_LOG: Final = 22
_SEARCH_LOG: Final = 4
# Together 2^24, so that zstd's window and buffers are a quarter of what the format allows: deltas are smaller than with twice as
# much (the prefix is nearer), and take less time and memory. Where very much is new, both are doubled: sections are limited.
_SECTION_SIZE: Final = 6 * MIB
_PREFIX_SIZE: Final = 10 * MIB
_VERY_MUCH: Final = GIB  # of new blocks as they are stored


class Output(Protocol):
    """A binary file that is written to."""

    def write(self, data: bytes, /) -> object: ...


@dataclass(frozen=True, slots=True)
class WrittenDelta:
    """A delta file: ``head``, then the frames that were written. ``new_bytes`` are what the new blocks take as they are stored."""

    head: bytes
    size: int
    new_blocks: int
    new_bytes: int


class _NewBlock(NamedTuple):
    """A block that the base lacks, and where it would stand among the base's blocks."""

    cid: Cid
    size: int
    aim: float


def write_delta(
    base: Cid, target: Cid, source: BlockSource, frames: Output, *, level: int = WIRE_LEVEL, max_size: int | None = None
) -> WrittenDelta:
    """Make the delta that rebuilds archive ``target`` from archive ``base``; its frames go to ``frames``.

    Raises `DeltaError` where both are the same, where it would be larger than ``max_size`` (not worth its while), or has more
    sections than the format holds; `BlockNotFoundError` where the source lacks blocks of either.
    """
    if base == target:
        raise DeltaError("an archive needs no delta to itself")
    base_blocks = list(walk(base, source))
    new, lost = _compare(base_blocks, list(walk(target, source)))
    new_bytes = sum(block.size for block in new)
    factor = 2 if new_bytes > _VERY_MUCH else 1
    chooser = _PrefixChooser(base_blocks, lost, source, factor * _PREFIX_SIZE)
    sections: list[DeltaSection] = []
    written = 0
    for payload, aims in _payloads(new, source, factor * _SECTION_SIZE):
        indexes = chooser.choose(aims, len(payload))
        dictionary = _read_prefix([base_blocks[index].cid for index in indexes], source)
        frame = _compress(payload, dictionary, level)
        sections.append(DeltaSection(len(payload), len(frame), merge_ranges(indexes)))
        written += len(frame)
        if max_size is not None and written > max_size:
            raise DeltaError("the two images differ too much for a delta", why=f"it would have more than {max_size} bytes")
        frames.write(frame)
    head = encode_header(DeltaHeader(base, target, tuple(sections)))
    return WrittenDelta(head, len(head) + written, len(new), new_bytes)


def _compare(base: Sequence[WalkedBlock], target: Sequence[WalkedBlock]) -> tuple[list[_NewBlock], list[int]]:
    """Give the target's new blocks, and the indexes of the base's blocks that it lacks.

    New blocks between two common ones stand for the lost ones at the same place; where many stand for many, they are laid over them
    in proportion.
    """
    places = {block.cid: index for index, block in enumerate(base)}
    common = {block.cid for block in target if block.cid in places}
    lost = [index for index, block in enumerate(base) if block.cid not in common]
    marked: list[tuple[int, WalkedBlock]] = []  # each block with the index of the last common one before it
    place = -1
    for block in target:
        place = places.get(block.cid, place)
        if block.cid not in places:
            marked.append((place, block))
    new: list[_NewBlock] = []
    for place, run in groupby(marked, key=lambda pair: pair[0]):
        blocks = [block for _, block in run]
        start = bisect_left(lost, place)
        end = start
        while end < len(lost) and lost[end] == place + 1 + end - start:
            end += 1
        total, done = sum(block.size for block in blocks), 0
        for block in blocks:
            new.append(_NewBlock(block.cid, block.size, place + 0.5 + (end - start) * done / total))
            done += block.size
    return new, lost


def _payloads(new: Sequence[_NewBlock], source: BlockSource, section_size: int) -> Iterator[tuple[bytearray, list[float]]]:
    """Give the payload of each section, and where its blocks would stand in the base."""
    payload, aims = bytearray(), list[float]()
    for block, found in zip(new, read_blocks([block.cid for block in new], source), strict=True):
        content = content_of(found)
        length = encode_varint(len(content))
        if payload and len(payload) + len(length) + len(content) > section_size:
            yield payload, aims
            payload, aims = bytearray(), []
        payload += length
        payload += content
        aims.append(block.aim)
    if payload:
        yield payload, aims


class _PrefixChooser:
    """Choose for each section which of the base's lost blocks it is compressed against."""

    def __init__(self, base: Sequence[WalkedBlock], lost: Sequence[int], source: BlockSource, prefix_size: int) -> None:
        self._lost = lost
        self._sizes = [content_size(block) for block in read_blocks([base[index].cid for index in lost], source)]
        self._prefix_size = prefix_size
        self._spare = MAX_DELTA_PREFIX_SIZE

    def choose(self, aims: Sequence[float], size: int) -> list[int]:
        """Give the indexes of blocks of the base, ascending, for a section of ``size`` bytes."""
        self._spare += 4 * size
        budget = min(self._prefix_size, self._spare)
        order: Sequence[int] = range(len(self._lost))
        if len(self._lost) > MAX_DELTA_PREFIX_BLOCKS or sum(self._sizes) > budget:
            ordered = sorted(aims)
            order = sorted(order, key=lambda position: _distance(self._lost[position], ordered))
        chosen: list[int] = []
        for position in order:
            if self._sizes[position] > budget or len(chosen) == MAX_DELTA_PREFIX_BLOCKS:
                break
            budget -= self._sizes[position]
            self._spare -= self._sizes[position]
            chosen.append(self._lost[position])
        return sorted(chosen)


def _distance(index: int, aims: Sequence[float]) -> float:
    """How far a block of the base is from the nearest of the places that ``aims`` (ascending) names."""
    position = bisect_left(aims, index)
    return min(abs(aims[near] - index) for near in (position - 1, position) if 0 <= near < len(aims))


def _read_prefix(cids: Sequence[Cid], source: BlockSource) -> ZstdDict | None:
    prefix = bytearray()
    for block in read_blocks(cids, source):
        prefix += content_of(block)
    return ZstdDict(prefix, is_raw=True) if len(prefix) >= MIN_PREFIX else None


def _compress(payload: bytearray, prefix: ZstdDict | None, level: int) -> bytes:
    """Give the one frame of a section: its size in it, no checksum, no dictionary ID."""
    reach = len(payload) + (len(prefix) if prefix else 0)
    window_log = (min(reach, MAX_DELTA_WINDOW) - 1).bit_length()
    options: dict[int, int] = {
        CompressionParameter.compression_level: level,
        CompressionParameter.window_log: max(window_log, _MIN_WINDOW_LOG),
        CompressionParameter.enable_long_distance_matching: 1,
        CompressionParameter.content_size_flag: 1,
        CompressionParameter.checksum_flag: 0,
        CompressionParameter.dict_id_flag: 0,
    }
    if level == PUBLISHED_LEVEL:
        options |= {CompressionParameter.hash_log: _HASH_LOG, CompressionParameter.search_log: _SEARCH_LOG}
    return ZstdCompressor(options=options, zstd_dict=prefix.as_prefix if prefix else None).compress(
        payload, ZstdCompressor.FLUSH_FRAME
    )
