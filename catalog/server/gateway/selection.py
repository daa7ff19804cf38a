"""Which blocks of a DAG a CAR holds: those of the path first, then what `dag-scope` and `entity-bytes` select.

Source: ipfs/specs, trustless-gateway.md ("dag-scope", "entity-bytes", "order", "dups"). Blocks come depth first, a node before its
children. A block outside the requested bytes is not read, so it need not be here.

Every walk is iterative and bounded by its work, not only by its output: a few nodes that link each other twice have 2^60 paths. A
sub-DAG that was walked is not walked again; with duplicates, where it has to be, the number of repeated small blocks is limited. So
the work of a request is proportional to the bytes of distinct blocks.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from catalog.errors import CodecError, NotFoundError
from catalog.ipld import dag_cbor
from catalog.ipld.block import Block, BlockSource
from catalog.ipld.cid import DAG_CBOR, DAG_PB, RAW, Cid
from catalog.ipld.dag_pb import decode_node
from catalog.limits import MAX_CAR_BLOCKS, MAX_CAR_REPEATS, MAX_DAG_DEPTH, MAX_PATH_WORK, REPEATED_BLOCK_SIZE
from catalog.unixfs.directory import find_entry
from catalog.unixfs.file import FileLink, decode_file_node
from catalog.unixfs.hamt import SubShard, decode_shard
from catalog.unixfs.node import UnixFSType, decode_data

Scope = Literal["block", "entity", "all"]


class PathNotFoundError(NotFoundError):
    """A path leads nowhere."""

    code = "path-not-found"


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes ``first`` to ``last`` of a file, both included; negative numbers count from its end, ``last`` None means its end."""

    first: int
    last: int | None

    def clamp(self, size: int) -> tuple[int, int]:
        """Return the range as (start, stop) within a file of ``size`` bytes, equal where it lies outside."""
        start = max(size + self.first if self.first < 0 else self.first, 0)
        last = size - 1 if self.last is None else size + self.last if self.last < 0 else self.last
        stop = min(last + 1, size)
        return (start, stop) if start < stop else (0, 0)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a path leads: to block ``cid`` by way of the blocks ``path``; within a DAG-CBOR block perhaps to a part, ``value``."""

    cid: Cid
    path: tuple[Cid, ...]
    value: dag_cbor.Value = None


def follow(root: Cid, path: Sequence[str], source: BlockSource) -> Target:
    """Resolve ``path`` from ``root``; raise `PathNotFoundError` where a part does not exist."""
    if len(path) > MAX_DAG_DEPTH:
        raise PathNotFoundError(f"a path may have at most {MAX_DAG_DEPTH} parts")
    cid, rest = root, list(path)
    passed: list[Cid] = []
    reader = _PathReader(source)
    while rest:
        if cid.codec == DAG_CBOR:
            value = _descend(dag_cbor.decode(reader.get(cid)), rest)
            if not isinstance(value, Cid):
                return Target(cid, tuple(passed), value)
            passed.append(cid)
            cid = value
            continue
        if cid.codec != DAG_PB or not _is_directory(cid, reader.get(cid)):
            raise PathNotFoundError("the path leads nowhere")
        reader.read.clear()
        entry = find_entry(cid, rest.pop(0), reader)
        if entry is None:
            raise PathNotFoundError("the path leads nowhere")
        passed += reader.read
        cid = entry.cid
    return Target(cid, tuple(passed))


def select(target: Target, source: BlockSource, scope: Scope, byte_range: ByteRange | None, duplicates: bool) -> Iterator[Block]:
    """Yield the blocks of a CAR, in its order; raise what the source raises for one that is absent."""
    for count, block in enumerate(_Walk(source, duplicates).select(target, scope, byte_range), 1):
        if count > MAX_CAR_BLOCKS:
            raise CodecError(f"a CAR may have at most {MAX_CAR_BLOCKS} blocks here", hint="ask for parts of it")
        yield block


class _Walk:
    """The walk of one CAR. Blocks are yielded as they are entered, each once, or with ``duplicates`` each time."""

    def __init__(self, source: BlockSource, duplicates: bool) -> None:
        self._source = source
        self._duplicates = duplicates
        self._entered: set[bytes] = set()
        self._walked: set[tuple[bytes, int, int]] = set()  # parts of files
        self._repeats = 0

    def select(self, target: Target, scope: Scope, byte_range: ByteRange | None) -> Iterator[Block]:
        for cid in target.path:
            yield from self._enter(cid)
        if scope == "all" and byte_range is None:
            yield from self._all(target)
        elif scope == "block":
            yield from self._enter(target.cid)
        else:
            yield from self._entity(target.cid, byte_range)

    def _enter(self, cid: Cid, data: bytes | None = None) -> Iterator[Block]:
        """Yield a block, unless it was yielded and duplicates are not wanted."""
        if cid.binary not in self._entered:
            self._entered.add(cid.binary)
        elif not self._duplicates:
            return
        block = Block(cid, self._source.get(cid) if data is None else data)
        yield block

    def _count_repeat(self, cid: Cid, size: int) -> None:
        """Count a block that is walked again; raise `CodecError` for too many. Large ones pay for their work with their bytes."""
        if self._duplicates and cid.binary in self._entered and size < REPEATED_BLOCK_SIZE:
            self._repeats += 1
            if self._repeats > MAX_CAR_REPEATS:
                raise CodecError(f"a CAR may repeat at most {MAX_CAR_REPEATS} small blocks here", hint="ask without duplicates")

    def _all(self, target: Target) -> Iterator[Block]:
        data = self._source.get(target.cid)
        yield from self._enter(target.cid, data)
        links = _links(target.cid, data) if target.value is None else _links_of_value(target.value)
        yield from self._below(target.cid, links, _links)

    def _shards(self, root: Cid, data: bytes) -> Iterator[Block]:
        yield from self._enter(root, data)
        yield from self._below(root, _sub_shards(root, data), _sub_shards)

    def _below(self, root: Cid, links: Iterable[Cid], children: Callable[[Cid, bytes], Iterable[Cid]]) -> Iterator[Block]:
        """Yield what ``links`` lead to, depth first; ``children`` returns which links of a block are followed."""
        stack = [iter(links)]
        while stack:
            cid = next(stack[-1], None)
            if cid is None:
                stack.pop()
                continue
            if not self._duplicates and cid.binary in self._entered:
                continue
            data = self._source.get(cid)
            self._count_repeat(cid, len(data))
            yield from self._enter(cid, data)
            if cid.codec != RAW:
                if len(stack) == MAX_DAG_DEPTH:
                    raise CodecError(f"the DAG of {root} is deeper than {MAX_DAG_DEPTH} nodes")
                stack.append(iter(children(cid, data)))

    def _entity(self, cid: Cid, byte_range: ByteRange | None) -> Iterator[Block]:
        data = self._source.get(cid)
        kind = _unixfs_type(cid, data)
        if kind in (UnixFSType.FILE, UnixFSType.RAW):
            yield from self._file(cid, data, byte_range)
        elif kind is UnixFSType.HAMT_SHARD:
            yield from self._shards(cid, data)
        else:
            yield from self._enter(cid, data)

    def _file(self, root: Cid, data: bytes, byte_range: ByteRange | None) -> Iterator[Block]:
        yield from self._enter(root, data)
        node = decode_file_node(root, data)
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
            # The same part of a sub-DAG has the same blocks, wherever it stands in the file. A leaf has no parts, whatever sizes
            # its parents state.
            part = None if link.cid.codec == RAW else (link.cid.binary, *_overlap(offset, link.file_size, start, stop))
            if not self._duplicates and (link.cid.binary in self._entered if part is None else part in self._walked):
                continue
            if part is not None:
                self._walked.add(part)
            data = self._source.get(link.cid)
            self._count_repeat(link.cid, len(data))
            yield from self._enter(link.cid, data)
            if part is not None:
                if len(stack) == MAX_DAG_DEPTH:
                    raise CodecError(f"file {root} is deeper than {MAX_DAG_DEPTH} nodes")
                stack.append((offset, iter(_children(link, data))))


def _overlap(offset: int, size: int, start: int, stop: int) -> tuple[int, int]:
    """Return which bytes of a part of ``size`` bytes at ``offset`` lie within a range, counted from the part's beginning."""
    return max(start - offset, 0), min(stop - offset, size)


