"""Which blocks of a DAG a CAR holds: the path first, then what `dag-scope` and `entity-bytes` say.

Source: ipfs/specs, trustless-gateway.md ("dag-scope", "entity-bytes", "order", "dups"). Blocks come depth first, a node before its
children. A block that lies outside the bytes asked for is not read, so it need not be here. Every walk is iterative and bounded:
depth, and the number of blocks, since with duplicates a few blocks can unfold to any number.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from catalog.errors import CodecError, NotFoundError
from catalog.ipld import dag_cbor
from catalog.ipld.block import Block, BlockSource
from catalog.ipld.cid import DAG_CBOR, DAG_PB, RAW, Cid
from catalog.ipld.dag_pb import decode_node
from catalog.limits import MAX_CAR_BLOCKS, MAX_DAG_DEPTH
from catalog.unixfs.directory import find_entry
from catalog.unixfs.file import decode_file_node
from catalog.unixfs.hamt import SubShard, decode_shard
from catalog.unixfs.node import UnixFSType, decode_data

Scope = Literal["block", "entity", "all"]


class PathNotFoundError(NotFoundError):
    """A path leads nowhere."""

    code = "path-not-found"


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes ``first`` to ``last`` of a file, both included; a negative number counts from its end, ``last`` None is its end."""

    first: int
    last: int | None

    def clamp(self, size: int) -> tuple[int, int]:
        """Give the range as (start, stop) within a file of ``size`` bytes; equal where nothing of it lies within."""
        start = max(size + self.first if self.first < 0 else self.first, 0)
        last = size - 1 if self.last is None else size + self.last if self.last < 0 else self.last
        stop = min(last + 1, size)
        return (start, stop) if start < stop else (0, 0)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path leads: to block ``cid``, by way of the blocks ``path``; within a DAG-CBOR block maybe to a part, ``value``."""

    cid: Cid
    path: tuple[Cid, ...]
    value: dag_cbor.Value = None


def follow(root: Cid, path: Sequence[str], source: BlockSource) -> Place:
    """Go from ``root`` down ``path``; raise `PathNotFoundError` where a part does not exist."""
    if len(path) > MAX_DAG_DEPTH:
        raise PathNotFoundError(f"a path has at most {MAX_DAG_DEPTH} parts")
    cid, rest = root, list(path)
    passed: list[Cid] = []
    while rest:
        if cid.codec == DAG_CBOR:
            value = _descend(dag_cbor.decode(source.get(cid)), rest)
            if not isinstance(value, Cid):
                return Place(cid, tuple(passed), value)
            passed.append(cid)
            cid = value
            continue
        recorder = _Recorder(source)
        entry = find_entry(cid, rest.pop(0), recorder) if cid.codec == DAG_PB and _is_directory(cid, source) else None
        if entry is None:
            raise PathNotFoundError("the path leads nowhere")
        passed += recorder.read
        cid = entry.cid
    return Place(cid, tuple(passed))


def select(place: Place, source: BlockSource, scope: Scope, byte_range: ByteRange | None, duplicates: bool) -> Iterator[Block]:
    """Give the blocks of a CAR, in its order; raise what the source raises for one that is absent."""
    seen: set[bytes] = set()
    count = 0
    for cid in _walk(place, source, scope, byte_range, None if duplicates else seen):
        if not duplicates:
            if cid.binary in seen:
                continue
            seen.add(cid.binary)
        count += 1
        if count > MAX_CAR_BLOCKS:
            raise CodecError(f"a CAR has at most {MAX_CAR_BLOCKS} blocks here", hint="ask for parts of it")
        yield Block(cid, source.get(cid))


def _walk(place: Place, source: BlockSource, scope: Scope, byte_range: ByteRange | None, seen: set[bytes] | None) -> Iterator[Cid]:
    yield from place.path
    if scope == "all" and byte_range is None:
        yield from _walk_all(place, source, seen)
    elif scope == "block":
        yield place.cid
    else:
        yield from _walk_entity(place.cid, source, byte_range)


def _walk_all(place: Place, source: BlockSource, seen: set[bytes] | None) -> Iterator[Cid]:
    yield place.cid
    links = _links(place.cid, source.get(place.cid)) if place.value is None else _links_of_value(place.value)
    stack = [iter(links)]
    while stack:
        cid = next(stack[-1], None)
        if cid is None:
            stack.pop()
            continue
        if seen is not None and cid.binary in seen:
            continue
        yield cid
        if cid.codec != RAW:
            if len(stack) == MAX_DAG_DEPTH:
                raise CodecError(f"the DAG of {place.cid} is deeper than {MAX_DAG_DEPTH} nodes")
            stack.append(iter(_links(cid, source.get(cid))))


def _walk_entity(cid: Cid, source: BlockSource, byte_range: ByteRange | None) -> Iterator[Cid]:
    kind = _unixfs_type(cid, source.get(cid))
    if kind in (UnixFSType.FILE, UnixFSType.RAW):
        yield from _walk_file(cid, source, byte_range)
    elif kind is UnixFSType.HAMT_SHARD:
        yield from _walk_shards(cid, source)
    else:
        yield cid


def _walk_file(root: Cid, source: BlockSource, byte_range: ByteRange | None) -> Iterator[Cid]:
    yield root
    node = decode_file_node(root, source.get(root))
    start, stop = (0, node.file_size) if byte_range is None else byte_range.clamp(node.file_size)
    stack = [(0, iter(node.links))]
    while stack:
        offset, links = stack.pop()
        link = next(links, None)
        if link is None:
            continue
        stack.append((offset + link.file_size, links))
        if byte_range is not None and not (offset < stop and offset + link.file_size > start):
            continue
        yield link.cid
        if link.cid.codec != RAW:
            if len(stack) == MAX_DAG_DEPTH:
                raise CodecError(f"file {root} is deeper than {MAX_DAG_DEPTH} nodes")
            stack.append((offset, iter(decode_file_node(link.cid, source.get(link.cid)).links)))


def _walk_shards(root: Cid, source: BlockSource) -> Iterator[Cid]:
    stack = [iter((root,))]
    while stack:
        cid = next(stack[-1], None)
        if cid is None:
            stack.pop()
            continue
        yield cid
        if len(stack) == MAX_DAG_DEPTH:
            raise CodecError(f"directory {root} is deeper than {MAX_DAG_DEPTH} nodes")
        node = decode_node(source.get(cid))
        shard = decode_shard(cid, node, decode_data(node.data or b""))
        stack.append(iter(tuple(slot.cid for slot in shard.slots.values() if isinstance(slot, SubShard))))


def _links(cid: Cid, block: bytes) -> Iterable[Cid]:
    if cid.codec == DAG_PB:
        return (link.cid for link in decode_node(block).links)
    return _links_of_value(dag_cbor.decode(block)) if cid.codec == DAG_CBOR else ()


def _links_of_value(value: dag_cbor.Value) -> Iterator[Cid]:
    """Give a value's links in its order; a decoded value is no deeper than `MAX_CBOR_DEPTH`."""
    if isinstance(value, Cid):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _links_of_value(part)


