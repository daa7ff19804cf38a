"""UnixFS files are read, in whole or in ranges, from any block source.

The walk is iterative and lazy, for balanced trees as for trickle layouts and children of any depth. All claims of a block are
checked against its contents before its bytes are yielded: file sizes, block sizes, the Tsize of raw children, depth, fan-out, and
the whole size against ``max_size``. Children of no bytes are not visited, so the work is bounded by the bytes. A `BlockSource`
guarantees that each block matches its CID.
"""

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from weakref import WeakValueDictionary

from catalog.errors import CodecError
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import RAW, Cid
from catalog.limits import DEFAULT_MAX_IMAGE_SIZE, KIB, MAX_BLOCK_SIZE, MAX_DAG_DEPTH, MAX_READ_AHEAD
from catalog.unixfs.file import FileLink, FileNode, decode_file_node

_NODE_COST = 64 * KIB  # the size of a node of 1024 links


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
    cid: Cid, source: BlockSource, *, start: int = 0, end: int | None = None, max_size: int = DEFAULT_MAX_IMAGE_SIZE
) -> Iterator[bytes]:
    """Yield the pieces of `read_file_batches` one by one, at most `MAX_READ_AHEAD` bytes of them fetched in one request."""
    return split_batches(read_file_batches(cid, source, start=start, end=end, max_size=max_size))


def split_batches(batches: Iterable[deque[bytes]]) -> Iterator[bytes]:
    """Yield the pieces of all ``batches``, which are emptied: no piece is kept here while the caller works."""
    for pieces in batches:
        while pieces:
            yield pieces.popleft()


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
    """Yield the bytes from ``start`` to ``end`` (exclusive; the file's end by default), all pieces of one request at once.

    A piece has at most one block; none is kept here while the caller works. Only blocks of the range are fetched, up to
    ``read_ahead`` bytes of them in one request; memory is about twice that. An ``end`` beyond the file's means its end. Raise
    `CodecError` for a block that is not a file, contradicts itself, or is larger than ``max_size``; what the source raises passes
    through.
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


def _slice(data: bytes, offset: int, start: int, stop: int) -> Iterator[bytes]:
    """Yield the part of a leaf that lies in the range, if it has any bytes."""
    piece = data[max(start - offset, 0) : max(stop - offset, 0)]
    if piece:
        yield piece
