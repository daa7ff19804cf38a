"""DAG-CBOR: the codec of IPNS records' data, CAR headers and delta headers.

Each value has exactly one encoding, and only that is read: shortest integers and lengths, no indefinite lengths, text keys, unique
and sorted by length, then by bytes; floats of 64 bits that are finite; no tag but 42 (a link: byte string of 0x00 and the CID), no
simple values but false, true and null; nothing after the value. Source: ipld/specs, codecs/dag-cbor/spec.md ("Strictness").
"""

import math
import struct
from collections.abc import Mapping
from typing import TypeAlias

from catalog.errors import CidError, CodecError
from catalog.ipld.cid import Cid, decode_cid
from catalog.limits import MAX_CBOR_DEPTH

Value: TypeAlias = "bool | int | float | str | bytes | Cid | list[Value] | dict[str, Value] | None"

_LINK_HEAD = b"\xd8\x2a\x58"
_WIDTHS = {24: 1, 25: 2, 26: 4, 27: 8}
_SMALLEST = {24: 24, 25: 1 << 8, 26: 1 << 16, 27: 1 << 32}


def encode(value: object) -> bytes:
    """Return the one encoding of ``value``; raise ``ValueError`` or ``TypeError`` for a value that DAG-CBOR cannot hold."""
    parts: list[bytes] = []
    _encode_value(value, parts, MAX_CBOR_DEPTH)
    return b"".join(parts)


def decode(data: bytes, *, any_order: bool = False) -> Value:
    """Read the value that fills ``data``; raise `CodecError` for anything that is not the one encoding of a value.

    With ``any_order``, the keys of maps may stand in any order, still each once: IPNS records are verified as they were signed.
    """
    value, end = _decode_value(data, 0, MAX_CBOR_DEPTH, any_order)
    if end != len(data):
        raise CodecError(f"DAG-CBOR: {len(data) - end} bytes after the value")
    return value


def decode_map(data: bytes, *, any_order: bool = False) -> dict[str, Value]:
    """Read a value that must be a map."""
    value = decode(data, any_order=any_order)
    if not isinstance(value, dict):
        raise CodecError("DAG-CBOR: not a map")
    return value


def _encode_head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes((major << 5 | argument,))
    for info, width in _WIDTHS.items():
        if argument < 1 << 8 * width:
            return bytes((major << 5 | info,)) + argument.to_bytes(width)
    raise ValueError("DAG-CBOR holds no integer of more than 64 bits")


def _encode_value(value: object, parts: list[bytes], depth: int) -> None:
    if depth < 0:
        raise ValueError("too deep for DAG-CBOR")
    match value:
        case None:
            parts.append(b"\xf6")
        case bool():
            parts.append(b"\xf5" if value else b"\xf4")
        case int():
            parts.append(_encode_head(0, value) if value >= 0 else _encode_head(1, -1 - value))
        case float():
            if not math.isfinite(value):
                raise ValueError("DAG-CBOR holds no NaN and no infinity")
            parts.append(b"\xfb" + struct.pack(">d", value))
        case str():
            text = value.encode()
            parts += (_encode_head(3, len(text)), text)
        case bytes():
            parts += (_encode_head(2, len(value)), value)
        case Cid():
            parts += (_LINK_HEAD, bytes((len(value.binary) + 1, 0)), value.binary)
        case list() | tuple():
            parts.append(_encode_head(4, len(value)))
            for entry in value:
                _encode_value(entry, parts, depth - 1)
        case Mapping():
            _encode_map(value, parts, depth)
        case _:
            raise TypeError(f"DAG-CBOR holds no {type(value).__name__}")


def _encode_map(value: Mapping[object, object], parts: list[bytes], depth: int) -> None:
    entries = []
    for key, entry in value.items():
        if not isinstance(key, str):
            raise TypeError("DAG-CBOR's keys are text")
        entries.append((key.encode(), entry))
    parts.append(_encode_head(5, len(entries)))
    for text, entry in sorted(entries, key=lambda pair: (len(pair[0]), pair[0])):
        parts += (_encode_head(3, len(text)), text)
        _encode_value(entry, parts, depth - 1)


