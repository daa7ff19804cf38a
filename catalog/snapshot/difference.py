"""Find the changes between two snapshots by reading only the nodes and leaves that differ.

The two trees are compared level by level from the roots: a subtree that is in both is not entered. The rest of the old
one was read before, the rest of the new one is fetched. All checks of a full read are made: kept subtrees are in their old order,
each once and with its old size; new leaves ascend, within and between their neighbours; the number of lines is as stated. So a
sync of k changes among n releases reads O(k log n) blocks and trusts none of them more.

A tree that does not consist of whole lines in levels, each part once and in its old place, was made by another writer or a liar:
it is read whole.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from catalog.errors import CodecError, SnapshotError
from catalog.ipld.cid import RAW, Cid
from catalog.limits import MAX_RELEASES
from catalog.model.release import Release
from catalog.snapshot.line import Key, decode_line, line_key
from catalog.snapshot.reader import Snapshot, check_order
from catalog.snapshot.view import TreeView, UncutError, split_lines
from catalog.unixfs.file import FileLink

_LEAVES_A_REQUEST = 256

Lines = Iterator[tuple[Key, bytes]]


@dataclass(frozen=True, slots=True)
class ReleaseDifference:
    """One release that differs: before (``None``: new) and after (``None``: gone, which no honest publisher does)."""

    before: Release | None
    after: Release | None


def diff_snapshots(old: Snapshot, new: Snapshot) -> Iterator[ReleaseDifference]:
    """Yield the releases that differ, in order. ``old`` was read whole or by difference before, and its blocks are at hand.

    Releases yielded before a `SnapshotError` are not part of a valid snapshot.
    """
    if old.releases.cid == new.releases.cid:
        if old.catalogue.releases != new.catalogue.releases:
            raise SnapshotError(f"snapshot {new.root} has another number of releases than it states")
        return
    last: Key = ("", "")
    try:
        try:
            comparison = _Comparison(old, new)
            for key, change in _join(*comparison.lines()):
                last = key
                yield change
            comparison.check_number()
        except UncutError:
            for key, change in _join(old.lines(), new.lines()):
                if key > last:
                    yield change
    except CodecError as error:
        raise SnapshotError(f"the releases of {new.root} are not a file", why=error.message) from error


def _join(before: Lines, after: Lines) -> Iterator[tuple[Key, ReleaseDifference]]:
    """Yield the differences between two sorted runs of lines."""
    old, new = next(before, None), next(after, None)
    while old or new:
        if old and (new is None or old[0] < new[0]):
            yield old[0], ReleaseDifference(decode_line(old[1]), None)
            old = next(before, None)
        elif new and (old is None or new[0] < old[0]):
            yield new[0], ReleaseDifference(None, decode_line(new[1]))
            new = next(after, None)
        elif old and new:
            if old[1] != new[1]:
                yield old[0], ReleaseDifference(decode_line(old[1]), decode_line(new[1]))
            old, new = next(before, None), next(after, None)


@dataclass(slots=True)
class _Item:
    """A subtree of one of the two trees; ``shared``: it is in the other one too and is not entered."""

    link: FileLink
    level: int
    shared: bool = False


class _Comparison:
    """Two trees side by side, entered only where they differ."""

    def __init__(self, old: Snapshot, new: Snapshot) -> None:
        self._root = new.root
        self._stated = new.catalogue.releases - old.catalogue.releases
        self._old_view, self._new_view = TreeView(old.source), TreeView(new.source)
        self._old = _start(old.releases, self._old_view)
        self._new = _start(new.releases, self._new_view)
        for level in range(max((item.level for item in self._old + self._new), default=-1), -1, -1):
            self._share(level)
            if level > 0:
                self._old = _enter(self._old, level, self._old_view)
                self._new = _enter(self._new, level, self._new_view)
        self._check_shared()

    def lines(self) -> tuple[Lines, Lines]:
        """Return the lines of both trees that are not in shared subtrees; the new ones are checked as they come."""
        return self._old_lines(), self._new_lines()

    def _share(self, level: int) -> None:
        old = {item.link.cid: item for item in self._old if item.level == level}
        seen: set[Cid] = set()
        for item in self._new:
            if item.level != level:
                continue
            if item.link.cid in seen:
                raise UncutError  # equal leaves of whole lines in order are impossible: read the tree whole
            seen.add(item.link.cid)
            other = old.get(item.link.cid)
            if other is not None:
                if other.link.file_size != item.link.file_size:
                    raise SnapshotError(f"the releases of {self._root} link {item.link.cid} with a size that is not its own")
                item.shared = other.shared = True

    def _check_shared(self) -> None:
        places = {item.link.cid: place for place, item in enumerate(self._old) if item.shared}
        order = [places[item.link.cid] for item in self._new if item.shared]
        if any(first >= second for first, second in pairwise(order)):
            raise UncutError  # as above

    def _old_lines(self) -> Lines:
        for _, leaf in self._old_view.leaves([item.link for item in self._old if not item.shared], _LEAVES_A_REQUEST):
            for line in split_lines(leaf):
                self._stated += 1
                yield line_key(line), line

    def _new_lines(self) -> Lines:
        previous: Key = ("", "")
        for shared, group in groupby(self._new, key=_is_shared):
            links = [item.link for item in group]
            if shared:
                check_order(previous, self._old_view.first_key(links[0]))
                previous = self._old_view.last_key(links[-1])
                continue
            for _, leaf in self._new_view.leaves(links, _LEAVES_A_REQUEST):
                for line in split_lines(leaf):
                    key = line_key(line)
                    check_order(previous, key)
                    previous = key
                    self._stated -= 1
                    yield key, line

    def check_number(self) -> None:
        """Call it when both runs of lines have ended."""
        if self._stated:
            raise SnapshotError(f"snapshot {self._root} has another number of releases than it states")


def _start(root: FileLink, view: TreeView) -> list[_Item]:
    return [_Item(root, view.height(root))] if root.file_size else []


def _enter(items: Sequence[_Item], level: int, view: TreeView) -> list[_Item]:
    """Replace the subtrees at ``level`` that are not shared by their children."""
    view.load(item.link for item in items if item.level == level and not item.shared)
    entered: list[_Item] = []
    for item in items:
        if item.level != level or item.shared:
            entered.append(item)
            continue
        children = view.children(item.link)
        if any((child.cid.codec == RAW) != (level == 1) for child in children):
            raise UncutError
        entered += [_Item(child, level - 1) for child in children]
        if len(entered) > MAX_RELEASES:
            raise SnapshotError(f"the releases' tree has more than {MAX_RELEASES} leaves")
    return entered


def _is_shared(item: _Item) -> bool:
    return item.shared
