"""The members of an outer archive, read in one pass.

Every member that can be a layer is hashed, cut and stored as it is read, small members are kept in memory, and their roles are
decided at the end, because metadata may come first or last.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import Final

from catalog.errors import ArchiveError
from catalog.image.compression import MAGIC_SIZE, CompressionError, detect_compression
from catalog.image.dag import StoredLayer
from catalog.image.foreign import RootWatch
from catalog.image.layers import LayerReader, check_blob, hash_pieces, without_trace
from catalog.image.stream import ByteStream
from catalog.image.tar import Member, MemberKind, normalise_name, read_members
from catalog.limits import MAX_HELD_JSON_SIZE, MAX_JSON_SIZE, MAX_LINK_HOPS
from catalog.model.digest import DiffID

_SMALL: Final = 64 * 1024  # members up to this size are kept in memory until their role is known
_ARCHIVE: Final = re.compile(r"\.(?:tar(?:\.[a-z0-9]{1,5})?|tgz|tzst|txz|tbz2?)\Z", re.ASCII)
_MARGIN: Final = 64  # white space allowed before a document


class StreamedMembers:
    """The members of an outer archive, read in one pass."""

    def __init__(self, reader: LayerReader) -> None:
        self._reader = reader
        self._directories: set[str] = set()
        self._links: dict[str, str] = {}
        self._held: dict[str, bytes] = {}
        self._held_size = 0
        self._layers: dict[str, StoredLayer | CompressionError] = {}
        self._digests: dict[str, bytes] = {}
        self._roots = RootWatch()
        self.remarks: list[str] = []

    def read(self, stream: ByteStream) -> None:
        """Read all members of a tar; raise `ArchiveError`, whatever the bytes."""
        try:
            for member, content in read_members(stream, self.remarks.append):
                self._roots.add(member.name)
                self._add(member, content)
            self._check_links()
        except ArchiveError as error:
            better = self._roots.explain(error)
            if better is error:
                raise
            raise better from error

    def find_inside(self) -> str:
        names = (name.rpartition("/") for name in self._held)
        return next((folder for folder, _, name in names if folder and name in ("index.json", "manifest.json")), "")

    def find_archive(self) -> str:
        names = [*self._held, *self._layers]
        return names[0] if len(names) == 1 and _ARCHIVE.search(names[0]) else ""

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

    def _add(self, member: Member, content: Iterator[memoryview]) -> None:
        """Read a member from the stream."""
        name = member.name
        if self._is_known(name) or (name in self._directories and member.kind is not MemberKind.DIRECTORY):
            self._check_repeated(member, content)
            return
        if member.kind is MemberKind.DIRECTORY:
            self._directories.add(name)
        elif member.kind is MemberKind.FILE:
            self._add_file(member, ByteStream(content))
        else:
            self._links[name] = _resolve_target(member)

    def _is_known(self, name: str) -> bool:
        return name in self._held or name in self._layers or name in self._links

    def _check_repeated(self, member: Member, content: Iterator[memoryview]) -> None:
        """Raise `ArchiveError` unless a member of a known name repeats it byte for byte, as crane writes what two images share."""
        if member.kind is MemberKind.FILE and member.name in self._digests:
            sha256 = hashlib.sha256()
            for piece in content:
                sha256.update(piece)
            if sha256.digest() == self._digests[member.name]:
                return
        is_link = member.kind in (MemberKind.SYMLINK, MemberKind.HARDLINK)
        if is_link and member.name in self._links and _resolve_target(member) == self._links[member.name]:
            return
        raise ArchiveError(f'the export has two members "{member.name}"', why="readers of tar disagree on which one counts")

    def _check_links(self) -> None:
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
            self._note(name, hashlib.sha256(data).digest())
            return
        compression = detect_compression(stream.peek(MAGIC_SIZE))
        if compression is None:
            layer = self._layers[name] = self._reader.read(name, size, stream.rest())
            self._note(name, layer.diff_id.raw)
            return
        sha256 = hashlib.sha256()
        pieces = hash_pieces(stream.rest(), sha256.update)
        try:
            self._layers[name] = self._reader.read(name, size, pieces)
        except CompressionError as error:  # matters only if an image needs it
            self._layers[name] = without_trace(error)
        for _ in pieces:
            pass
        self._note(name, sha256.digest())

    def _note(self, name: str, digest: bytes) -> None:
        check_blob(name, digest)
        self._digests[name] = digest


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
