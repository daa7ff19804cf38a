"""Read a stored releases tree: its nodes and leaves, each once, and the position of a release in it."""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator

from catalog.errors import SnapshotError
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import RAW, Cid
from catalog.limits import MAX_DAG_DEPTH, MAX_LINE_SIZE, MAX_SNAPSHOT_LEAF_SIZE
from catalog.snapshot.line import Key, line_key
from catalog.unixfs.file import FileLink, decode_file_node


class UncutError(Exception):
    """The tree is not one of whole lines in levels: it can be read as a file, but not piece by piece."""


class TreeView:
    """Reads one tree from a source; nodes are kept, leaves only by their first key."""

    def __init__(self, source: BlockSource) -> None:
        self._source = source
        self._nodes: dict[Cid, tuple[FileLink, ...]] = {}
        self._first_keys: dict[Cid, Key] = {}

    def height(self, root: FileLink) -> int:
        """Return the number of nodes above the leaves, by the leftmost path."""
        height, link = 0, root
        while link.cid.codec != RAW:
            if height == MAX_DAG_DEPTH:
                raise SnapshotError(f"the releases' tree is deeper than {MAX_DAG_DEPTH} nodes")
            link = self.children(link)[0]
            height += 1
        return height

    def children(self, link: FileLink) -> tuple[FileLink, ...]:
        """Return the links of a node."""
        if link.cid not in self._nodes:
            self._keep(link, self._source.get(link.cid))
        return self._nodes[link.cid]

    def load(self, links: Iterable[FileLink]) -> None:
        """Read many nodes at once."""
        wanted = {link.cid: link for link in links if link.cid not in self._nodes}
        if len(wanted) > 1:
            for cid, data in self._source.get_many(list(wanted)):
                self._keep(wanted[cid], data)

    def leaf(self, link: FileLink) -> bytes:
        """Return a leaf's bytes: whole lines."""
        return check_leaf(link, self._source.get(link.cid))

    def leaves(self, links: Collection[FileLink], batch: int) -> Iterator[tuple[FileLink, bytes]]:
        """Yield the leaves in order, ``batch`` of them in one request."""
        ordered = list(links)
        for start in range(0, len(ordered), batch):
            part = ordered[start : start + batch]
            blocks = dict(self._source.get_many([link.cid for link in part])) if len(part) > 1 else {}
            for link in part:
                data = blocks.pop(link.cid) if link.cid in blocks else self._source.get(link.cid)
                yield link, check_leaf(link, data)

    def first_key(self, link: FileLink) -> Key:
        """Return the key of the first line under ``link``."""
        while link.cid.codec != RAW:
            link = self.children(link)[0]
        if link.cid not in self._first_keys:
            self._first_keys[link.cid] = line_key(self.leaf(link).split(b"\n", 1)[0])
        return self._first_keys[link.cid]

    def last_leaf(self, link: FileLink) -> FileLink:
        """Return the last leaf under ``link``, or ``link`` itself if it is a leaf."""
        while link.cid.codec != RAW:
            link = self.children(link)[-1]
        return link

    def last_key(self, link: FileLink) -> Key:
        """Return the key of the last line under ``link``."""
        return line_key(self.leaf(self.last_leaf(link))[:-1].rsplit(b"\n", 1)[-1])

    def child_of(self, children: Collection[FileLink], key: Key) -> int:
        """Return the index of the child under which ``key`` is, or would be."""
        ordered = tuple(children)
        return max(bisect_right(ordered, key, lo=1, key=self.first_key) - 1, 0)

    def _keep(self, link: FileLink, data: bytes) -> None:
        node = decode_file_node(link.cid, data)
        if not node.links:
            raise UncutError
        if node.file_size != link.file_size:
            raise SnapshotError(f"node {link.cid} of the releases holds {node.file_size} bytes, its parent says {link.file_size}")
        if any(child.file_size == 0 for child in node.links):
            raise SnapshotError(f"node {link.cid} of the releases links a child of no bytes")
        self._nodes[link.cid] = node.links


def check_leaf(link: FileLink, data: bytes) -> bytes:
    """Return a leaf's bytes if they have the size that its parent states, are within the limit, and are whole lines."""
    if len(data) != link.file_size:
        raise SnapshotError(f"leaf {link.cid} of the releases holds {len(data)} bytes, its parent says {link.file_size}")
    if len(data) > MAX_SNAPSHOT_LEAF_SIZE:
        raise SnapshotError(
            f"leaf {link.cid} of the releases holds {len(data)} bytes", why=f"at most {MAX_SNAPSHOT_LEAF_SIZE} are read"
        )
    if data[-1:] != b"\n" or data[:1] != b"{":
        raise UncutError
    return data


def split_lines(leaf: bytes) -> list[bytes]:
    """Return the lines of a leaf of whole lines, without their LFs."""
    lines = leaf[:-1].split(b"\n")
    longest = max(map(len, lines))
    if longest >= MAX_LINE_SIZE:
        raise SnapshotError(f"a line of {longest + 1} bytes", why=f"at most {MAX_LINE_SIZE} are read")
    return lines
