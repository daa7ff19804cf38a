"""Reading a snapshot: its head, and all its releases.

Publishers and sources may be hostile. So every block is checked against its CID (by the source), every size against its limit
before it is used, and the lines against their order and number as they are read: lines yielded before an error are not part of a
valid snapshot, and the caller must discard them. Any shape of the file ``releases.ndjson`` is read; violations raise
`SnapshotError`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from catalog.errors import CodecError, SnapshotError
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import Cid
from catalog.limits import MAX_CATALOGUE_FILE_SIZE, MAX_LINE_SIZE, MAX_SNAPSHOT_LEAF_SIZE, MAX_SNAPSHOT_SIZE
from catalog.model.release import Release
from catalog.snapshot.catalogue import Catalogue, decode_catalogue
from catalog.snapshot.line import Key, decode_line, line_key
from catalog.unixfs.directory import list_directory
from catalog.unixfs.file import FileLink, decode_file_node
from catalog.unixfs.file_reader import read_file
from catalog.unixfs.hamt import DirectoryLink

CATALOGUE_FILE = "catalogue.json"
RELEASES_FILE = "releases.ndjson"
IMAGES = "images"
_MAX_ROOT_ENTRIES = 64


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An opened snapshot; its releases are read on demand."""

    root: Cid
    catalogue: Catalogue
    releases: FileLink
    images: DirectoryLink
    source: BlockSource

    def read(self) -> Iterator[Release]:
        """Yield all releases in order, every line checked."""
        for release, _ in self.read_lines():
            yield release

    def read_lines(self) -> Iterator[tuple[Release, bytes]]:
        """Yield all releases in order, every line checked, each with its line (without LF)."""
        previous: Key = ("", "")
        for line in self._raw_lines():
            release = decode_line(line)
            key = (release.name, release.version)
            check_order(previous, key)
            previous = key
            yield release, line

    def lines(self) -> Iterator[tuple[Key, bytes]]:
        """Yield all lines in order, without LF, with their keys; their order and number are checked, their content only as JSON."""
        previous: Key = ("", "")
        for line in self._raw_lines():
            key = line_key(line)
            check_order(previous, key)
            previous = key
            yield key, line

    def _raw_lines(self) -> Iterator[bytes]:
        left = self.catalogue.releases
        for lines in _split(read_file(self.releases.cid, self.source, max_size=MAX_SNAPSHOT_SIZE)):
            left -= len(lines)
            if left < 0:
                break
            yield from lines
        if left:
            raise SnapshotError(f"snapshot {self.root} has another number of releases than the {self.catalogue.releases} it states")


def open_snapshot(root: Cid, source: BlockSource) -> Snapshot:
    """Read a snapshot's root and head: four small blocks."""
    try:
        entries = {entry.name: entry for entry in islice(list_directory(root, source), _MAX_ROOT_ENTRIES)}
        missing = [name for name in (CATALOGUE_FILE, IMAGES, RELEASES_FILE) if name not in entries]
        if missing:
            raise SnapshotError(f"{root} is not a snapshot", why=f"it has no {missing[0]}")
        head, releases = entries[CATALOGUE_FILE].cid, entries[RELEASES_FILE].cid
        blocks = dict(source.get_many([head, releases]))
        size = decode_file_node(releases, blocks[releases] if releases in blocks else source.get(releases)).file_size
        if size > MAX_SNAPSHOT_SIZE:
            raise SnapshotError(f"snapshot {root} has {size} bytes of releases", why=f"at most {MAX_SNAPSHOT_SIZE} are read")
        catalogue = decode_catalogue(b"".join(read_file(head, source, max_size=MAX_CATALOGUE_FILE_SIZE)))
    except CodecError as error:
        raise SnapshotError(f"{root} is not a snapshot", why=error.message) from error
    return Snapshot(
        root,
        catalogue,
        FileLink(releases, size, entries[RELEASES_FILE].dag_size),
        DirectoryLink(entries[IMAGES].cid, entries[IMAGES].dag_size),
        source,
    )


def read_head(root: Cid, source: BlockSource) -> Catalogue:
    """Read a snapshot's head, and nothing of its releases."""
    try:
        entries = {entry.name: entry for entry in islice(list_directory(root, source), _MAX_ROOT_ENTRIES)}
        if CATALOGUE_FILE not in entries:
            raise SnapshotError(f"{root} is not a snapshot", why=f"it has no {CATALOGUE_FILE}")
        return decode_catalogue(b"".join(read_file(entries[CATALOGUE_FILE].cid, source, max_size=MAX_CATALOGUE_FILE_SIZE)))
    except CodecError as error:
        raise SnapshotError(f"{root} is not a snapshot", why=error.message) from error


def check_order(previous: Key, key: Key) -> None:
    """Raise `SnapshotError` unless ``key`` sorts after ``previous``."""
    if key <= previous:
        problem = "twice" if key == previous else f"after {previous[0]}@{previous[1]}"
        raise SnapshotError(f"the releases are not sorted: {key[0]}@{key[1]} stands {problem}")


def _split(pieces: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Yield the lines of a file that comes in pieces, whatever the boundaries of the pieces."""
    rest = b""
    try:
        for piece in pieces:
            if len(piece) > MAX_SNAPSHOT_LEAF_SIZE:
                raise SnapshotError(f"a leaf of {len(piece)} bytes", why=f"at most {MAX_SNAPSHOT_LEAF_SIZE} are read")
            lines = (rest + piece).split(b"\n")
            rest = lines.pop()
            if len(rest) >= MAX_LINE_SIZE:
                raise SnapshotError("a line without an end", why=f"at most {MAX_LINE_SIZE} bytes are read")
            yield lines
    except CodecError as error:
        raise SnapshotError("the releases are not a file", why=error.message) from error
    if rest:
        raise SnapshotError("the last line has no end")
