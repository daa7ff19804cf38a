"""Strict JSON: documents that different readers could read differently are refused.

`json` alone accepts duplicate keys (the last wins; others take the first), NaN, lone surrogates, and goes as deep as the stack; Go
matches keys whatever their case. Source: docs/formats/encodings.md, section 8; docs/safety.md, C6.
"""

import json
from collections.abc import Mapping
from typing import NoReturn, cast

from catalog.errors import ArchiveError
from catalog.limits import MAX_JSON_DEPTH, MAX_JSON_SIZE

JsonObject = Mapping[str, object]


def decode_document(data: bytes, what: str) -> object:
    """Read strict JSON of at most 4 MiB and 64 levels; raise `ArchiveError`, which calls the document ``what``."""
    if len(data) > MAX_JSON_SIZE:
        raise ArchiveError(f"{what} has {len(data)} bytes", why=f"at most {MAX_JSON_SIZE} are read")
    try:
        text = data.decode("utf-8")
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ArchiveError(f"{what} is nested too deeply", why=f"at most {MAX_JSON_DEPTH} levels are read") from error
    except ValueError as error:  # not UTF-8, not JSON, an integer of thousands of digits, or one of the two hooks
        raise ArchiveError(f"{what} is not strict JSON", why=str(error)[:200]) from error
    _check_values(document, what, check_text="\\u" in text)
    return document


def decode_object(data: bytes, what: str) -> JsonObject:
    """Read a strict JSON object."""
    return as_object(decode_document(data, what), what)


def as_object(value: object, what: str) -> JsonObject:
    """Return ``value`` if it is an object."""
    if not isinstance(value, dict):
        raise ArchiveError(f"{what} is not a JSON object")
    return cast(JsonObject, value)


def get_field(document: JsonObject, key: str, what: str) -> object:
    """Return the value of ``key``, None if it is absent or null; the same key in other letter case is refused.

    Go folds letters outside of ASCII too: the long s (U+017F) is an s, the Kelvin sign a k.
    """
    folded = key.casefold()
    for other in document:
        if other != key and len(other) == len(key) and other.casefold() == folded:
            raise ArchiveError(f'{what} has the key "{other}"', why=f'some readers would read it as "{key}"')
    return document.get(key)


def get_text(document: JsonObject, key: str, what: str) -> str:
    """Return the text of ``key``, empty if it is absent."""
    value = get_field(document, key, what)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ArchiveError(f'"{key}" of {what} is not text')
    return value


def get_object(document: JsonObject, key: str, what: str) -> JsonObject:
    """Return the object of ``key``, empty if it is absent."""
    value = get_field(document, key, what)
    return {} if value is None else as_object(value, f'"{key}" of {what}')


def get_list(document: JsonObject, key: str, what: str) -> list[object]:
    """Return the list of ``key``, empty if it is absent."""
    value = get_field(document, key, what)
    if value is None:
        return []
    if not isinstance(value, list):
        raise ArchiveError(f'"{key}" of {what} is not a list')
    return cast(list[object], value)


def get_texts(document: JsonObject, key: str, what: str) -> list[str]:
    """Return the list of texts of ``key``, empty if it is absent."""
    values = get_list(document, key, what)
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) != len(values):
        raise ArchiveError(f'"{key}" of {what} is not a list of texts')
    return texts


def get_text_map(document: JsonObject, key: str, what: str) -> dict[str, str]:
    """Return the map of texts of ``key``, empty if it is absent."""
    values = get_object(document, key, what)
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    if len(texts) != len(values):
        raise ArchiveError(f'"{key}" of {what} is not a map of texts')
    return texts


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("an object has the same key twice")
    return document


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _check_values(document: object, what: str, *, check_text: bool) -> None:
    """Check depth, and that no escape made a lone surrogate."""
    level: list[object] = [document]
    for _ in range(MAX_JSON_DEPTH + 1):
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                below += value.values()
                if check_text:
                    below += value.keys()
            elif isinstance(value, list):
                below += value
            elif check_text and isinstance(value, str) and not _is_unicode(value):
                raise ArchiveError(f"{what} is not strict JSON", why="an escape encodes half of a surrogate pair")
        if not below:
            return
        level = below
    raise ArchiveError(f"{what} is nested too deeply", why=f"at most {MAX_JSON_DEPTH} levels are read")


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
