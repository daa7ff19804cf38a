"""RFC 8785 JSON, the canonical form of values in a snapshot.

Keys sorted by UTF-16 code units, no spaces, UTF-8, only the escapes that JSON demands. Numbers are integers below 2⁵³ in size: the
format has no others, so the RFC's rules for fractions never apply. Read strictly: text that does not encode back to the same bytes
is refused, so duplicate keys, other escapes, spaces, lone surrogates, ``-0``, fractions, NaN and bytes after the value are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from catalog.errors import SnapshotError
from catalog.limits import MAX_JSON_DEPTH

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from typing import NoReturn

MAX_INTEGER = 2**53 - 1
# Below U+E000, the order of code points is that of UTF-16 code units.
_FIRST_UNLIKE = "\ue000"


class _OutsideError(ValueError):
    """A number that snapshots cannot hold."""


def _refuse(text: str) -> NoReturn:
    raise _OutsideError(text)


_encode_sorted = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode
_encode_as_is = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_decode = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse).decode


def encode_json(value: object) -> bytes:
    """Return the canonical bytes of ``value``: maps with text keys, lists, text, integers, booleans, None.

    Raise `ValueError` or `TypeError` for anything else.
    """
    text = _encode_sorted(value)
    if not text.isascii() and max(text) >= _FIRST_UNLIKE:
        text = _encode_as_is(_sort_keys(value))
    return text.encode()


def decode_json(data: bytes) -> dict[str, object]:
    """Read an object; raise `SnapshotError` for data that is not an object, not canonical, or deeper than 64."""
    try:
        value = _decode(data.decode())
        canonical = encode_json(value)
    except (ValueError, RecursionError) as error:
        raise SnapshotError("not canonical JSON", why=_reason(error)) from error
    if canonical != data:
        raise SnapshotError("not canonical JSON", why="RFC 8785 writes the same value in other bytes")
    if not isinstance(value, dict):
        raise SnapshotError("not a JSON object")
    return value


def check_extra(value: object, depth: int = MAX_JSON_DEPTH) -> None:
    """Raise `SnapshotError` if an unknown value is deeper than 64 or holds an integer of 2⁵³ or more in size."""
    if depth < 0:
        raise SnapshotError(f"JSON is deeper than {MAX_JSON_DEPTH}")
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        raise SnapshotError("JSON holds an integer of 2⁵³ or more")
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for entry in value:
            check_extra(entry, depth - 1)


def _sort_keys(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _sort_keys(value[key]) for key in sorted(value, key=_utf16)}
    if isinstance(value, list):
        return [_sort_keys(entry) for entry in value]
    return value


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be")


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "too deep"
    if isinstance(error, _OutsideError):
        return "a number that is not an integer"
    if isinstance(error, UnicodeError):
        return "not UTF-8"
    return str(error)[:200]
