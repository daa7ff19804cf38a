"""UnixFS files are written as balanced trees over leaves.

Levels are filled from the left, a last node of one link remains, levels are added until one link is left; a file of one leaf is
that leaf (profile unixfs-v1-2025 of IPIP-499).
"""

from catalog.ipld.block import Put
from catalog.ipld.car import ByteReader
from catalog.limits import MAX_FANOUT, MIB
from catalog.unixfs.file import FileLink, file_node, raw_leaf

CHUNK_SIZE = MIB  # of plain files, by the profile


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


def _read_chunk(stream: ByteReader, size: int) -> bytes:
    pieces: list[bytes] = []
    missing = size
    while missing and (piece := stream.read(missing)):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)
