"""The tar headers of a layer, read as an engine reads them: leniently, up to the first that cannot be read.

Outer archives have a strict reader of their own (`catalog.image.tar`). A layer was verified by its diffID and is only shown here,
so what cannot be read ends the listing with a reason and is never an error of the image.
Sources: POSIX pax, "ustar Interchange Format", "pax Header Block"; GNU tar manual, "Basic Tar Format".
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
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
_TYPE = 156
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
        if size > MAX_TAR_EXTENSION_SIZE:
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
    kind = _KINDS.get(block[_TYPE], "file")
    raw_name = pax.get(b"path", long_name)
    if raw_name is None:
        raw_name = block[:100].split(b"\0", 1)[0]
        if block[257:263] == b"ustar\0" and block[345]:
            raw_name = block[345:500].split(b"\0", 1)[0] + b"/" + raw_name
    raw_name = pax.get(b"GNU.sparse.name", raw_name)
    raw_target = pax.get(b"linkpath", long_target)
    if raw_target is None:
        raw_target = block[157:257].split(b"\0", 1)[0]
    if max(len(raw_name), len(raw_target)) > MAX_LISTED_PATH:
        raise ArchiveError(f"a path has {max(len(raw_name), len(raw_target))} bytes")
    size = _read_number(block[124:136])
    if b"size" in pax:
        size = _read_decimal(pax[b"size"])
    if kind == "file" and raw_name.endswith(b"/"):  # how tars before ustar mark a directory
        kind = "directory"
    if kind not in ("file", "hardlink"):
        size = 0 if kind != "directory" else size
    mtime = _read_decimal(pax[b"mtime"]) if b"mtime" in pax else _read_number(block[136:148])
    return Header(
        path=normalise_path(_decode(raw_name)),
        kind=kind,
        mode=_read_number(block[100:108]) & 0o7777,
        uid=_read_decimal(pax[b"uid"]) if b"uid" in pax else _read_number(block[108:116]),
        gid=_read_decimal(pax[b"gid"]) if b"gid" in pax else _read_number(block[116:124]),
        size=size if kind != "hardlink" else 0,
        mtime=mtime,
        target=_decode(raw_target) if kind in ("symlink", "hardlink") else "",
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
