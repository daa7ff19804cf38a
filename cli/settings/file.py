"""The settings file: TOML that people write by hand too, so an edit keeps their comments and their order.

tomlkit makes the edit, `catalog.storage.files` writes the file whole: a crash leaves the old one or the new one.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from catalog.errors import InvalidConfigError
from cli.settings.keys import Value, find_key


def read_file_values(path: Path) -> dict[str, Value]:
    """Return the settings of the file by key, each parsed; a missing file has none."""
    values: dict[str, Value] = {}
    for key, value in _flatten(tomllib.loads(_read(path))):
        try:
            values[key] = find_key(key).read(key, "on" if value is True else "off" if value is False else str(value))
        except InvalidConfigError as error:
            raise InvalidConfigError(f"{path}: {error.message}", why=error.why, hint=f"dcat config unset {key}") from error
    return values


def set_in_file(path: Path, values: Mapping[str, Value]) -> None:
    """Set keys in the file, which is made where it is missing; everything else in it stays as it is."""
    import tomlkit
    from tomlkit.items import InlineTable

    before = _read(path)
    document = tomlkit.parse(before)
    leading = tomlkit.document()  # new keys of no table: behind one, they would belong to it
    for key, value in values.items():
        *tables, name = key.split(".")
        place: Any = document if tables or name in document else leading
        for number, table in enumerate(tables, 1):
            if table not in place:
                inline = isinstance(place, InlineTable)
                place[table] = tomlkit.inline_table() if inline else tomlkit.table(is_super_table=number < len(tables))
            place = place[table]
        place[name] = int(value) if isinstance(value, float) and value.is_integer() else value
    text = tomlkit.dumps(leading) + tomlkit.dumps(document)
    _write(path, text, dict(_flatten(tomllib.loads(before))) | dict(values))


def unset_in_file(path: Path, key: str) -> bool:
    """Remove a key, known or not, from the file; return whether it was there."""
    values = dict(_flatten(tomllib.loads(_read(path))))
    if key not in values:
        return False
    import tomlkit

    del values[key]
    document = tomlkit.parse(_read(path))
    *tables, name = key.split(".")
    places: list[Any] = [document]
    for table in tables:
        places.append(places[-1][table])
    del places[-1][name]
    for parent, table, place in reversed(list(zip(places, tables, places[1:], strict=False))):
        if not place and "#" not in place.as_string():
            del parent[table]
    _write(path, tomlkit.dumps(document), values)
    return True


def _read(path: Path) -> str:
    """Return the text of the file, which is valid TOML; empty where there is none."""
    try:
        text = path.read_bytes().decode()
        tomllib.loads(text)
    except FileNotFoundError:
        return ""
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidConfigError(f"{path} is not a valid TOML file", why=str(error), hint="repair it, or move it away") from error
    return text


def _write(path: Path, text: str, wanted: Mapping[str, Value]) -> None:
    """Write the file, unless the edited text says something else than it should."""
    if dict(_flatten(tomllib.loads(text))) != wanted:
        raise InvalidConfigError(f"{path} could not be edited", why="its layout is unusual", hint="edit it by hand")
    from catalog.storage.files import PRIVATE, replace_file

    target = path.resolve()  # a link, as keepers of dotfiles make them, stays a link
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with replace_file(target, mode=PRIVATE) as file:
        file.write(text.encode())


def _flatten(document: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in document.items():
        found += _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
    return found
