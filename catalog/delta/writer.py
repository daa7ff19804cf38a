"""Write a delta between two archives; one store holds all blocks of both.

Sections are made one at a time, in the target's order, and go to a file of the caller's as they are made: the header, which
states the size of every frame, is known only at the end and is handed back. Which contents of the base make a section's prefix is
the writer's choice: those that the target lacks, nearest to where the section's own blocks would stand in the base.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Protocol, overload

from catalog.delta.contents import content_of, content_size, read_blocks
from catalog.delta.header import MIN_PREFIX, DeltaHeader, DeltaSection, encode_header, merge_ranges
from catalog.errors import DeltaError
from catalog.image.walk import WalkedBlock, walk
from catalog.image.zstd import CompressionParameter, ZstdCompressor, ZstdDict
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import Cid
from catalog.ipld.varint import encode_varint
from catalog.limits import MAX_DELTA_PREFIX_BLOCKS, MAX_DELTA_PREFIX_SIZE, MAX_DELTA_SECTIONS, MAX_DELTA_WINDOW, MIB

WIRE_LEVEL: Final = 3  # of a delta that is made while somebody waits
PUBLISHED_LEVEL: Final = 12  # of one that is made once and fetched often
_MIN_WINDOW_LOG: Final = 10
# At level 12: 40 MB less memory and less time than with its own, for files that are 3 % larger.
_HASH_LOG: Final = 22
_SEARCH_LOG: Final = 4
# Together 2^24, so that zstd's window and buffers are a quarter of what the format allows: deltas are smaller than with twice as
# much (the prefix is nearer), and take less time and memory. Where very much is new, the last sections are larger: their number is
# limited.
_SECTION_SIZE: Final = 6 * MIB
_PREFIX_SIZE: Final = 10 * MIB
_USUAL_SECTIONS: Final = MAX_DELTA_SECTIONS * 3 // 4  # 4.5 GiB
_LATER_FACTOR: Final = 3
_CID_SIZE: Final = 36


class FrameOutput(Protocol):
    """A binary file that is written to."""

    def write(self, data: bytes, /) -> object: ...


@dataclass(frozen=True, slots=True)
class WrittenDelta:
    """A delta file: ``head``, then the frames that were written. ``new_bytes`` are what the new blocks take as they are stored."""

    head: bytes
    size: int
    new_blocks: int
    new_bytes: int


class _Cids(Sequence[Cid]):
    """Many CIDs in 36 bytes each, where objects would take six times as much: a large image has a hundred thousand blocks."""

    def __init__(self, cids: Iterable[Cid] = ()) -> None:
        self._packed = bytearray()
        for cid in cids:
            self.append(cid)

    def append(self, cid: Cid) -> None:
        self._packed += cid.binary.rjust(_CID_SIZE, b"\0")

    def __len__(self) -> int:
        return len(self._packed) // _CID_SIZE

    @overload
    def __getitem__(self, index: int) -> Cid: ...
    @overload
    def __getitem__(self, index: slice) -> list[Cid]: ...
    def __getitem__(self, index: int | slice) -> Cid | list[Cid]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        return Cid(bytes(self._packed[index * _CID_SIZE : (index + 1) * _CID_SIZE]).removeprefix(b"\0\0"))


class _NewBlocks:
    """The blocks that the base lacks, in the target's order: their stored sizes, and where each would stand among the base's."""

    def __init__(self) -> None:
        self.cids = _Cids()
        self.sizes = array("Q")
        self.aims = array("d")


def write_delta(
    base: Cid, target: Cid, source: BlockSource, frames: FrameOutput, *, level: int = WIRE_LEVEL, max_size: int | None = None
) -> WrittenDelta:
    """Make the delta that rebuilds archive ``target`` from archive ``base``; its frames go to ``frames``.

    Raise `DeltaError` if both are the same, or it would be larger than ``max_size`` (not worth its while), or has more
    sections than the format holds; `BlockNotFoundError` where the source lacks blocks of either.
    """
    if base == target:
        raise DeltaError("an archive needs no delta to itself")
    base_cids = _Cids(block.cid for block in walk(base, source))
    new, lost = _compare(base_cids, walk(target, source))
    chooser = _PrefixChooser(base_cids, lost, source)
    sections: list[DeltaSection] = []
    written = 0
    for payload, aims in _payloads(new, source):
        indexes = chooser.choose(aims, len(payload), _factor(len(sections)) * _PREFIX_SIZE)
        dictionary = _read_prefix([base_cids[index] for index in indexes], source)
        frame = _compress(payload, dictionary, level)
        sections.append(DeltaSection(len(payload), len(frame), merge_ranges(indexes)))
        written += len(frame)
        if max_size is not None and written > max_size:
            raise DeltaError("the two images differ too much for a delta", why=f"it would have more than {max_size} bytes")
        frames.write(frame)
    head = encode_header(DeltaHeader(base, target, tuple(sections)))
    return WrittenDelta(head, len(head) + written, len(new.cids), sum(new.sizes))


def _factor(number: int) -> int:
    """Return how much larger than usual the section of this number is."""
    return 1 if number < _USUAL_SECTIONS else _LATER_FACTOR


def _compare(base: Sequence[Cid], target: Iterable[WalkedBlock]) -> tuple[_NewBlocks, Sequence[int]]:
    """Return the target's new blocks, and the indexes of the base's blocks that it lacks.

    New blocks between two common ones replace the lost ones at the same place; several are spread over several
    in proportion.
    """
    places = {cid: index for index, cid in enumerate(base)}
    is_common = bytearray(len(base))
    new = _NewBlocks()
    behind = array("q")  # for each new block the index of the last common one before it
    place = -1
    for block in target:
        found = places.get(block.cid)
        if found is None:
            new.cids.append(block.cid)
            new.sizes.append(block.size)
            behind.append(place)
        else:
            is_common[found] = 1
            place = found
    lost = array("q", (index for index, common in enumerate(is_common) if not common))
    done = 0
    for place, run in groupby(behind):
        count = sum(1 for _ in run)
        start = bisect_left(lost, place)
        end = start
        while end < len(lost) and lost[end] == place + 1 + end - start:
            end += 1
        sizes = new.sizes[done : done + count]
        total, before = sum(sizes), 0
        for size in sizes:
            new.aims.append(place + 0.5 + (end - start) * before / total)
            before += size
        done += count
    return new, lost


def _payloads(new: _NewBlocks, source: BlockSource) -> Iterator[tuple[bytearray, list[float]]]:
    """Yield the payload of each section, and where its blocks would stand in the base."""
    payload, aims = bytearray(), list[float]()
    number = 0
    for aim, found in zip(new.aims, read_blocks(new.cids, source), strict=True):
        content = content_of(found)
        length = encode_varint(len(content))
        if payload and len(payload) + len(length) + len(content) > _factor(number) * _SECTION_SIZE:
            yield payload, aims
            number += 1
            payload, aims = bytearray(), []
        payload += length
        payload += content
        aims.append(aim)
    if payload:
        yield payload, aims


class _PrefixChooser:
    """Choose for each section which of the base's lost blocks it is compressed against."""

    def __init__(self, base: Sequence[Cid], lost: Sequence[int], source: BlockSource) -> None:
        self._lost = lost
        self._sizes = array("Q", map(content_size, read_blocks(_Cids(base[index] for index in lost), source)))
        self._all = sum(self._sizes)
        self._spare = MAX_DELTA_PREFIX_SIZE

    def choose(self, aims: Sequence[float], size: int, prefix_size: int) -> list[int]:
        """Return the indexes of blocks of the base, ascending, for a section of ``size`` bytes."""
        self._spare += 4 * size
        budget = min(prefix_size, self._spare)
        order: Sequence[int] = range(len(self._lost))
        if len(self._lost) > MAX_DELTA_PREFIX_BLOCKS or self._all > budget:
            ordered = sorted(aims)
            # What is further away has as many nearer ones beside it as are ever taken.
            start = max(0, bisect_left(self._lost, ordered[0]) - MAX_DELTA_PREFIX_BLOCKS)
            end = bisect_left(self._lost, ordered[-1]) + MAX_DELTA_PREFIX_BLOCKS
            order = sorted(order[start:end], key=lambda position: _distance(self._lost[position], ordered))
        chosen: list[int] = []
        for position in order:
            if self._sizes[position] > budget or len(chosen) == MAX_DELTA_PREFIX_BLOCKS:
                break
            budget -= self._sizes[position]
            self._spare -= self._sizes[position]
            chosen.append(self._lost[position])
        return sorted(chosen)


def _distance(index: int, aims: Sequence[float]) -> float:
    """Return how far a block of the base is from the nearest of the places that ``aims`` (ascending) names."""
    position = bisect_left(aims, index)
    return min(abs(aims[near] - index) for near in (position - 1, position) if 0 <= near < len(aims))


def _read_prefix(cids: Sequence[Cid], source: BlockSource) -> ZstdDict | None:
    prefix = bytearray()
    for block in read_blocks(cids, source):
        prefix += content_of(block)
    return ZstdDict(prefix, is_raw=True) if len(prefix) >= MIN_PREFIX else None


def _compress(payload: bytearray, prefix: ZstdDict | None, level: int) -> bytes:
    """Return the one frame of a section: its size in it, no checksum, no dictionary ID."""
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
