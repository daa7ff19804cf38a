"""A strict streaming reader of outer archives: anything that two readers of tar could read differently is refused.

Read: ustar, PAX and GNU long names; regular files, directories, links. A PAX size must belong to a header size of 0 or the same
size (CVE-2025-62518); names must not leave the archive; sparse files, devices and unknown types are refused. A ``/`` before a name
is dropped, since nothing is ever extracted. End blocks that are missing, and bytes after them, are remarks and no errors: what
counts are the config and the layers, which are verified. Layers are not read by this module: they are cut, not parsed. Source:
POSIX pax, "ustar Interchange Format" and "pax Header Block"; GNU tar manual, "Basic Tar Format".
"""

import re
from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import NamedTuple

from catalog.errors import ArchiveError
from catalog.image.stream import ByteStream
from catalog.limits import MAX_EXPORT_MEMBERS, MAX_MEMBER_NAME_LENGTH, MAX_TAR_EXTENSION_SIZE

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_OCTAL = re.compile(rb" *([0-7]*)[ \0]*", re.ASCII)
_RECORD = re.compile(rb"([1-9][0-9]{0,9}) ", re.ASCII)
_MAX_SIZE = 1 << 62
_SHOWN = 100  # bytes of what follows the end that a remark shows


class MemberKind(Enum):
    """The kind of a member."""

    FILE = auto()
    DIRECTORY = auto()
    SYMLINK = auto()
    HARDLINK = auto()


_KINDS = {
    b"0": MemberKind.FILE,
    b"\0": MemberKind.FILE,
    b"7": MemberKind.FILE,
    b"1": MemberKind.HARDLINK,
    b"2": MemberKind.SYMLINK,
    b"5": MemberKind.DIRECTORY,
}


class Member(NamedTuple):
    """A member: its normalised name (``a/b``), and for a link the target as written."""

    name: str
    kind: MemberKind
    size: int
    target: str


class _Extension:
    """The fields that PAX headers and GNU long names set for the next member."""

    def __init__(self) -> None:
        self.name: bytes | None = None
        self.target: bytes | None = None
        self.size: int | None = None
        self.seen: set[bytes] = set()


def read_members(
    stream: ByteStream, remark: Callable[[str], None] = lambda _: None
) -> Iterator[tuple[Member, Iterator[memoryview]]]:
    """Yield each member with its content; content that is not consumed is skipped. Raise `ArchiveError`, whatever the bytes.

    ``remark`` is called with what is unusual at the end of the archive.
    """
    for _ in range(MAX_EXPORT_MEMBERS + 1):
        header, extension = _read_headers(stream)
        if header is None:
            _read_end(stream, remark)
            return
        member = _make_member(header, extension)
        content = stream.pieces(member.size)
        yield member, content
        for _ in content:
            pass
        _skip_padding(stream, member.size)
    raise ArchiveError(f"the export has more than {MAX_EXPORT_MEMBERS} members")


def normalise_name(name: str) -> str:
    """Return a member's normalised name; raise `ArchiveError` for one that leaves the archive."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ArchiveError(f'the export has a member "{name[:200]}"', why="its name leaves the archive")
    return "/".join(parts)


def _read_headers(stream: ByteStream) -> tuple[bytes | None, _Extension]:
    """Read up to the next member's own header; None at the end of the archive."""
    extension = _Extension()
    while True:
        header = stream.peek(_BLOCK)
        if header in (b"", _ZEROS):
            if extension.seen:
                raise ArchiveError("the export is malformed", why="an extended header without a member")
            return None, extension
        if len(header) < _BLOCK:
            raise ArchiveError("the export is cut short", why="the tar ends in a member's header")
        stream.read(_BLOCK)
        _check_sum(header)
        kind = header[156:157]
        if kind not in (b"x", b"g", b"L", b"K"):
            return header, extension
        if kind in extension.seen and kind != b"g":
            raise ArchiveError("the export is malformed", why="a member has two extended headers of one kind")
        extension.seen.add(kind)
        size = _read_number(header[124:136])
        if size > MAX_TAR_EXTENSION_SIZE:
            raise ArchiveError(f"the export has an extended header of {size} bytes")
        body = b"".join(stream.pieces(size))
        _skip_padding(stream, size)
        if kind in (b"x", b"g"):
            _read_pax(body, extension, is_global=kind == b"g")
        elif kind == b"L":
            _set_name(extension, body.rstrip(b"\0"))
        else:
            _set_target(extension, body.rstrip(b"\0"))


def _sparse_error() -> ArchiveError:
    return ArchiveError(
        "the export has a sparse file",
        why="readers of tar disagree on them",
        hint="pack it anew without --sparse; bsdtar needs --no-read-sparse",
    )