def _descend(value: dag_cbor.Value, rest: list[str]) -> dag_cbor.Value:
    """Take from ``rest`` what lies within a block; give the link or the value that was reached."""
    while rest and not isinstance(value, Cid):
        part = rest.pop(0)
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isascii() and part.isdecimal() and int(part[:10]) < len(value):
            value = value[int(part)]
        else:
            raise PathNotFoundError("the path leads nowhere")
    return value


def _unixfs_type(cid: Cid, block: bytes) -> UnixFSType | None:
    """Tell what a block is; None where it is no UnixFS. A raw block is a file."""
    if cid.codec == RAW:
        return UnixFSType.RAW
    if cid.codec != DAG_PB:
        return None
    try:
        data = decode_node(block).data
        return None if data is None else decode_data(data).type
    except CodecError:
        return None


def _is_directory(cid: Cid, source: BlockSource) -> bool:
    return _unixfs_type(cid, source.get(cid)) in (UnixFSType.DIRECTORY, UnixFSType.HAMT_SHARD)


class _Recorder:
    """A block source that remembers, in order, what was read from it."""

    def __init__(self, source: BlockSource) -> None:
        self._source = source
        self.read: list[Cid] = []

    def get(self, cid: Cid) -> bytes:
        self.read.append(cid)
        return self._source.get(cid)

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        for cid in cids:
            yield Block(cid, self.get(cid))
