"""Settings: environment over one TOML file. Every key is known here; an unknown one is an error that names the nearest.

The file holds the few kinds of values that the keys have (text, switches, numbers) and is written whole, by a temporary file that
is synced and renamed over the old one: a crash leaves the old or the new. Comments in it do not outlive a `dcat config set`.
"""

import json
import os
import re
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from catalog.clients.kubo_address import SOCKET_SCHEME, find_rpc, parse_rpc_address
from catalog.errors import InvalidConfigError
from catalog.model.reference import nearest
from cli.text import has_secret, redact

Value = str | bool | float
AUTO = "auto"
"""The value of ``kubo`` for the node whose repository ``IPFS_PATH`` names."""

_SOURCE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Key:
    """A setting: how it is read, what it means, which variable of the environment stands over it, and what holds without it."""

    read: Callable[[str, str], Value]
    summary: str
    variable: str = ""
    default: Value | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting in force: its value and where that comes from: ``environment``, ``file`` or ``default``, and which of them."""

    key: str
    value: Value
    origin: str
    place: str = ""

    @property
    def text(self) -> str:
        """The value as people write it."""
        if isinstance(self.value, bool):
            return "on" if self.value else "off"
        return f"{self.value:g}" if isinstance(self.value, float) else self.value


@dataclass(frozen=True, slots=True)
class Source:
    """A place that blocks and records may be had from; never trusted."""

    name: str
    url: str
    token_file: Path | None = None
    ca_file: Path | None = None


def read_url(key: str, text: str) -> str:
    """Take an http or https URL without secrets in it."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidConfigError(f'{key}: "{redact(text)}" is no URL', hint="a URL reads http://127.0.0.1:5001")
    if has_secret(text):
        raise InvalidConfigError(
            f"{key}: {redact(text)} carries a secret or a query",
            why="settings are shown and logged; secrets stand in files of their own",
            hint=f"dcat config set {key.rsplit('.', 1)[0] + '.token-file' if '.' in key else key + '-token-file'} FILE",
        )
    return text.rstrip("/")


def read_kubo(key: str, text: str) -> str:
    """Take where a Kubo node's RPC is: a URL, a multiaddr, or ``auto``."""
    if text == AUTO:
        return text
    url = parse_rpc_address(text)
    return url if url.startswith(f"{SOCKET_SCHEME}:///") else read_url(key, url)


def read_switch(key: str, text: str) -> bool:
    """Take on or off, in the words that people use."""
    if text.lower() in {"on", "true", "yes", "1"}:
        return True
    if text.lower() in {"off", "false", "no", "0"}:
        return False
    raise InvalidConfigError(f'{key} is on or off, not "{text}"')


def read_seconds(key: str, text: str) -> float:
    """Take a number of seconds above zero."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 10**7:
        raise InvalidConfigError(f'{key} is a number of seconds, not "{text}"')
    return seconds


def read_file(key: str, text: str) -> str:
    """Take the path of a file that is there."""
    path = Path(text).expanduser().absolute()
    if not path.is_file():
        raise InvalidConfigError(f'{key}: there is no file "{path}"')
    return str(path)


KEYS: dict[str, Key] = {
    "kubo": Key(read_kubo, "where a Kubo node's RPC is, to store and share through it: URL, multiaddr, or auto", "DCAT_KUBO"),
    "kubo-token-file": Key(read_file, "file with the token of that RPC"),
    "deltas": Key(read_switch, "make deltas from one version to the next when publishing", default=True),
    "offline": Key(read_switch, "never use the network", "DCAT_OFFLINE", default=False),
    "timeout": Key(read_seconds, "give a command up after so many seconds", "DCAT_TIMEOUT"),
}
SOURCE_KEYS: dict[str, Key] = {
    "url": Key(read_url, "where a source is: a teammate's dcat serve, or any trustless gateway"),
    "token-file": Key(read_file, "file with the token for it"),
    "ca-file": Key(read_file, "file with the certificate that its TLS is checked against"),
}


def find_key(key: str) -> Key:
    """Give a known key's meaning; raise `InvalidConfigError` with the nearest for another."""
    known = list(KEYS)
    parts = key.split(".")
    if parts[0] == "sources" and len(parts) == 3:
        if not _SOURCE_NAME.fullmatch(parts[1]):
            raise InvalidConfigError(
                f'"{parts[1]}" names no source', why="a source's name is lower-case letters, digits and dashes"
            )
        if parts[2] in SOURCE_KEYS:
            return SOURCE_KEYS[parts[2]]
    elif key in KEYS:
        return KEYS[key]
    known += [f"sources.{parts[1] if len(parts) > 1 and parts[1] else 'NAME'}.{name}" for name in SOURCE_KEYS]
    near = nearest(key, known, edits=3)
    why = (
        f'the nearest is "{near[0]}"' if near else "the keys are " + ", ".join([*KEYS, *(f"sources.NAME.{k}" for k in SOURCE_KEYS)])
    )
    raise InvalidConfigError(f'there is no setting "{key}"', why=why, nearest=near)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings in force, by key; keys that are not set and have no default are absent."""

    by_key: Mapping[str, Setting]
    ipfs_repository: Path = Path("~/.ipfs")

    def text(self, key: str) -> str:
        """Give a setting as text, empty where it is not set."""
        return self.by_key[key].text if key in self.by_key else ""

    @property
    def kubo(self) -> str:
        """The URL of Kubo's RPC, or empty."""
        return self.find_kubo(self.text("kubo"))

    def find_kubo(self, text: str) -> str:
        """Give the URL that a value of ``kubo`` stands for now."""
        return find_rpc(self.ipfs_repository.expanduser()) if text == AUTO else text

    @property
    def kubo_token_file(self) -> Path | None:
        return Path(self.text("kubo-token-file")) if self.text("kubo-token-file") else None

    @property
    def deltas(self) -> bool:
        return bool(self.by_key["deltas"].value)

    @property
    def offline(self) -> bool:
        return bool(self.by_key["offline"].value)

    @property
    def sources(self) -> tuple[Source, ...]:
        """The configured sources, in the order of their names."""
        names = sorted({key.split(".")[1] for key in self.by_key if key.startswith("sources.")})
        found = []
        for name in names:
            token, authority = self.text(f"sources.{name}.token-file"), self.text(f"sources.{name}.ca-file")
            url = self.text(f"sources.{name}.url")
            if url:
                found.append(Source(name, url, Path(token) if token else None, Path(authority) if authority else None))
        return tuple(found)