def _make_member(header: bytes, extension: _Extension) -> Member:
    kind = _KINDS.get(header[156:157])
    if header[156:157] == b"S":  # GNU tar's own form
        raise _sparse_error()
    if kind is None:
        raise ArchiveError(f'the export has a member of type "{chr(header[156])}"', why="files, directories and links are read")
    size = _read_number(header[124:136])
    if extension.size is not None:
        if size not in (0, extension.size):
            raise ArchiveError("the export is malformed", why=f"one member has two sizes, {size} and {extension.size}")
        size = extension.size
    raw_name = extension.name
    if raw_name is None:
        raw_name = header[:100].split(b"\0", 1)[0]
        prefix = header[345:500].split(b"\0", 1)[0] if header[257:263] == b"ustar\0" else b""
        if prefix:
            raw_name = prefix + b"/" + raw_name
    raw_target = header[157:257].split(b"\0", 1)[0] if extension.target is None else extension.target
    name = _decode_name(raw_name)
    if kind is MemberKind.FILE and name.endswith("/"):  # tars before ustar mark directories so
        kind = MemberKind.DIRECTORY
    if size and kind is not MemberKind.FILE:
        raise ArchiveError(f'the export\'s member "{name}" has {size} bytes', why="only files have content")
    target = _decode_name(raw_target) if kind in (MemberKind.SYMLINK, MemberKind.HARDLINK) else ""
    name = normalise_name(name)
    if not name and kind is not MemberKind.DIRECTORY:
        raise ArchiveError("the export has a member without a name")
    return Member(name, kind, size, target)


def _read_pax(body: bytes, extension: _Extension, *, is_global: bool) -> None:
    for key, value in _iter_pax_records(body):
        if key in (b"path", b"linkpath", b"size") and is_global:
            raise ArchiveError("the export is malformed", why="a PAX header gives every member one name or size")
        if key.startswith(b"GNU.sparse"):
            raise _sparse_error()
        if key == b"path":
            _set_name(extension, value)
        elif key == b"linkpath":
            _set_target(extension, value)
        elif key == b"size":
            if not re.fullmatch(rb"0|[1-9][0-9]{0,18}", value) or int(value) > _MAX_SIZE:
                raise ArchiveError("the export is malformed", why="a PAX size that is not a number")
            extension.size = int(value)


def _iter_pax_records(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    keys: set[bytes] = set()
    start = 0
    while start < len(body):
        match = _RECORD.match(body, start)
        end = start + int(match[1]) if match else 0
        key, equals, value = body[match.end() if match else 0 : end].partition(b"=")
        if end > len(body) or not equals or not value.endswith(b"\n") or key in keys:
            raise ArchiveError("the export is malformed", why="a PAX header that is not made of LENGTH KEY=VALUE lines")
        keys.add(key)
        yield key, value[:-1]
        start = end


def _set_name(extension: _Extension, name: bytes) -> None:
    if extension.name is not None:
        raise ArchiveError("the export is malformed", why="a member has two long names")
    extension.name = name


def _set_target(extension: _Extension, target: bytes) -> None:
    if extension.target is not None:
        raise ArchiveError("the export is malformed", why="a link has two long targets")
    extension.target = target


def _decode_name(raw: bytes) -> str:
    if len(raw) > MAX_MEMBER_NAME_LENGTH:
        raise ArchiveError(f"the export has a name of {len(raw)} bytes", why=f"at most {MAX_MEMBER_NAME_LENGTH} are read")
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ArchiveError("the export has a name that is not UTF-8") from error
    if "\0" in name:
        raise ArchiveError("the export has a name with a NUL in it")
    return name


def _read_number(field: bytes) -> int:
    if field[0] & 0x80:  # base-256, as GNU writes sizes from 8 GiB on
        value = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
        if value <= _MAX_SIZE:
            return value
    elif match := _OCTAL.fullmatch(field):
        return int(match[1] or b"0", 8)
    raise ArchiveError("the export is malformed", why="a tar header with a size that is not a number")


def _check_sum(header: bytes) -> None:
    match = _OCTAL.fullmatch(header[148:156])
    if not match or int(match[1] or b"0", 8) != sum(header) - sum(header[148:156]) + 8 * 0x20:
        raise ArchiveError("the export is not a tar archive", why="a header's checksum is wrong")


def _skip_padding(stream: ByteStream, size: int) -> None:
    for _ in stream.pieces(-size % _BLOCK):
        pass


def _read_end(stream: ByteStream, remark: Callable[[str], None]) -> None:
    """Read the two zero blocks that end a tar, and everything after them.

    Engines load archives that lack the blocks; a block of other bytes after a single one is malformed for them too.
    """
    end = stream.read(2 * _BLOCK)
    if end.strip(b"\0"):
        raise ArchiveError("the export is malformed", why="the tar ends with one zero block and other bytes after it")
    if len(end) % _BLOCK:
        raise ArchiveError("the export is cut short", why="the tar ends in a zero block")
    if len(end) < 2 * _BLOCK:
        remark("the export lacks the blocks that end a tar")
    rest = b""
    for piece in stream.rest():
        if len(rest) < _SHOWN:
            rest += piece.tobytes().strip(b"\0")[:_SHOWN]
    if rest:
        remark(f"there are bytes after the export's end: {rest[:_SHOWN].decode('ascii', 'backslashreplace')}")
