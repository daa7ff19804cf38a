"""Where the leaves of a DAG stand in the file that joins them, and which of them are fetched by one request."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from catalog.errors import CodecError
from catalog.ipld.cid import RAW, Cid
from catalog.limits import DEFAULT_MAX_IMAGE_SIZE, MAX_DAG_DEPTH, MAX_FANOUT
from catalog.unixfs.file import FileLink, decode_file_node

_SMALL_GAP: Final = 16 * 1024  # less than what one more request costs on any line
_WASTE_SHARE: Final = 20  # one byte in so many may be one that nobody asked for
_PART_COST: Final = 128  # bytes around each part of an answer of several


class Span(NamedTuple):
    """The bytes of one block in a file."""

    cid: Cid
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Range:
    """One request: bytes ``start`` to ``end`` (exclusive) of a file, and the blocks in it, in their order."""

    start: int
    end: int
    spans: tuple[Span, ...]


def locate_leaves(root: Cid, size: int, nodes: Mapping[Cid, bytes]) -> Iterator[Span]:
    """Yield the leaves of the file under ``root``, which has ``size`` bytes, each distinct one at its first place.

    ``nodes`` are its inner nodes. Raise `CodecError` where one is missing, or is not a node of such a file.
    """
    seen: set[Cid] = set()
    stack: list[Iterator[FileLink]] = [iter((FileLink(root, size, size),))]
    offset = 0
    budget = max(size // 16, MAX_FANOUT)  # links of leaves: real ones have hundreds of bytes
    while stack:
        link = next(stack[-1], None)
        if link is None:
            stack.pop()
            continue
        budget -= 1
        if budget < 0 or offset + link.file_size > min(size, DEFAULT_MAX_IMAGE_SIZE):
            raise CodecError(f"the outline of {root} does not fit its file of {size} bytes")
        if link.cid.codec == RAW:
            if link.cid not in seen:
                seen.add(link.cid)
                yield Span(link.cid, offset, link.file_size)
            offset += link.file_size
            continue
        if len(stack) > MAX_DAG_DEPTH or link.cid not in nodes:
            raise CodecError(f"the outline of {root} lacks one of its nodes")
        node = decode_file_node(link.cid, nodes[link.cid])
        if node.file_size != link.file_size or not node.links:
            raise CodecError(f"the outline of {root} holds a node that contradicts its parent")
        stack.append(iter(node.links))


def plan_ranges(spans: Iterable[Span]) -> list[Range]:
    """Return the ranges, each a request of its own, that bring these blocks of one file.

    Neighbours come in one range. So do blocks with a gap between them, the smallest gaps first, as long as what nobody asked
    for stays below a twentieth of what is asked for: a request costs a round trip, and so do 16 KiB on a slow line.
    """
    ordered = _sort(spans)
    allowed = sum(span.size for span in ordered) // _WASTE_SHARE
    joined: set[int] = set()
    waste = 0
    for gap, place in sorted(_gaps(ordered)):
        if gap > _SMALL_GAP and waste + gap > allowed:
            break
        waste += gap
        joined.add(place)
    return list(_join(ordered, joined))


def plan_parts(spans: Iterable[Span]) -> list[Range]:
    """Return the ranges that bring these blocks where many of them come in one request: only what is asked for, nearly."""
    ordered = _sort(spans)
    return list(_join(ordered, {place for gap, place in _gaps(ordered) if gap <= _PART_COST}))


def _sort(spans: Iterable[Span]) -> list[Span]:
    return sorted(set(spans), key=lambda span: span.offset)


def _gaps(ordered: Sequence[Span]) -> Iterator[tuple[int, int]]:
    for place in range(1, len(ordered)):
        before = ordered[place - 1]
        yield ordered[place].offset - before.offset - before.size, place


def _join(ordered: Sequence[Span], joined: set[int]) -> Iterator[Range]:
    first = 0
    for place in range(1, len(ordered) + 1 if ordered else 0):
        if place == len(ordered) or place not in joined:
            part = tuple(ordered[first:place])
            yield Range(part[0].offset, part[-1].offset + part[-1].size, part)
            first = place
