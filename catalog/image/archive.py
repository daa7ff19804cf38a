"""Read images from any export: docker save of every engine, podman and skopeo archives, oci-archives, OCI layout folders.

One pass over the stream: every member that can be a layer is hashed, cut and stored as it is read, small members are kept in
memory, and their roles are decided at the end, because metadata may come first or last. Only two things are kept: the config's
exact bytes and the uncompressed layers, each checked against ``rootfs.diff_ids``.
"""

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from catalog.errors import ArchiveError
from catalog.image.compression import MAGIC_SIZE, CompressionError, detect_compression, inflate_pieces
from catalog.image.dag import LayerWriter, StoredLayer
from catalog.image.export import Export, ExportedImage
from catalog.image.stream import Budget, ByteStream, Piece
from catalog.image.tar import Member, MemberKind, normalise_name, read_members
from catalog.limits import DEFAULT_MAX_IMAGE_SIZE, MAX_HELD_JSON_SIZE, MAX_JSON_SIZE, MAX_LINK_HOPS
from catalog.model.digest import DiffID
from catalog.progress import Progress, Step, silent

__all__ = ["Export", "ExportedImage", "NewLayer", "read_export", "read_layout"]

NewLayer = Callable[[], LayerWriter]
_BLOB: Final = re.compile(r"blobs/sha256/([0-9a-f]{64})", re.ASCII)
_SMALL: Final = 64 * 1024  # members up to this size are kept in memory until their role is known
_MARGIN: Final = 64  # white space allowed before a document
_READ_SIZE: Final = 1024 * 1024


def read_export(
    chunks: Iterable[Piece],
    new_layer: NewLayer,
    *,
    max_size: int = DEFAULT_MAX_IMAGE_SIZE,
    progress: Progress = silent,
) -> Export:
    """Read a whole export from its bytes in pieces of any size, compressed (gzip, zstd, xz, bzip2) or not.

    ``max_size`` bounds the bytes that are read and inflated in total. Raise `ArchiveError`, whatever the bytes; errors of
    ``chunks`` and of the layer's sink pass through.
    """
    reader = _LayerReader(new_layer, Budget(max_size), progress)
    members = _StreamedMembers(reader)
    for member, content in read_members(ByteStream(reader.inflate(reader.spend(chunks)))):
        members.add(member, content)
    members.resolve_links()
    return Export(members)


def read_layout(
    folder: Path, new_layer: NewLayer, *, max_size: int = DEFAULT_MAX_IMAGE_SIZE, progress: Progress = silent
) -> Export:
    """Read an OCI layout folder, only as much as the chosen image needs; links inside it are not followed."""
    return Export(_FolderMembers(folder, _LayerReader(new_layer, Budget(max_size), progress)))


