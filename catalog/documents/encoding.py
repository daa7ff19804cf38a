"""A document as JSON, and the JSON Schema of it: both made from the same frozen dataclasses."""

import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
_PLAIN: Mapping[type, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


def to_json(value: object) -> Any:
    """Return a document as what `json.dumps` takes; a lone surrogate, of a file name that is not UTF-8, is escaped."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value) if field.repr}
    if isinstance(value, Mapping):
        return {str(to_json(key)): to_json(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [to_json(item) for item in value]
    return value


def extend(kind: type[T], document: Any, **more: Any) -> T:
    """Return a document of ``kind``, which extends the dataclass of ``document``, with its fields and some more."""
    extended: Any = type(document)
    return kind(**{name: getattr(document, name) for name in _names(extended)} | more)


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def schema_of(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of a type; those of dataclasses in it are added to ``definitions``, by name."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if kind is type(None):
        return {"type": "null"}
    if origin is Literal:
        return {"type": "string", "enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [schema_of(argument, definitions) for argument in arguments]}
    if origin in (tuple, list):
        return {"type": "array", "items": schema_of(arguments[0], definitions)}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": schema_of(arguments[1], definitions)}
    if is_dataclass(kind):
        return _define(kind, definitions)
    raise TypeError(f"no schema for {kind!r}")


def _define(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    name = kind.__name__
    if name not in definitions:
        definitions[name] = {}
        hints = get_type_hints(kind)
        shown = [field for field in fields(kind) if field.repr]
        definitions[name] = {
            "type": "object",
            "description": " ".join((kind.__doc__ or "").split("\n\n")[0].split()),
            "properties": {field.name: schema_of(hints[field.name], definitions) for field in shown},
            "required": [field.name for field in shown],
        }
    return {"$ref": f"#/components/schemas/{name}"}
