"""Edit a releases tree: only the leaves of the changed releases and their paths are read and written.

The old tree is walked from its root with the changes, sorted. A subtree without a change is taken over as it is wherever the new
tree's cuts fall on its beginning; where an edit moved a cut, the following leaves are read until the cuts meet again, which by
their content they soon do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from catalog.ipld.block import Block, BlockSource, Put
from catalog.ipld.cid import RAW, Cid
from catalog.limits import MAX_LINE_SIZE, MAX_SNAPSHOT_LEAF_SIZE
from catalog.snapshot.line import Key, line_key
from catalog.snapshot.tree import TreeBuilder, ends_leaf
from catalog.snapshot.view import TreeView, UncutError, split_lines
from catalog.unixfs.file import FileLink


@dataclass(slots=True)
class TreeEdit:
    """The result of an edit: the new root, and the lines (without LF) that were replaced or removed."""

    root: FileLink
    replaced: dict[Key, bytes] = field(default_factory=dict)


_Changes = Sequence[tuple[Key, bytes | None]]


def update_tree(root: FileLink, changes: Mapping[Key, bytes | None], source: BlockSource, put: Put) -> TreeEdit:
    """Store the tree that ``root`` becomes when each key has the given line (with LF), or none.

    Return the root that `build_tree` gives for the same lines, if ``root`` is such a tree. Raise `UncutError` if it does
    not consist of whole lines in levels.
    """
    editor = _Editor(source, put)
    ordered = sorted(changes.items())
    if root.file_size == 0:
        editor.merge_leaf([], ordered)
    else:
        editor.visit(root, editor.view.height(root), ordered, next_changes=False)
    return TreeEdit(editor.finish(), editor.replaced)


class _Editor:
    def __init__(self, source: BlockSource, put: Put) -> None:
        self.view = TreeView(source)
        self.replaced: dict[Key, bytes] = {}
        self._put = put
        self._written: set[Cid] = set()
        self._builder = TreeBuilder(self._write)

    def visit(self, link: FileLink, level: int, changes: _Changes, *, next_changes: bool) -> None:
        """Carry over a subtree, changed or not; ``next_changes``: the subtree that follows it in the old tree changes."""
        if (link.cid.codec == RAW) != (level == 0):
            raise UncutError
        if not changes and not (next_changes and self._may_take_more(link)) and self._builder.add_subtree(level, link):
            return
        if level == 0:
            self.merge_leaf(split_lines(self.view.leaf(link)), changes)
        else:
            children = self.view.children(link)
            shares = self._share_out(children, changes)
            for index, child in enumerate(children):
                following = index + 1 in shares if index + 1 < len(children) else next_changes
                self.visit(child, level - 1, shares.get(index, ()), next_changes=following)

    def merge_leaf(self, lines: Sequence[bytes], changes: _Changes) -> None:
        """Feed a leaf's lines with the changes among them."""
        kept = {line_key(line): line for line in lines}
        merged = {key: line + b"\n" for key, line in kept.items()}
        for key, line in changes:
            if key in kept:
                self.replaced[key] = kept[key]
            if line is None:
                merged.pop(key, None)
            else:
                merged[key] = line
        for key in sorted(merged) if changes else merged:
            self._builder.add_line(key, merged[key])

    def finish(self) -> FileLink:
        """Return the root; if only one subtree taken over is left, without the nodes that hold a single link."""
        root = self._builder.finish()
        while root.cid not in self._written and root.cid.codec != RAW and len(self.view.children(root)) == 1:
            root = self.view.children(root)[0]
        return root

    def _write(self, block: Block) -> None:
        self._written.add(block.cid)
        self._put(block)

    def _may_take_more(self, link: FileLink) -> bool:
        """Return whether the last leaf of a subtree was cut by its size: then it may take in a line that follows now."""
        leaf = self.view.last_leaf(link)
        return leaf.file_size > MAX_SNAPSHOT_LEAF_SIZE - MAX_LINE_SIZE and not ends_leaf(self.view.last_key(leaf))

    def _share_out(self, children: Sequence[FileLink], changes: _Changes) -> dict[int, list[tuple[Key, bytes | None]]]:
        shares: dict[int, list[tuple[Key, bytes | None]]] = {}
        for change in changes:
            shares.setdefault(self.view.child_of(children, change[0]), []).append(change)
        return shares
