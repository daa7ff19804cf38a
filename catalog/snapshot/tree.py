"""The tree of ``releases.ndjson``, cut by content, so that the same releases have the same root whatever the order of edits.

A leaf (raw) ends after a line when the sha256 of its ``name@version`` begins with five zero bits (32 lines on average), or before
it would exceed 1 MiB. A node of any level ends after a link whose CID ends with a zero byte (256 links on average), or at 1024
links. Levels are added until one link is left, the root. No release: the empty leaf.

Considered: a plain balanced file (one insertion moves every later cut), an IPLD map or HAMT of releases (no longer a file that
``ipfs cat`` shows), a B-tree (its shape depends on the order of edits). Chosen: this tree, because a changed release changes one
leaf and the few nodes above it, and every IPFS tool can read the file.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from catalog.ipld.block import Put
from catalog.limits import MAX_FANOUT, MAX_SNAPSHOT_LEAF_SIZE
from catalog.snapshot.line import Key
from catalog.unixfs.file import FileLink, file_node, raw_leaf

_LEAF_ENDS_BELOW = 1 << 3  # the first byte of a digest: five zero bits
_NODE_ENDS_BELOW = 1  # the last byte of a CID: eight zero bits


@dataclass(slots=True)
class _Level:
    """The open node of one level. ``closed``: it ends here, but is made only once something follows (one link alone is the
    root).
    """

    links: list[FileLink] = field(default_factory=list)
    closed: bool = False
    passed: bool = False  # something of this level stands in the level above already


class TreeBuilder:
    """Builds a tree from lines, or whole subtrees of an older tree, in their order; passes blocks to ``put``, children first.

    The level of a subtree is the number of nodes above its leaves (a leaf has level 0).
    """

    def __init__(self, put: Put) -> None:
        self._put = put
        self._lines: list[bytes] = []
        self._size = 0
        self._levels = [_Level()]

    def add_line(self, key: Key, line: bytes) -> None:
        """Append a line, its LF included."""
        if self._size + len(line) > MAX_SNAPSHOT_LEAF_SIZE:
            self._end_leaf()
        self._lines.append(line)
        self._size += len(line)
        if ends_leaf(key):
            self._end_leaf()

    def add_subtree(self, level: int, link: FileLink) -> bool:
        """Append a subtree of an older tree, if a leaf and a node of every level below ``level`` end here; return whether they did.

        The subtree has to end as its content demands, or to be the last of all. Where False is returned, its lines have to follow
        by other calls: a node that is complete is made as soon as it is known that something follows it.
        """
        if self._lines:
            return False
        for below in range(level):
            state = self._level(below)
            if state.links and not state.closed:
                return False
            if state.links:
                self._wrap(below)  # becomes a link of the level above, which need not end with it
        for below in range(level):
            self._levels[below].passed = True
        self._push(level, link)
        return True

    def finish(self) -> FileLink:
        """Close the open nodes and return the root. A root over one link remains only if it came from `add_subtree`."""
        if self._lines:
            self._end_leaf()
        level = 0
        while self._levels[level].passed or len(self._levels[level].links) > 1:
            if self._levels[level].links:
                self._wrap(level)
            level += 1
        if self._levels[level].links:
            return self._levels[level].links[0]
        block, link = raw_leaf(b"")
        self._put(block)
        return link

    def _end_leaf(self) -> None:
        block, link = raw_leaf(b"".join(self._lines))
        self._put(block)
        self._lines.clear()
        self._size = 0
        self._push(0, link)

    def _push(self, level: int, link: FileLink) -> None:
        if self._level(level).closed:
            self._wrap(level)
        state = self._levels[level]
        state.links.append(link)
        state.closed = link.cid.binary[-1] < _NODE_ENDS_BELOW or len(state.links) == MAX_FANOUT

    def _wrap(self, level: int) -> None:
        state = self._levels[level]
        block, link = file_node(state.links)
        self._put(block)
        state.links.clear()
        state.closed, state.passed = False, True
        self._push(level + 1, link)

    def _level(self, level: int) -> _Level:
        while len(self._levels) <= level:
            self._levels.append(_Level())
        return self._levels[level]


def ends_leaf(key: Key) -> bool:
    """Return whether the line of this release is the last of its leaf."""
    return hashlib.sha256(f"{key[0]}@{key[1]}".encode()).digest()[0] < _LEAF_ENDS_BELOW


def build_tree(lines: Iterable[tuple[Key, bytes]], put: Put) -> FileLink:
    """Store all lines, sorted by key."""
    builder = TreeBuilder(put)
    for key, line in lines:
        builder.add_line(key, line)
    return builder.finish()
