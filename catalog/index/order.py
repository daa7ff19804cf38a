"""Versions as bytes in sort order, so that an index of SQLite holds them newest last.

Two versions compare as their `catalog.model.reference.version_key` does; the version itself ends the bytes, so no two are equal.
"""

from catalog.model.reference import version_key

_WORD, _END = b"\x01\x01", b"\x01\x00"
_PRE_RELEASE, _NUMBER = b"\x00", b"\x02"


def encode_order(version: str) -> bytes:
    """Return bytes that sort as the version does."""
    tokens, text = version_key(version)
    parts = []
    for kind, number, word in tokens:
        if kind == 0:
            parts.append(_PRE_RELEASE + bytes((number + 128,)))
        elif kind == 2:
            length = (number.bit_length() + 7) // 8
            parts.append(_NUMBER + bytes((length,)) + number.to_bytes(length, "big"))
        elif number:
            parts.append(_WORD + word.encode() + b"\x00")
        else:
            parts.append(_END)
    return b"".join(parts) + text.encode()
