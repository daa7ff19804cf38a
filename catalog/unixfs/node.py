"""The UnixFS Data message: the metadata in a dag-pb node of a file or directory.

Written as Kubo writes it: fields in the order of their numbers, one ``blocksizes`` field for each link, ``filesize`` always in
files and never in directories. Read strictly: no unknown fields, none repeated but ``blocksizes`` (packed or not), values within
their ranges.
Source: ipfs/specs, src/unixfs.md ("Data" message).
"""

from dataclasses import dataclass
from enum import IntEnum

from catalog.errors import CodecError
from catalog.ipld.varint import decode_varint, encode_varint

MURMUR3_X64_64 = 0x22
_VARINT_BYTES = 10


class UnixFSType(IntEnum):
    """The type of a node."""

    RAW = 0
    DIRECTORY = 1
    FILE = 2
    METADATA = 3
    SYMLINK = 4
    HAMT_SHARD = 5


@dataclass(frozen=True, slots=True)
class UnixFSData:
    """The message. ``data`` holds a file's bytes, a symlink's target or a shard's bitfield; ``mtime`` is (seconds, nanoseconds)."""

    type: UnixFSType
    data: bytes | None = None
    filesize: int | None = None
    blocksizes: tuple[int, ...] = ()
    hash_type: int | None = None
    fanout: int | None = None
    mode: int | None = None
    mtime: tuple[int, int] | None = None


def encode_data(message: UnixFSData) -> bytes:
    """Return the message's bytes. Mode and mtime are read but never written: they would change CIDs."""
    parts = [b"\x08", encode_varint(message.type)]
    if message.data is not None:
        parts += (b"\x12", encode_varint(len(message.data)), message.data)
    if message.filesize is not None:
        parts += (b"\x18", encode_varint(message.filesize))
    for size in message.blocksizes:
        parts += (b"\x20", encode_varint(size))
    if message.hash_type is not None:
        parts += (b"\x28", encode_varint(message.hash_type))
    if message.fanout is not None:
        parts += (b"\x30", encode_varint(message.fanout))
    return b"".join(parts)


def decode_data(data: bytes) -> UnixFSData:
    """Read a message; raise `CodecError` for anything that is not one."""
    fields: dict[int, int | bytes] = {}
    blocksizes: list[int] = []
    offset, end = 0, len(data)
    while offset < end:
        tag = data[offset]
        number, wire = tag >> 3, tag & 7
        if wire == 0 and number in (1, 3, 4, 5, 6, 7):
            value, offset = decode_varint(data, offset + 1, max_bytes=_VARINT_BYTES)
            if number == 4:
                blocksizes.append(value)
                continue
            field: int | bytes = value
        elif wire == 2 and number in (2, 4, 8):
            field, offset = _take(data, offset + 1)
            if number == 4:
                _unpack(field, blocksizes)
                continue
        else:
            raise CodecError(f"UnixFS: no field has tag 0x{tag:02x}")
        if number in fields:
            raise CodecError(f"UnixFS: field {number} is repeated")
        fields[number] = field
    return _check(fields, tuple(blocksizes))


def _check(fields: dict[int, int | bytes], blocksizes: tuple[int, ...]) -> UnixFSData:
    kind = _integer(fields, 1)
    if kind is None or kind > UnixFSType.HAMT_SHARD:
        raise CodecError("UnixFS: a node of no known type")
    content, mtime = fields.get(2), fields.get(8)
    mode = _integer(fields, 7)
    if mode is not None and mode >= 1 << 32:
        raise CodecError("UnixFS: mode is above 32 bits")
    return UnixFSData(
        type=UnixFSType(kind),
        data=content if isinstance(content, bytes) else None,
        filesize=_integer(fields, 3),
        blocksizes=blocksizes,
        hash_type=_integer(fields, 5),
        fanout=_integer(fields, 6),
        mode=mode,
        mtime=_decode_mtime(mtime) if isinstance(mtime, bytes) else None,
    )


def _integer(fields: dict[int, int | bytes], number: int) -> int | None:
    value = fields.get(number)
    return value if isinstance(value, int) else None


def _take(data: bytes, offset: int) -> tuple[bytes, int]:
    length, start = decode_varint(data, offset, max_bytes=_VARINT_BYTES)
    if length > len(data) - start:
        raise CodecError("UnixFS: a field is longer than the message")
    return data[start : start + length], start + length


def _unpack(packed: bytes, into: list[int]) -> None:
    offset = 0
    while offset < len(packed):
        value, offset = decode_varint(packed, offset, max_bytes=_VARINT_BYTES)
        into.append(value)


def _decode_mtime(data: bytes) -> tuple[int, int]:
    seconds, nanoseconds, offset = None, 0, 0
    if data[:1] == b"\x08":
        seconds, offset = decode_varint(data, 1, max_bytes=_VARINT_BYTES)
    if data[offset : offset + 1] == b"\x15" and len(data) >= offset + 5:
        nanoseconds = int.from_bytes(data[offset + 1 : offset + 5], "little")
        offset += 5
        if not 1 <= nanoseconds <= 999_999_999:
            raise CodecError("UnixFS: nanoseconds outside a second")
    if seconds is None or offset != len(data):
        raise CodecError("UnixFS: a malformed time")
    return (seconds - (1 << 64) if seconds >= 1 << 63 else seconds), nanoseconds
