"""podman, CRI-O, skopeo: a file of its own in ``registries.conf.d``, read at each pull.

A drop-in's table for a prefix replaces those of other files, so it is not written where another file has one. A mirror takes the
place of the prefix, so its location ends with the registry: else the server would not know that it is asked as a mirror.
Source: containers-registries.conf(5), containers-registries.conf.d(5).
"""

import tomllib
from pathlib import Path

from cli.mirror.mirror import MARK, Mirror, refuse

FOLDER = "etc/containers/registries.conf.d"
FILE = "100-dcat-mirror.conf"
_HEAD = f"# Written by dcat mirror install; dcat mirror remove deletes it. {MARK}\n"


def make_drop_in(text: str, mirror: Mirror, path: str) -> str:
    """Return the drop-in; raise an error where ``text``, what is there, is not one of dcat."""
    if text and not is_own(text):
        raise refuse(path, "it is another file of that name", "move it away")
    ported = [name for name in mirror.registries if ":" in name]
    if ported:
        raise refuse(path, f"the location of a mirror cannot end with {ported[0]}, a registry with a port", "leave podman out")
    use = '\npull-from-mirror = "digest-only"' if mirror.pull_only else ""
    return _HEAD + "".join(
        f'\n[[registry]]\nprefix = "{name}"\nlocation = "{name}"\n\n'
        f'[[registry.mirror]]\nlocation = "{mirror.address}/{name}"\ninsecure = true{use}\n'
        for name in mirror.registries
    )


def remove_drop_in(text: str, before: str | None) -> str:  # noqa: ARG001  # the file is dcat's own
    """Return an empty text for a drop-in of dcat."""
    return "" if is_own(text) else text


def is_own(text: str) -> bool:
    """Return whether a text is a drop-in that dcat wrote."""
    return text.partition("\n")[0].endswith(MARK)


def check_others(root: Path, mirror: Mirror) -> None:
    """Raise an error where another file has a table for one of the registries."""
    for path in (root / "etc/containers/registries.conf", *sorted((root / FOLDER).glob("*.conf"))):
        if path.name == FILE or not path.is_file():
            continue
        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8")).get("registry", [])
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise refuse(str(path), f"it is not valid TOML: {error}") from error
        for table in tables if isinstance(tables, list) else []:
            prefix = table.get("prefix") or table.get("location") if isinstance(table, dict) else None
            if prefix in mirror.registries:
                raise refuse(
                    str(root / FOLDER / FILE),
                    f"it would replace what {path} says of {prefix}",
                    f'add there by hand: [[registry.mirror]] location = "{mirror.address}/{prefix}", insecure = true',
                )
