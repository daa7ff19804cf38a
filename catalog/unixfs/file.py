"""UnixFS files: built as balanced trees over leaves, read in whole or in ranges from any block source.

Written: leaves are raw blocks; a node links at most 1024 children, with empty names and exact Tsize, and holds no bytes of its own;
levels are filled from the left, a last node of one link remains, levels are added until one link is left; a file of one leaf is
that leaf (profile unixfs-v1-2025 of IPIP-499, which Kubo follows).

Read: any UnixFS file, also those of older tools (CIDv0, leaves that are dag-pb nodes, trickle layouts, children of any depth).
The walk is iterative and lazy, and all claims of a block are checked against its contents before its bytes are yielded: file sizes,
block sizes, the Tsize of raw children, depth, fan-out, and the whole size against ``max_size``. Children of no bytes are not
visited, so the work is bounded by the bytes. A node with both links and bytes of its own is refused: existing
readers disagree on its content. A `BlockSource` guarantees that each block matches its CID.
Sources: ipfs/specs, src/unixfs.md ("File"); ipip-0499.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple
from weakref import WeakValueDictionary

from catalog.errors import CodecError
from catalog.ipld.block import Block, BlockSource
from catalog.ipld.car import ByteReader
from catalog.ipld.cid import DAG_PB, RAW, Cid, cid_of
from catalog.ipld.dag_pb import PBLink, decode_node, encode_node
from catalog.limits import DEFAULT_MAX_IMAGE_SIZE, KIB, MAX_BLOCK_SIZE, MAX_DAG_DEPTH, MAX_FANOUT, MAX_READ_AHEAD, MIB
from catalog.unixfs.node import UnixFSData, UnixFSType, decode_data, encode_data

CHUNK_SIZE = MIB  # of plain files, by the profile
_NODE_COST = 64 * KIB  # the size of a node of 1024 links

Put = Callable[[Block], None]
"""Receives the blocks of a builder, children before parents."""


class FileLink(NamedTuple):
    """A file's DAG: its root, the file's size, and the size of the DAG (Tsize: all its blocks, each as often as it is linked)."""

    cid: Cid
    file_size: int
    dag_size: int


class FileNode(NamedTuple):
    """One block of a file, decoded: either ``data`` or ``links``, and the file's size. A link's ``dag_size`` is as claimed."""

    links: tuple[FileLink, ...]
    data: bytes
    file_size: int


def raw_leaf(data: bytes) -> tuple[Block, FileLink]:
    """Return a leaf."""
    cid = cid_of(data, RAW)
    return Block(cid, data), FileLink(cid, len(data), len(data))


def file_node(children: Sequence[FileLink]) -> tuple[Block, FileLink]:
    """Return a node over ``children``, in their order."""
    if not 1 <= len(children) <= MAX_FANOUT:
        raise ValueError(f"a file's node has 1 to {MAX_FANOUT} children")
    sizes = tuple(child.file_size for child in children)
    message = UnixFSData(UnixFSType.FILE, filesize=sum(sizes), blocksizes=sizes)
    data = encode_node([PBLink(child.cid, b"", child.dag_size) for child in children], encode_data(message))
    cid = cid_of(data, DAG_PB)
    return Block(cid, data), FileLink(cid, sum(sizes), len(data) + sum(child.dag_size for child in children))


class FileTree:
    """A balanced tree that grows by one child at a time; memory is that of one node a level.

    Nodes are handed to ``put`` as soon as they are full. The children themselves are the caller's: they are only linked.
    """

    def __init__(self, put: Put, *, max_links: int = MAX_FANOUT) -> None:
        self._put = put
        self._max_links = max_links
        self._levels: list[list[FileLink]] = [[]]

    def add(self, child: FileLink) -> None:
        """Append a child: a leaf, or the root of another file, which may be of any depth."""
        level = 0
        self._levels[0].append(child)
        while len(self._levels[level]) == self._max_links:
            self._wrap(level)
            level += 1

    def finish(self) -> FileLink:
        """Close the open nodes and return the whole file; without children, the empty leaf."""
        level = 0
        while True:
            if level == len(self._levels) - 1 and len(self._levels[level]) <= 1:
                break
            if self._levels[level]:
                self._wrap(level)
            level += 1
        if self._levels[level]:
            return self._levels[level][0]
        block, link = raw_leaf(b"")
        self._put(block)
        return link

    def _wrap(self, level: int) -> None:
        block, link = file_node(self._levels[level])
        self._put(block)
        self._levels[level].clear()
        if level + 1 == len(self._levels):
            self._levels.append([])
        self._levels[level + 1].append(link)


def import_file(stream: ByteReader, put: Put, *, chunk_size: int = CHUNK_SIZE) -> FileLink:
    """Store a plain file as ``ipfs add`` does with profile unixfs-v1-2025: chunks of 1 MiB."""
    tree = FileTree(put)
    while chunk := _read_chunk(stream, chunk_size):
        block, leaf = raw_leaf(chunk)
        put(block)
        tree.add(leaf)
    return tree.finish()


def decode_file_node(cid: Cid, block: bytes) -> FileNode:
    """Read one block of a file; raise `CodecError` for a block that is not one, or contradicts itself."""
    if cid.codec == RAW:
        return FileNode((), block, len(block))
    if cid.codec != DAG_PB:
        raise CodecError(f"{cid} is not a UnixFS file")
    links, data = decode_node(block)
    if data is None:
        raise CodecError(f"{cid} is not a UnixFS node")
    message = decode_data(data)
    if message.type not in (UnixFSType.FILE, UnixFSType.RAW):
        raise CodecError(f"{cid} is not a file", why=f"it is a UnixFS {message.type.name.lower().replace('_', ' ')}")
    content = message.data or b""
    if len(links) != len(message.blocksizes):
        raise CodecError(f"file node {cid} has {len(links)} links and {len(message.blocksizes)} block sizes")
    if len(links) > MAX_FANOUT:
        raise CodecError(f"file node {cid} has {len(links)} links", why=f"at most {MAX_FANOUT} are read")
    if links and content:
        raise CodecError(f"file node {cid} has both links and bytes of its own")
    size = len(content) + sum(message.blocksizes)
    if message.filesize is not None and message.filesize != size:
        raise CodecError(f"file node {cid} claims {message.filesize} bytes and holds {size}")
    return FileNode(tuple(_check_link(cid, *pair) for pair in zip(links, message.blocksizes, strict=True)), content, size)


class FileNodes:
    """Decoded inner nodes, shared by all who read files at the same time: one of 1024 links takes 300 KB.

    A node is kept while somebody reads below it, and the last ``keep`` are. Thread-safe.
    """

    def __init__(self, keep: int = 0) -> None:
        self._nodes: WeakValueDictionary[bytes, _Node] = WeakValueDictionary()
        self._last: deque[_Node] = deque(maxlen=keep)

    def decode(self, cid: Cid, block: bytes) -> "_Node":
        """Return the node in a verified block, decoded unless it is kept."""
        node = self._nodes.get(cid.binary)
        if node is None:
            node = self._nodes[cid.binary] = _Node(decode_file_node(cid, block))
            self._last.append(node)
        return node


class _Node:
    """A decoded node, which can be shared."""

    __slots__ = ("__weakref__", "decoded")

    def __init__(self, decoded: FileNode) -> None:
        self.decoded = decoded


def read_file(
    cid: Cid,
    source: BlockSource,
    *,
    start: int = 0,
    end: int | None = None,
    max_size: int = DEFAULT_MAX_IMAGE_SIZE,
    read_ahead: int = MAX_READ_AHEAD,
    nodes: FileNodes | None = None,
) -> Iterator[bytes]:
    """Yield the bytes from ``start`` to ``end`` (exclusive; the file's end by default) in pieces of at most one block.

    Only blocks of the range are fetched, up to ``read_ahead`` bytes of them in one request; memory is about twice that. An ``end``
    beyond the file's means its end. Raise `CodecError` for a block that is not a file, contradicts itself, or is larger than
    ``max_size``; what the source raises passes through.
    """
    for pieces in read_file_batches(cid, source, start=start, end=end, max_size=max_size, read_ahead=read_ahead, nodes=nodes):
        while pieces:
            yield pieces.popleft()  # which is kept by nobody else


def read_file_batches(
    cid: Cid,
    source: BlockSource,
    *,
    start: int = 0,
    end: int | None = None,
    max_size: int = DEFAULT_MAX_IMAGE_SIZE,
    read_ahead: int = MAX_READ_AHEAD,
    nodes: FileNodes | None = None,
) -> Iterator[deque[bytes]]:
    """Yield the pieces that `read_file` yields, all that were fetched in one request at once.

    Nothing of them is kept here while the caller works.
    """
    decode = (nodes or FileNodes()).decode
    shared = decode(cid, source.get(cid))
    root = shared.decoded
    if root.file_size > max_size:
        raise CodecError(f"file {cid} has {root.file_size} bytes", why=f"at most {max_size} are read here")
    stop = root.file_size if end is None else min(end, root.file_size)
    if not root.links:
        yield deque(_slice(root.data, 0, start, stop))
        return
    walk = [_Cursor(shared, 0, start, stop)]
    while walk:
        cursor = walk[-1]
        if not cursor.ready:
            held = sum(above.held for above in walk[:-1])
            if not cursor.fetch(source, read_ahead - held):
                walk.pop()
                continue
        if cursor.ready[0][1].cid.binary[1] == RAW:  # most of them
            yield cursor.pop_leaves()
            continue
        offset, link, data = cursor.pop()
        shared = decode(link.cid, data)
        del data  # which would be kept as long as what is below it
        node = shared.decoded
        if node.file_size != link.file_size:
            raise _other_size(link.cid, node.file_size, link.file_size)
        if not node.links:
            yield deque(_slice(node.data, offset, start, stop))
        elif len(walk) == MAX_DAG_DEPTH:
            raise CodecError(f"file {cid} is deeper than {MAX_DAG_DEPTH} nodes")
        else:
            walk.append(_Cursor(shared, offset, start, stop))


def read_file_size(cid: Cid, source: BlockSource) -> int:
    """Return a file's size, as its root says."""
    return decode_file_node(cid, source.get(cid)).file_size


class _Cursor:
    """The state of a walk in one node: the links that come next, and the children fetched ahead."""

    def __init__(self, node: _Node, offset: int, start: int, stop: int) -> None:
        self._node = node  # as long as somebody has it, others need not decode it
        self._links = node.decoded.links
        self._next = 0
        self._offset = offset
        self._start = start
        self._stop = stop
        self._blocks: dict[bytes, bytes] = {}  # by binary CID: hashing bytes is cheaper than hashing a Cid
        self._repeated = False  # whether a block is more than one of the children fetched ahead
        self.ready: deque[tuple[int, FileLink]] = deque()
        self.held = 0

    def pop(self) -> tuple[int, FileLink, bytes]:
        """Return the offset of the next child that was fetched, its link and its block."""
        offset, link = self.ready.popleft()
        self.held -= _cost(link)
        binary = link.cid.binary
        return (
            offset,
            link,
            self._blocks[binary] if self._repeated else self._blocks.pop(binary),
        )  # which may be kept by nobody else

    def pop_leaves(self) -> deque[bytes]:
        """Return what is in the range of the next children that were fetched and are raw."""
        ready, blocks, start, stop = self.ready, self._blocks, self._start, self._stop
        take = blocks.__getitem__ if self._repeated else blocks.pop
        pieces: deque[bytes] = deque()
        while ready and (binary := ready[0][1].cid.binary)[1] == RAW:
            offset, link = ready.popleft()
            size = link.file_size
            self.held -= size
            if offset >= start and offset + size <= stop:
                pieces.append(take(binary))
            else:
                pieces.extend(_slice(take(binary), offset, start, stop))
        if not ready:
            blocks.clear()  # of repeated ones
        return pieces

    def fetch(self, source: BlockSource, budget: int) -> bool:
        """Fetch the next children in the range, as many as ``budget`` covers but at least one; return ``False`` if none
        is left.
        """
        self._blocks.clear()
        wanted: dict[bytes, FileLink] = {}
        while self._next < len(self._links) and self._offset < self._stop:
            link = self._links[self._next]
            size = link.file_size
            if size and self._offset + size > self._start:
                cost = _cost(link)
                if self.ready and self.held + cost > budget:
                    break
                if wanted.setdefault(link.cid.binary, link).file_size != size:
                    raise CodecError(f"block {link.cid} is linked with two sizes")
                self.ready.append((self._offset, link))
                self.held += cost
            self._next += 1
            self._offset += size
        self._repeated = len(wanted) < len(self.ready)
        for cid, data in _get_all([link.cid for link in wanted.values()], source):
            binary = cid.binary
            if binary[1] == RAW and len(data) != wanted[binary].file_size:
                raise _other_size(cid, len(data), wanted[binary].file_size)
            self._blocks[binary] = data
        return bool(self.ready)


def _cost(link: FileLink) -> int:
    """Return the memory that a child may take: a raw one its size, any other that of a node or a leaf."""
    return link.file_size if link.cid.binary[1] == RAW else max(min(link.file_size, MAX_BLOCK_SIZE), _NODE_COST)


def _other_size(cid: Cid, size: int, stated: int) -> CodecError:
    return CodecError(f"block {cid} holds {size} bytes of its file, its parent says {stated}")


def _get_all(cids: Collection[Cid], source: BlockSource) -> Iterator[tuple[Cid, bytes]]:
    """Yield all of ``cids``; raise the source's own error for one that it lacks."""
    missing = {cid.binary: cid for cid in cids}
    if len(missing) > 1:
        for cid, data in source.get_many(list(cids)):
            missing.pop(cid.binary, None)
            yield cid, data
    for cid in missing.values():
        yield cid, source.get(cid)


def _check_link(parent: Cid, link: PBLink, size: int) -> FileLink:
    if link.name:
        raise CodecError(f"file node {parent} has a link with a name")
    if link.cid.codec == RAW and link.tsize is not None and link.tsize != size:
        raise CodecError(f"file node {parent} says {size} and {link.tsize} bytes of one leaf")
    return FileLink(link.cid, size, link.tsize or 0)


def _read_chunk(stream: ByteReader, size: int) -> bytes:
    pieces: list[bytes] = []
    missing = size
    while missing and (piece := stream.read(missing)):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def _slice(data: bytes, offset: int, start: int, stop: int) -> Iterator[bytes]:
    """Yield the part of a leaf that lies in the range, if it has any bytes."""
    piece = data[max(start - offset, 0) : max(stop - offset, 0)]
    if piece:
        yield piece
