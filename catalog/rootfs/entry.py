"""A file, directory or link as a layer records it."""

import stat
from typing import Final, Literal, NamedTuple

EntryKind = Literal["file", "directory", "symlink", "hardlink", "character device", "block device", "fifo"]

_TYPES: Final[dict[str, str]] = {
    "file": "-",
    "hardlink": "-",
    "directory": "d",
    "symlink": "l",
    "character device": "c",
    "block device": "b",
    "fifo": "p",
}


class Entry(NamedTuple):
    """An entry of a layer. ``path`` is ``usr/bin/env``, without a leading slash; bytes that are not UTF-8 are lone surrogates.

    ``size`` is that of the content, which begins at ``offset`` of the uncompressed layer. ``content`` identifies it: equal texts
    mean equal bytes. ``target`` is what a link leads to, as it is written. ``mtime`` is in seconds since 1970.
    """

    path: str
    kind: EntryKind
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    target: str = ""
    offset: int = 0
    content: str = ""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> str:
        """The path of the directory that holds it; empty for the root."""
        return self.path.rpartition("/")[0]

    @property
    def mode_text(self) -> str:
        """The mode as ``ls -l`` shows it."""
        return _TYPES[self.kind] + stat.filemode(self.mode)[1:]


def make_directory_entry(path: str) -> Entry:
    """Return the entry of a directory that a layer implies and does not record."""
    return Entry(path, "directory", 0o755, 0, 0, 0, 0)
