"""Docker: ``registry-mirrors`` of ``daemon.json``, for docker.io only; read when the daemon starts or is reloaded.

JSON has no comments, so what was added is known by its form, which nobody types: 127.0.0.1 as an IPv6 address.
Source: docs.docker.com, "dockerd", daemon configuration file.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from catalog.sources.protocol import MIRROR_HOST
from cli.mirror.mirror import Mirror, refuse

_KEY = "registry-mirrors"
_OWN = re.compile(rf"http://{re.escape(MIRROR_HOST)}:[0-9]{{1,5}}/?")
_SPACE = re.compile(r"[ \t\r\n]*")


class _Member(NamedTuple):
    """A member of an object, or an item of an array: where it begins, where its value does, and where it ends."""

    name: str
    start: int
    value: int
    stop: int


def add_mirror(text: str, mirror: Mirror, path: str) -> str:
    """Return a daemon.json whose first registry mirror is the server."""
    if not text.strip():
        return f'{{\n  "{_KEY}": ["{mirror.docker_url}"]\n}}\n'
    document = _parse(text, path)
    if mirror.docker_url in map(_bare, document.get(_KEY, [])):
        return text
    found = next((member for member in _members(text) if member.name == _KEY), None)
    result = _insert(text, f'"{mirror.docker_url}"', found.value) if found else _insert(text, f'"{_KEY}": ["{mirror.docker_url}"]')
    wanted = {**document, _KEY: [mirror.docker_url, *document.get(_KEY, [])]}
    if _parse(result, path) != wanted:
        raise refuse(path, "its form is not understood")
    return result


def remove_mirror(text: str, before: str | None) -> str:
    """Return a daemon.json without the server; ``before``, the text before it was added, says whether there were other mirrors."""
    if MIRROR_HOST not in text:  # nothing to remove, whatever else is in it
        return text
    document = _parse(text, "daemon.json")
    known = _parse(before, "daemon.json").get(_KEY) if before and before.strip() else None
    for url in document.get(_KEY, []):
        if not _OWN.fullmatch(str(url)):
            continue
        found = next(member for member in _members(text) if member.name == _KEY)
        items = list(_items(text, found.value))
        if len(items) == 1 and known is None:
            text = _cut(text, list(_members(text)), found)
        else:
            text = _cut(text, items, next(item for item in items if json.loads(text[item.start : item.stop]) == url))
    return text


def _insert(text: str, piece: str, start: int = 0) -> str:
    """Return the text with a member more in the object or array that begins at ``start``, in front, spaced like the next one."""
    opening = _skip(text, start) + 1
    first = _skip(text, opening)
    space = text[opening:first]
    is_empty = text[first] in "]}"
    return text[:first] + piece + ("" if is_empty else f",{space or ' '}") + text[first:]


def _cut(text: str, members: list[_Member], member: _Member) -> str:
    """Return the text without a member: with what stands before the next one, or behind the one before."""
    at = members.index(member)
    if at + 1 < len(members):
        return text[: member.start] + text[members[at + 1].start :]
    return text[: members[at - 1].stop if at else member.start] + text[member.stop :]


def _members(text: str) -> Iterator[_Member]:
    at = _skip(text, _skip(text, 0) + 1)
    while text[at] != "}":
        name, stop = json.JSONDecoder().raw_decode(text, at)
        value = _skip(text, _skip(text, stop) + 1)
        end = _end(text, value)
        yield _Member(name, at, value, end)
        at = _next(text, end)


def _items(text: str, start: int) -> Iterator[_Member]:
    at = _skip(text, start + 1)
    while text[at] != "]":
        end = _end(text, at)
        yield _Member("", at, at, end)
        at = _next(text, end)


def _next(text: str, end: int) -> int:
    at = _skip(text, end)
    return _skip(text, at + 1) if text[at] == "," else at


def _end(text: str, at: int) -> int:
    return json.JSONDecoder().raw_decode(text, at)[1]


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _bare(url: object) -> str:
    return str(url).rstrip("/")


def _parse(text: str, path: str) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(text, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise refuse(path, f"it is not valid JSON: {error}") from error
    mirrors = document.get(_KEY, []) if isinstance(document, dict) else None
    if not isinstance(mirrors, list):
        raise refuse(path, "it is not an object, or its registry-mirrors are not a list")
    return document


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; raise `ValueError` where a key stands in it twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in an object")
    return found