def read_settings(path: Path, variables: Mapping[str, str]) -> Settings:
    """Read the file and the environment over it; a missing file is an empty one."""
    by_key = {key: Setting(key, known.default, "default") for key, known in KEYS.items() if known.default is not None}
    for key, value in read_file_values(path).items():
        by_key[key] = Setting(key, value, "file", str(path))
    for key, known in KEYS.items():
        if known.variable and variables.get(known.variable):
            by_key[key] = Setting(key, known.read(known.variable, variables[known.variable]), "environment", known.variable)
    for number, url in enumerate(re.split(r"[\s,]+", variables.get("DCAT_SOURCES", "").strip()), 1):
        if url:
            key = f"sources.environment-{number}.url"
            by_key[key] = Setting(key, read_url("DCAT_SOURCES", url), "environment", "DCAT_SOURCES")
    repository = variables.get("IPFS_PATH")
    return Settings(by_key, Path(repository)) if repository else Settings(by_key)


def read_file_values(path: Path) -> dict[str, Value]:
    """Read the file's settings by key, each checked."""
    try:
        document = tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError:
        return {}
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidConfigError(f"{path} is no TOML file", why=str(error), hint="repair it, or move it away") from error
    values: dict[str, Value] = {}
    for key, value in _flatten(document):
        try:
            values[key] = find_key(key).read(key, "on" if value is True else "off" if value is False else str(value))
        except InvalidConfigError as error:
            raise InvalidConfigError(f"{path}: {error.message}", why=error.why, hint=f"dcat config unset {key}") from error
    return values


def write_file_values(path: Path, values: Mapping[str, Value]) -> None:
    """Write the file whole: the old one or the new one is there, never a part."""
    lines = [f"{key} = {_encode(value)}\n" for key, value in sorted(values.items()) if "." not in key]
    for table in sorted({key.rpartition(".")[0] for key in values} - {""}):
        lines.append(f"\n[{table}]\n")
        lines += [
            f"{key.rpartition('.')[2]} = {_encode(value)}\n"
            for key, value in sorted(values.items())
            if key.rpartition(".")[0] == table
        ]
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8") as temporary:
        try:
            temporary.writelines(lines)
            temporary.flush()
            os.fsync(temporary.fileno())
            os.replace(temporary.name, path)
        except BaseException:
            Path(temporary.name).unlink(missing_ok=True)
            raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def unset_in_file(path: Path, key: str) -> bool:
    """Take a key out of the file, known or not (that is how an unknown one is got rid of); say whether it was there."""
    try:
        values = dict(_flatten(tomllib.loads(path.read_text(encoding="utf-8"))))
    except FileNotFoundError:
        return False
    if key not in values:
        return False
    del values[key]
    write_file_values(path, values)
    return True


def _flatten(document: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in document.items():
        found += _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
    return found


def _encode(value: Value) -> str:
    """Write a TOML value; a JSON string without escapes above ASCII is a TOML basic string (TOML 1.0, "String")."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, int | float) else json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
