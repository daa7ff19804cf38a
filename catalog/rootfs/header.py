"""The tar headers of a layer, read as an engine reads them: leniently, up to the first that cannot be read.

Outer archives have a strict reader of their own (`catalog.image.tar`). A layer was verified by its diffID and is only shown here,
so what cannot be read ends the listing with a reason and is never an error of the image.
Sources: POSIX pax, "ustar Interchange Format", "pax Header Block"; GNU tar manual, "Basic Tar Format".
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from struct import Struct
from typing import Final, NamedTuple
from zlib import adler32

from catalog.errors import ArchiveError
from catalog.limits import MAX_LISTED_PATH, MAX_TAR_EXTENSION_SIZE
from catalog.rootfs.entry import EntryKind

BLOCK: Final = 512
_ZEROS: Final = bytes(BLOCK)
_RECORD: Final = re.compile(rb"([1-9][0-9]{0,9}) ", re.ASCII)
_MAX_SIZE: Final = 1 << 62
_KINDS: Final[dict[int, EntryKind]] = {
    0: "file",
    ord("0"): "file",
    ord("7"): "file",
    ord("1"): "hardlink",
    ord("2"): "symlink",
    ord("3"): "character device",
    ord("4"): "block device",
    ord("5"): "directory",
    ord("6"): "fifo",
}
_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_TARGET = b"xgLK"
_SPARSE = ord("S")
_TYPE = 156
_FIELDS: Final = Struct("100s8s8s8s12s12s8xB100s6s82x155s12x")  # name, mode, owner, group, size, time, type, target, magic, prefix
_ADLER: Final = 65521


class Header(NamedTuple):
    """The header of one entry; ``size`` bytes of content follow it, padded to a multiple of 512."""

    path: str
    kind: EntryKind
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    target: str


def read_header(read: Callable[[int], bytes]) -> Header | None:
    """Read the next entry's header with its extensions; None at the end. ``read(n)`` returns n bytes, fewer only at the end.

    Raise `ArchiveError` for what is not a tar header.
    """
    pax: dict[bytes, bytes] = {}
    long_name = long_target = None
    while True:
        block = read(BLOCK)
        if len(block) < BLOCK or block == _ZEROS:
            return None
        if not is_header(block):
            raise ArchiveError("a header's checksum is wrong")
        flag = block[_TYPE]
        if flag not in (_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_TARGET):
            return _make_header(block, pax, long_name, long_target)
        size = _read_number(block[124:136])
        if not 0 <= size <= MAX_TAR_EXTENSION_SIZE:
            raise ArchiveError(f"an extended header has {size} bytes")
        body = read(size + -size % BLOCK)[:size]
        if len(body) < size:
            raise ArchiveError("the layer ends inside an extended header")
        if flag == _PAX:
            pax.update(_iter_records(body))
        elif flag == _LONG_NAME:
            long_name = body.split(b"\0", 1)[0]
        elif flag == _LONG_TARGET:
            long_target = body.split(b"\0", 1)[0]


def normalise_path(raw: str) -> str:
    """Return a path in one form, below the root: ``./usr//bin/../lib`` is ``usr/lib``, and nothing leaves the root."""
    if (
        not raw.startswith(("/", "./", "../"))
        and "//" not in raw
        and "/." not in raw
        and not raw.endswith("/")
        and raw not in (".", "..")
    ):
        return raw
    parts: list[str] = []
    for part in raw.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _make_header(block: bytes, pax: dict[bytes, bytes], long_name: bytes | None, long_target: bytes | None) -> Header:
    name, mode, uid, gid, length, time, flag, link, magic, prefix = _FIELDS.unpack(block)
    if flag == _SPARSE or any(key.startswith(b"GNU.sparse.") for key in pax):  # its bytes here are not those that it has unpacked
        raise ArchiveError("a file is recorded as sparse, which dcat does not read")
    kind = _KINDS.get(flag, "file")
    raw_name: bytes = name.partition(b"\0")[0]
    if prefix[0] and magic == b"ustar\0":
        raw_name = prefix.partition(b"\0")[0] + b"/" + raw_name
    raw_target: bytes = link.partition(b"\0")[0]
    if long_name is not None:
        raw_name = long_name
    if long_target is not None:
        raw_target = long_target
    if pax:
        raw_name = pax.get(b"path", raw_name)
        raw_target = pax.get(b"linkpath", raw_target)
    size = _read_decimal(pax[b"size"]) if b"size" in pax else _read_number(length)
    if size < 0:  # followed, it would lead back to what was read already
        raise ArchiveError(f"an entry has {size} bytes")
    if len(raw_name) > MAX_LISTED_PATH or len(raw_target) > MAX_LISTED_PATH:
        raise ArchiveError(f"a path has {max(len(raw_name), len(raw_target))} bytes")
    if kind == "file" and raw_name.endswith(b"/"):  # how tars before ustar mark a directory
        kind = "directory"
    is_link = kind in ("symlink", "hardlink")
    return Header(
        normalise_path(_decode(raw_name)),
        kind,
        _read_number(mode) & 0o7777,
        _read_decimal(pax[b"uid"]) if b"uid" in pax else _read_number(uid),
        _read_decimal(pax[b"gid"]) if b"gid" in pax else _read_number(gid),
        size if kind in ("file", "directory") else 0,
        _read_decimal(pax[b"mtime"]) if b"mtime" in pax else _read_number(time),
        _decode(raw_target) if is_link else "",
    )


def _iter_records(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    start = 0
    while start < len(body):
        match = _RECORD.match(body, start)
        end = start + int(match[1]) if match else 0
        if match is None or end > len(body) or end <= match.end():
            raise ArchiveError("an extended header is not made of records")
        key, _, value = body[match.end() : end].partition(b"=")
        yield key, value.removesuffix(b"\n")
        start = end


def _decode(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


@lru_cache(maxsize=4096)  # most headers of a layer have the same modes, owners and times
def _read_number(field: bytes) -> int:
    if field[0] & 0x80:
        value = int.from_bytes(field, "big", signed=False) & ((1 << (8 * len(field) - 1)) - 1)
        if field[0] == 0xFF:  # negative: times before 1970
            value = int.from_bytes(field, "big", signed=True)
        if -_MAX_SIZE <= value <= _MAX_SIZE:
            return value
        raise ArchiveError("a header has a number that is too large")
    digits = field.strip(b"\0 ").split(b"\0", 1)[0]
    if not digits:
        return 0
    try:
        return int(digits, 8)
    except ValueError:
        raise ArchiveError("a header has a number that is not octal") from None


def _read_decimal(value: bytes) -> int:
    match = re.match(rb"-?[0-9]{1,18}", value)
    if match is None:
        raise ArchiveError("an extended header has a number that is not decimal")
    return int(match[0])


def is_header(block: bytes) -> bool:
    """Return whether 512 bytes are a tar header, by their checksum."""
    field = block[148:156]
    try:
        stated = int(field.strip(b"\0 ").split(b"\0", 1)[0] or b"0", 8)
    except ValueError:
        return False
    # Adler-32's lower half is 1 + the sum of all bytes modulo 65521, and much faster than sum()
    return len(block) == BLOCK and (stated - 8 * 0x20 + sum(field) + 1 - (adler32(block) & 0xFFFF)) % _ADLER == 0
