"""Unsigned LEB128 varints in their minimal form.

Source: multiformats/unsigned-varint (at most 9 bytes, 63 bits) and protobuf's encoding, which allows 10 bytes, 64 bits.
"""

from catalog.errors import CodecError


def encode_varint(value: int) -> bytes:
    """Encode ``value`` >= 0 in as few bytes as it needs."""
    if value < 0:
        raise ValueError("a varint cannot be negative")
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def decode_varint(data: bytes | memoryview, offset: int = 0, *, max_bytes: int = 9) -> tuple[int, int]:
    """Read a minimal varint at ``offset``; return the number and the offset after it.

    Raise `CodecError` if the bytes end, it is longer than ``max_bytes`` or not minimal, and above 64 bits.
    """
    value = shift = 0
    for position in range(offset, min(offset + max_bytes, len(data))):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 and shift:
                raise CodecError("varint is not minimal")
            if value >= 1 << 64:
                raise CodecError("varint is above 64 bits")
            return value, position + 1
        shift += 7
    raise CodecError("varint is cut short or too long")
