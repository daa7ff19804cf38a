"""The layers of an image applied one on top of the other.

As engines do it: an entry replaces what was at its path (a directory over a directory keeps its content), ``.wh.NAME`` removes
NAME of the layers below, ``.wh..wh..opq`` removes all that they put into its directory. A parent that is a symbolic link is
followed inside the image where the link is of the same layer. One of a layer below becomes a directory: engines unpack each layer
by itself and lay it over the others.
Source: OCI image-spec, layer.md ("Applying Changesets", "Whiteouts").
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from catalog.errors import ArchiveError
from catalog.limits import MAX_IMPLIED_TEXT, MAX_LINK_HOPS, MAX_LINK_STEPS
from catalog.rootfs.entry import Entry, make_directory_entry
from catalog.rootfs.header import normalise_path

_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"
_AUFS: Final = ".wh..wh."  # aufs' own files, which mean nothing


class Node(NamedTuple):
    """An entry of the image as it runs, at its real path, and the number of the layer that it is from, the base being 0.

    ``implied`` is a directory that no layer has an entry for: the path of another entry implies it.
    """

    path: str
    entry: Entry
    layer: int
    implied: bool = False

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


class Tree:
    """The files of an image. The root is the directory ``""``.

    An image is as large as its publisher makes it: a few long paths and links imply very many directories and steps. Raise
    `ArchiveError` where they are more than can be shown.
    """

    def __init__(self, layers: Iterable[Sequence[Entry]] = ()) -> None:
        self._implied = 0
        self._steps = 0
        self._nodes: dict[str, Node] = {"": Node("", make_directory_entry(""), 0, implied=True)}
        self._children: dict[str, dict[str, None]] = {"": {}}
        self._links: set[str] = set()
        self._parents: dict[str, str] = {}
        for number, entries in enumerate(layers):
            self._apply(entries, number)

    def __len__(self) -> int:
        return len(self._nodes) - 1

    def get(self, path: str) -> Node | None:
        """Return the node at a path, no link followed; None if there is none."""
        return self._nodes.get(path)

    def resolve(self, path: str) -> Node | None:
        """Return the node that a path leads to, symbolic links followed inside the image; None where that is nothing."""
        real = self._follow(normalise_path(path))
        return None if real is None else self._nodes.get(real)

    def content_of(self, node: Node) -> Node | None:
        """Return the node that holds a file's bytes: itself, or what a hard link leads to in its layer or below."""
        for _ in range(MAX_LINK_HOPS):
            if node.entry.kind != "hardlink":
                return node if node.entry.kind == "file" else None
            target = normalise_path(node.entry.target)
            parent, _, name = target.rpartition("/")
            real = self._follow(parent)
            found = self._nodes.get(target) or (self._nodes.get(self._join(real, name)) if real is not None else None)
            if found is None or found.path == node.path:
                return None
            node = found
        return None

    def size_of(self, node: Node) -> int:
        """Return the size of a file's content; 0 for what has none."""
        holder = self.content_of(node)
        return holder.entry.size if holder is not None else 0

    def children(self, path: str) -> list[Node]:
        """Return what a directory holds, directories first, then by name."""
        nodes = [self._nodes[self._join(path, name)] for name in self._children.get(path, ())]
        return sorted(nodes, key=lambda node: (node.entry.kind != "directory", node.name))

    def walk(self, path: str = "") -> Iterator[Node]:
        """Yield all nodes below a path, in no order that means anything."""
        waiting = [path]
        while waiting:
            parent = waiting.pop()
            for name in self._children.get(parent, ()):
                node = self._nodes[self._join(parent, name)]
                yield node
                if node.path in self._children:
                    waiting.append(node.path)

    def _apply(self, entries: Sequence[Entry], number: int) -> None:
        for entry in entries:  # a whiteout means the layers below only, wherever it stands in its own
            parent, _, name = entry.path.rpartition("/")
            if not name.startswith(_WHITEOUT):
                continue
            if name == _OPAQUE:
                for child in list(self._children.get(parent, ())):
                    self._remove(self._join(parent, child))
            elif not name.startswith(_AUFS):
                self._remove(self._join(parent, name[len(_WHITEOUT) :]))
        self._parents.clear()
        for entry in entries:
            parent, _, name = entry.path.rpartition("/")
            if name and not name.startswith(_WHITEOUT):
                real = self._real_parent(parent, number)
                self._make_directories(real, number)
                self._put(self._join(real, name), entry, number)

    def _put(self, path: str, entry: Entry, number: int, *, implied: bool = False) -> None:
        known = self._nodes.get(path)
        if known is not None and not (known.entry.kind == "directory" and entry.kind == "directory"):
            self._remove(path)
        if entry.kind == "symlink":
            self._links.add(path)
            self._parents.clear()
        self._nodes[path] = Node(path, entry, number, implied)
        parent, _, name = path.rpartition("/")
        self._children[parent][name] = None
        if entry.kind == "directory":
            self._children.setdefault(path, {})

    def _make_directories(self, path: str, number: int) -> None:
        if path in self._children:
            return
        at = ""
        for part in path.split("/"):
            at = self._join(at, part)
            if at not in self._children:
                self._implied += len(at)
                if self._implied > MAX_IMPLIED_TEXT:
                    raise ArchiveError("the files of the image cannot be listed", why="it has too many directories in directories")
                self._put(at, make_directory_entry(at), number, implied=True)

    def _remove(self, path: str) -> None:
        if not path or path not in self._nodes:
            return
        for node in list(self.walk(path)):
            self._forget(node.path)
        self._forget(path)
        parent, _, name = path.rpartition("/")
        self._children.get(parent, {}).pop(name, None)

    def _forget(self, path: str) -> None:
        self._nodes.pop(path, None)
        self._children.pop(path, None)
        if path in self._links:
            self._links.discard(path)
            self._parents.clear()

    def _real_parent(self, path: str, number: int) -> str:
        """Return the real path of a directory for an entry of a layer, links of that layer followed."""
        if not path or path in self._children:
            return path
        known = self._parents.get(path)
        if known is None:
            known = self._follow(path, number)
            known = self._parents[path] = path if known is None else known
        return known

    def _follow(self, path: str, number: int | None = None) -> str | None:
        """Return a path without links in it, or without those of one layer; None where links lead in a circle."""
        waiting = [part for part in path.split("/") if part][::-1]
        at = ""
        hops = 0
        while waiting:
            part = waiting.pop()
            self._steps += 1
            if self._steps > MAX_LINK_STEPS:
                raise ArchiveError("the files of the image cannot be listed", why="it has too many links in the paths of others")
            if part == ".":
                continue
            if part == "..":
                at = at.rpartition("/")[0]
                continue
            candidate = self._join(at, part)
            if candidate in self._links and (number is None or self._nodes[candidate].layer == number):
                hops += 1
                if hops > MAX_LINK_HOPS:
                    return None
                target = self._nodes[candidate].entry.target
                at = "" if target.startswith("/") else at
                waiting += [step for step in target.split("/") if step][::-1]
                continue
            at = candidate
        return at

    @staticmethod
    def _join(parent: str, name: str) -> str:
        return f"{parent}/{name}" if parent else name
