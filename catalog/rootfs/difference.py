"""The files and packages that two images differ in."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from catalog.errors import LockedError
from catalog.rootfs.entry import Entry
from catalog.rootfs.packages import Package, ReadText, find_packages, owners_of
from catalog.rootfs.tree import Node, Tree

Change = Literal["added", "removed", "changed"]
SameBytes = Callable[[Node, Node], bool]
_STOP_EVERY = 256  # files
"""Compares two files of one size whose chunks were cut in different ways, by reading them."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file, link or directory that differs; sizes are None on the side that does not have it.

    ``what`` names what changed of one that both have: content, mode, owner, target, kind. ``package`` is the index of the package
    change that it belongs to, None for no package's.
    """

    change: Change
    path: str
    kind: str
    old_size: int | None
    new_size: int | None
    what: tuple[str, ...] = ()
    package: int | None = None

    @property
    def growth(self) -> int:
        return (self.new_size or 0) - (self.old_size or 0)


@dataclass(frozen=True, slots=True)
class PackageChange:
    """A package whose version changed; a version is None on the side that does not have it."""

    change: Change
    system: str
    name: str
    old_version: str | None
    new_version: str | None


@dataclass(frozen=True, slots=True)
class FilesDifference:
    """What two images differ in, packages by name, files by path."""

    packages: tuple[PackageChange, ...]
    files: tuple[FileChange, ...]


def compare_trees(
    old: Tree,
    new: Tree,
    read_old: ReadText,
    read_new: ReadText,
    same_bytes: SameBytes,
    stopped: Callable[[], bool] = lambda: False,
) -> FilesDifference:
    """Compare the files of two images, and the packages that their own metadata names; raise `LockedError` once ``stopped()``."""
    changed = _compare_packages(find_packages(old, read_old), find_packages(new, read_new))
    numbers = {(change.system, change.name): number for number, (change, _, _) in enumerate(changed)}
    owners = [
        owners_of((package for _, package, _ in changed if package is not None), old, read_old),
        owners_of((package for _, _, package in changed if package is not None), new, read_new),
    ]
    files = []
    for number, (before, after) in enumerate(_pair(old, new)):
        if number % _STOP_EVERY == 0 and stopped():
            raise LockedError("stopped before the images were compared")
        if before is not None and after is not None:
            what = tuple(_list_differences(before, after, old, new, same_bytes))
            if not what:
                continue
        else:
            what = ()
        node = after or before
        assert node is not None
        owner = owners[1].get(node.path) or owners[0].get(node.path)
        files.append(
            FileChange(
                "added" if before is None else "removed" if after is None else "changed",
                node.path,
                node.entry.kind,
                None if before is None else old.size_of(before),
                None if after is None else new.size_of(after),
                what,
                None if owner is None else numbers[owner.key],
            )
        )
    return FilesDifference(tuple(change for change, _, _ in changed), tuple(files))


def _pair(old: Tree, new: Tree) -> Iterator[tuple[Node | None, Node | None]]:
    """Yield the nodes of both by path; a directory is left out where all that it holds says the same."""
    paths = sorted({node.path for node in old.walk()} | {node.path for node in new.walk()})
    for path in paths:
        before, after = old.get(path), new.get(path)
        if (before is None or after is None) and all(node is None or node.entry.kind == "directory" for node in (before, after)):
            node = before or after
            tree = old if after is None else new
            if node is not None and tree.children(node.path):
                continue
        yield before, after


def _list_differences(before: Node, after: Node, old: Tree, new: Tree, same_bytes: SameBytes) -> Iterator[str]:
    one, other = before.entry, after.entry
    if _shape(one) != _shape(other):
        yield "kind"
        return
    if _shape(one) == "file" and one is not other:
        holders = old.content_of(before), new.content_of(after)
        if not _same_content(holders[0], holders[1], same_bytes):
            yield "content"
    if one.kind == "symlink" and one.target != other.target:
        yield "target"
    if one.mode != other.mode:
        yield "mode"
    if (one.uid, one.gid) != (other.uid, other.gid):
        yield "owner"


def _shape(entry: Entry) -> str:
    return "file" if entry.kind == "hardlink" else entry.kind


def _same_content(before: Node | None, after: Node | None, same_bytes: SameBytes) -> bool:
    if before is None or after is None:
        return before is after
    one, other = before.entry, after.entry
    if one.size != other.size:
        return False
    if one.content == other.content:
        return True
    if one.content.partition(":")[0] == other.content.partition(":")[0]:
        return False
    return same_bytes(before, after)


def _compare_packages(old: Sequence[Package], new: Sequence[Package]) -> list[tuple[PackageChange, Package | None, Package | None]]:
    before, after = {package.key: package for package in old}, {package.key: package for package in new}
    changes: list[tuple[PackageChange, Package | None, Package | None]] = []
    for key in sorted(before.keys() | after.keys()):
        one, other = before.get(key), after.get(key)
        if one is not None and other is not None and one.version == other.version:
            continue
        change: Change = "added" if one is None else "removed" if other is None else "changed"
        versions = (None if one is None else one.version, None if other is None else other.version)
        changes.append((PackageChange(change, *key, *versions), one, other))
    return changes