def _decode_head(data: bytes, offset: int) -> tuple[int, int, int]:
    """Read a head; return its major type, its argument and the offset after it."""
    if offset >= len(data):
        raise CodecError("DAG-CBOR: cut short")
    major, info = data[offset] >> 5, data[offset] & 31
    offset += 1
    if info < 24:
        return major, info, offset
    width = _WIDTHS.get(info)
    if width is None:
        raise CodecError("DAG-CBOR: an indefinite length or a reserved head")
    if offset + width > len(data):
        raise CodecError("DAG-CBOR: cut short")
    argument = int.from_bytes(data[offset : offset + width])
    if argument < _SMALLEST[info] and major != 7:
        raise CodecError("DAG-CBOR: an integer or length in more bytes than it needs")
    return major, argument, offset + width


def _decode_value(data: bytes, offset: int, depth: int, any_order: bool) -> tuple[Value, int]:
    if depth < 0:
        raise CodecError(f"DAG-CBOR: deeper than {MAX_CBOR_DEPTH}")
    start = offset
    major, argument, offset = _decode_head(data, offset)
    if major == 0:
        return argument, offset
    if major == 1:
        return -1 - argument, offset
    if major == 2:
        return _take(data, offset, argument)
    if major == 3:
        return _decode_text(data, offset, argument)
    if major == 4:
        entries: list[Value] = []
        _check_count(data, offset, argument)
        for _ in range(argument):
            entry, offset = _decode_value(data, offset, depth - 1, any_order)
            entries.append(entry)
        return entries, offset
    if major == 5:
        return _decode_map(data, offset, argument, depth, any_order)
    if major == 6:
        return _decode_link(data, offset, argument)
    return _decode_simple(data, start, argument, offset)


def _decode_map(data: bytes, offset: int, count: int, depth: int, any_order: bool) -> tuple[dict[str, Value], int]:
    _check_count(data, offset, 2 * count)
    entries: dict[str, Value] = {}
    previous: tuple[int, bytes] | None = None
    for _ in range(count):
        major, length, offset = _decode_head(data, offset)
        if major != 3:
            raise CodecError("DAG-CBOR: a map key is not text")
        start = offset
        key, offset = _decode_text(data, offset, length)
        order = (length, data[start:offset])
        if key in entries or (previous is not None and order < previous and not any_order):
            raise CodecError(f'DAG-CBOR: the map key "{key[:40]}" is repeated or out of order')
        previous = order
        entries[key], offset = _decode_value(data, offset, depth - 1, any_order)
    return entries, offset


def _decode_text(data: bytes, offset: int, length: int) -> tuple[str, int]:
    text, end = _take(data, offset, length)
    try:
        return text.decode(), end
    except UnicodeDecodeError as error:
        raise CodecError("DAG-CBOR: text is not UTF-8") from error


def _decode_link(data: bytes, offset: int, tag: int) -> tuple[Cid, int]:
    if tag != 42:
        raise CodecError(f"DAG-CBOR: tag {tag}")
    major, length, offset = _decode_head(data, offset)
    if major != 2:
        raise CodecError("DAG-CBOR: a link is not a byte string")
    binary, end = _take(data, offset, length)
    if binary[:1] != b"\0":
        raise CodecError("DAG-CBOR: a link's bytes do not begin with 0")
    try:
        return decode_cid(binary[1:]), end
    except CidError as error:
        raise CodecError(f"DAG-CBOR: a link is {error.message}") from error


def _decode_simple(data: bytes, start: int, argument: int, offset: int) -> tuple[Value, int]:
    head = data[start]
    if head == 0xFB:
        number: float = struct.unpack(">d", argument.to_bytes(8))[0]
        if not math.isfinite(number):
            raise CodecError("DAG-CBOR: NaN or infinity")
        return number, offset
    if head == 0xF6:
        return None, offset
    if head in (0xF4, 0xF5):
        return head == 0xF5, offset
    raise CodecError("DAG-CBOR: a short float or a simple value other than false, true and null")


def _take(data: bytes, offset: int, length: int) -> tuple[bytes, int]:
    if length > len(data) - offset:
        raise CodecError("DAG-CBOR: cut short")
    return data[offset : offset + length], offset + length


def _check_count(data: bytes, offset: int, count: int) -> None:
    """Raise `CodecError` if fewer bytes are left than entries are stated."""
    if count > len(data) - offset:
        raise CodecError("DAG-CBOR: cut short")