def _children(link: FileLink, data: bytes) -> tuple[FileLink, ...]:
    """Return the links of a file's inner node.

    Its size must be what its parent states: else a range could touch any number of nodes, not two a level.
    """
    node = decode_file_node(link.cid, data)
    if node.file_size != link.file_size:
        raise CodecError(f"block {link.cid} holds {node.file_size} bytes of its file, its parent states {link.file_size}")
    return tuple(node.links)


def _sub_shards(cid: Cid, data: bytes) -> tuple[Cid, ...]:
    node = decode_node(data)
    shard = decode_shard(cid, node, decode_data(node.data or b""))
    return tuple(slot.cid for slot in shard.slots.values() if isinstance(slot, SubShard))


def _links(cid: Cid, data: bytes) -> Iterable[Cid]:
    if cid.codec == DAG_PB:
        return (link.cid for link in decode_node(data).links)
    return _links_of_value(dag_cbor.decode(data)) if cid.codec == DAG_CBOR else ()


def _links_of_value(value: dag_cbor.Value) -> Iterator[Cid]:
    """Yield a value's links in order; a decoded value is no deeper than `MAX_CBOR_DEPTH`."""
    if isinstance(value, Cid):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _links_of_value(part)


def _descend(value: dag_cbor.Value, rest: list[str]) -> dag_cbor.Value:
    """Remove from ``rest`` the parts that lie within a block; return the link or the value that they lead to."""
    while rest and not isinstance(value, Cid):
        part = rest.pop(0)
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isascii() and part.isdecimal() and int(part[:10]) < len(value):
            value = value[int(part)]
        else:
            raise PathNotFoundError("the path leads nowhere")
    return value


def _unixfs_type(cid: Cid, data: bytes) -> UnixFSType | None:
    """Return the UnixFS type of a block, None where it has none. A raw block is a file."""
    if cid.codec == RAW:
        return UnixFSType.RAW
    if cid.codec != DAG_PB:
        return None
    try:
        message = decode_node(data).data
        return None if message is None else decode_data(message).type
    except CodecError:
        return None


def _is_directory(cid: Cid, data: bytes) -> bool:
    return _unixfs_type(cid, data) in (UnixFSType.DIRECTORY, UnixFSType.HAMT_SHARD)


class _PathReader:
    """A block source for one path: it records what was read, and limits the bytes that are decoded on the way."""

    def __init__(self, source: BlockSource) -> None:
        self._source = source
        self._size = 0
        self.read: list[Cid] = []

    def get(self, cid: Cid) -> bytes:
        data = self._source.get(cid)
        self._size += len(data)
        if self._size > MAX_PATH_WORK:
            raise PathNotFoundError(f"directories of more than {MAX_PATH_WORK} bytes are not read for one path")
        self.read.append(cid)
        return data

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        for cid in cids:
            yield Block(cid, self.get(cid))