class _LayerReader:
    """Turn a member's bytes into a stored layer, inflating them if they are compressed."""

    def __init__(self, new_layer: NewLayer, budget: Budget, progress: Progress) -> None:
        self._new_layer = new_layer
        self._budget = budget
        self._progress = progress

    def read(self, name: str, size: int, pieces: Iterable[Piece], *, plain: bool = False) -> StoredLayer:
        """Store a layer of ``size`` bytes as it is in the export; ``plain``: it is not compressed, whatever its first bytes."""
        writer = self._new_layer()
        reported = self._report(name, size, pieces)
        for piece in reported if plain else self.inflate(reported):
            writer.feed(piece)
        return writer.finish()

    def inflate(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        """Yield the pieces inflated, if they are compressed."""
        stream = ByteStream(pieces)
        compression = detect_compression(stream.peek(MAGIC_SIZE))
        if compression is None:
            return stream.rest()
        return inflate_pieces(stream.rest(), compression, self._budget, self._progress)

    def spend(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        """Yield the pieces and subtract them from the budget."""
        for piece in pieces:
            self._budget.spend(len(piece))
            yield piece

    def _report(self, name: str, size: int, pieces: Iterable[Piece]) -> Iterator[Piece]:
        done = 0
        for piece in pieces:
            yield piece
            done += len(piece)
            self._progress(Step("part", name, done, size))


class _StreamedMembers:
    """The members of an outer archive, read in one pass."""

    def __init__(self, reader: _LayerReader) -> None:
        self._reader = reader
        self._directories: set[str] = set()
        self._links: dict[str, str] = {}
        self._held: dict[str, bytes] = {}
        self._held_size = 0
        self._layers: dict[str, StoredLayer | CompressionError] = {}

    def document(self, name: str) -> bytes | None:
        name = self._resolve(normalise_name(name))
        if name in self._layers:
            raise ArchiveError(f"{name} is not a document", why=f"a document has at most {MAX_JSON_SIZE} bytes of JSON")
        return self._held.get(name)

    def layer(self, name: str, diff_id: DiffID) -> StoredLayer | None:
        name = self._resolve(normalise_name(name))
        layer = self._layers.get(name)
        if layer is None and name in self._held:
            data = self._held[name]
            plain = hashlib.sha256(data).digest() == diff_id.raw
            layer = self._layers[name] = self._reader.read(name, len(data), (data,), plain=plain)
        if isinstance(layer, CompressionError):
            raise ArchiveError(f"layer {name} cannot be read", why=layer.message) from layer
        return layer

    def add(self, member: Member, content: Iterator[memoryview]) -> None:
        """Read a member from the stream."""
        name = member.name
        known = name in self._held or name in self._layers or name in self._links
        if known or (name in self._directories and member.kind is not MemberKind.DIRECTORY):
            raise ArchiveError(f'the export has two members "{name}"', why="readers of tar disagree on which one counts")
        if member.kind is MemberKind.DIRECTORY:
            self._directories.add(name)
        elif member.kind is MemberKind.FILE:
            self._add_file(member, ByteStream(content))
        else:
            self._links[name] = _resolve_target(member)

    def resolve_links(self) -> None:
        """Raise `ArchiveError` unless every link leads to a file of this archive; a link may precede its target."""
        for name in self._links:
            target = self._resolve(name)
            if target not in self._held and target not in self._layers:
                raise ArchiveError(f'the export has a link "{name}" to "{target}"', why="there is no such file in it")

    def _resolve(self, name: str) -> str:
        for _ in range(MAX_LINK_HOPS):
            if name not in self._links:
                return name
            name = self._links[name]
        raise ArchiveError(f'the export has a link "{name}" that leads through more than {MAX_LINK_HOPS} others')

    def _add_file(self, member: Member, stream: ByteStream) -> None:
        name, size = member.name, member.size
        can_be_document = size <= _SMALL or (size <= MAX_JSON_SIZE and stream.peek(_MARGIN).lstrip()[:1] in (b"{", b"["))
        if can_be_document and self._held_size + size <= MAX_HELD_JSON_SIZE:
            data = self._held[name] = stream.read(size)
            self._held_size += size
            _check_blob(name, hashlib.sha256(data).digest())
            return
        compression = detect_compression(stream.peek(MAGIC_SIZE))
        if compression is None:
            layer = self._layers[name] = self._reader.read(name, size, stream.rest())
            _check_blob(name, layer.diff_id.raw)
            return
        sha256 = hashlib.sha256()
        pieces = _hash_pieces(stream.rest(), sha256.update)
        try:
            self._layers[name] = self._reader.read(name, size, pieces)
        except CompressionError as error:  # matters only if an image needs it
            self._layers[name] = error
        for _ in pieces:
            pass
        _check_blob(name, sha256.digest())


class _FolderMembers:
    """The members of an OCI layout folder, read on demand."""

    def __init__(self, folder: Path, reader: _LayerReader) -> None:
        self._folder = folder
        self._reader = reader
        self._layers: dict[str, StoredLayer] = {}

    def document(self, name: str) -> bytes | None:
        opened = self._open(name)
        if opened is None:
            return None
        file, size = opened
        with file:
            if size > MAX_JSON_SIZE:
                raise ArchiveError(f"{name} is not a document", why=f"a document has at most {MAX_JSON_SIZE} bytes of JSON")
            data = file.read(MAX_JSON_SIZE + 1)
        _check_blob(name, hashlib.sha256(data).digest())
        return data

    def layer(self, name: str, diff_id: DiffID) -> StoredLayer | None:
        if name in self._layers:
            return self._layers[name]
        opened = self._open(name)
        if opened is None:
            return None
        file, size = opened
        sha256 = hashlib.sha256()
        with file:
            pieces = _hash_pieces(self._reader.spend(iter(lambda: file.read(_READ_SIZE), b"")), sha256.update)
            plain = name == f"blobs/sha256/{diff_id.hex}"
            layer = self._layers[name] = self._reader.read(name, size, pieces, plain=plain)
            for _ in pieces:
                pass
        _check_blob(name, sha256.digest())
        return layer

    def _open(self, name: str) -> tuple[BinaryIO, int] | None:
        """Open a regular file of the folder without following links."""
        path = self._folder
        for part in normalise_name(name).split("/"):
            path = path / part
            try:
                mode = path.lstat().st_mode
            except (FileNotFoundError, NotADirectoryError):
                return None
            if stat.S_ISLNK(mode):
                raise ArchiveError(f"{path} is a link", why="links in a layout folder are not followed")
        if not stat.S_ISREG(mode):
            return None
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")
        return file, os.fstat(file.fileno()).st_size


def _resolve_target(member: Member) -> str:
    """Return the member name that a link leads to: a symlink's from its own folder, a hard link's from the archive's root."""
    parts = member.name.split("/")[:-1] if member.kind is MemberKind.SYMLINK else []
    for part in member.target.split("/"):
        if part == "..":
            if not parts:
                break
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    else:
        if parts and not member.target.startswith("/"):
            return "/".join(parts)
    raise ArchiveError(f'the export has a link "{member.name}" to "{member.target[:200]}"', why="it leaves the archive")


def _check_blob(name: str, digest: bytes) -> None:
    match = _BLOB.fullmatch(name)
    if match and digest.hex() != match[1]:
        raise ArchiveError(f"{name} does not match its name", why=f"it has sha256:{digest.hex()}")


def _hash_pieces(pieces: Iterable[Piece], update: Callable[[Piece], None]) -> Iterator[Piece]:
    for piece in pieces:
        update(piece)
        yield piece
