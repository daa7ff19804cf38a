"""k3s and RKE2: ``mirrors`` of ``registries.yaml``, read when they start.

Source: docs.k3s.io and docs.rke2.io, "Private Registry Configuration": one form, a file for each.
"""

from typing import Any

import yaml

from catalog.deployment.nodes import Mapping, Node, Scalar, Sequence, get, items_of, parse_documents
from catalog.errors import InvalidConfigError, InvalidInputError
from cli.mirror.mirror import MARK, Mirror, refuse, without_marked_lines


def add_endpoints(text: str, mirror: Mirror, path: str) -> str:
    """Return a registries.yaml in which the server is the first endpoint of each registry."""
    for registry in mirror.registries:
        text = _add_endpoint(text, registry, mirror, path)
    return text


def remove_endpoints(text: str, before: str | None) -> str:  # noqa: ARG001  # the mark says what was added
    """Return a registries.yaml without the server."""
    return without_marked_lines(text)


def _add_endpoint(text: str, registry: str, mirror: Mirror, path: str) -> str:
    before = _load(text, path)
    endpoints = ((before.get("mirrors") or {}).get(registry) or {}).get("endpoint") or []
    if mirror.url in endpoints:
        return text
    at, lines = _find_place(text, registry, path)
    item = f'- "{mirror.url}" {MARK}'
    written = [f"{line} {MARK}" for line in lines[:-1]] + [lines[-1] + item]
    start = "" if not at or text[at - 1] == "\n" else "\n"
    result = text[:at] + start + "".join(line + "\n" for line in written) + text[at:]
    wanted = {**before, "mirrors": {**(before.get("mirrors") or {})}}
    wanted["mirrors"][registry] = {**(wanted["mirrors"].get(registry) or {}), "endpoint": [mirror.url, *endpoints]}
    try:
        is_right = _load(result, path) == wanted
    except (InvalidConfigError, RecursionError):  # what was there was read before; it may lead back to itself
        is_right = False
    if not is_right:
        raise refuse(path, f"the mirrors of {registry} are not written as blocks")
    return result


def _find_place(text: str, registry: str, path: str) -> tuple[int, list[str]]:
    """Return where lines are inserted, and these lines; the last one is the indent of the item."""
    documents = _parse(text, path)
    mirrors = _entry(documents[0] if documents else None, "mirrors")
    if mirrors is None:
        return len(text), ["mirrors:", f"  {registry}:", "    endpoint:", "      "]
    key, value = mirrors
    entry = _entry(value, registry)
    if entry is None:
        column = _column(text, value.pairs[0][0]) if isinstance(value, Mapping) and value.pairs else _column(text, key) + 2
        pad = " " * column
        return _behind(text, key), [f"{pad}{registry}:", f"{pad}  endpoint:", f"{pad}    "]
    key, value = entry
    entry = _entry(value, "endpoint")
    if entry is None:
        column = _column(text, value.pairs[0][0]) if isinstance(value, Mapping) and value.pairs else _column(text, key) + 2
        return _behind(text, key), [f"{' ' * column}endpoint:", " " * (column + 2)]
    key, value = entry
    first = items_of(value)[0] if isinstance(value, Sequence) and value.items else None
    if isinstance(first, Scalar):
        line = text.rfind("\n", 0, first.start) + 1
        return _behind(text, key), [" " * (text.find("-", line) - line)]
    return _behind(text, key), [" " * (_column(text, key) + 2)]


def _entry(node: Node | None, name: str) -> tuple[Scalar, Node] | None:
    pairs = node.pairs if isinstance(node, Mapping) and get(node, name) is not None else []
    return next(((key, value) for key, value in pairs if isinstance(key, Scalar) and key.text == name), None)


def _behind(text: str, key: Scalar) -> int:
    """Return the start of the line behind a key."""
    end = text.find("\n", key.stop)
    return len(text) if end < 0 else end + 1


def _column(text: str, node: Node) -> int:
    start = node.start if isinstance(node, Scalar) else 0
    quoted = start > 0 and text[start - 1] in "'\""
    return start - quoted - (text.rfind("\n", 0, start) + 1)


def _parse(text: str, path: str) -> list[Node]:
    try:
        return parse_documents(text)
    except InvalidInputError as error:
        raise refuse(path, f"{error.message}: {error.why}") from error


def _load(text: str, path: str) -> dict[str, Any]:
    if len(_parse(text, path)) > 1:
        raise refuse(path, "it has several documents")
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # PyYAML converts dates and numbers unchecked
        raise refuse(path, "it is not valid YAML") from error
    mirrors = document.get("mirrors") if isinstance(document, dict) else None
    if not isinstance(document, dict | None) or not isinstance(mirrors, dict | None):
        raise refuse(path, "it is not a mapping, or its mirrors are not")
    for entry in (mirrors or {}).values():
        if not isinstance(entry, dict | None) or not isinstance((entry or {}).get("endpoint"), list | None):
            raise refuse(path, "a registry among its mirrors is not a mapping, or its endpoints are not a list")
    return document or {}
