"""How an image runs, as its config says, without the values that look like secrets."""

import json
from dataclasses import dataclass

from catalog.errors import VerificationError
from catalog.image.document import JsonObject, decode_object, get_object, get_text, get_text_map, get_texts
from catalog.image.reader import ArchiveView
from catalog.image.secrets import find_secrets

_WHAT = "the image config"
_MASK = "••••••"


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of the configuration; of one that looks like a secret the value is not shown."""

    name: str
    value: str
    masked: bool


@dataclass(frozen=True, slots=True)
class Configuration:
    """How the image runs, as its config says."""

    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    user: str
    directory: str
    ports: tuple[str, ...]
    volumes: tuple[str, ...]
    stop_signal: str
    environment: tuple[Setting, ...]
    labels: tuple[Setting, ...]


def describe_configuration(view: ArchiveView) -> Configuration:
    """Return the configuration of an image, with the values that look like secrets masked."""
    document = decode_object(view.config, _WHAT)
    runtime = get_object(document, "config", _WHAT)
    secret = set(find_secrets(view.image.env, view.image.labels))
    environment = [entry.partition("=")[::2] for entry in view.image.env]
    return Configuration(
        entrypoint=_texts(runtime, "Entrypoint"),
        command=_texts(runtime, "Cmd"),
        user=_text(runtime, "User"),
        directory=_text(runtime, "WorkingDir"),
        ports=_keys(runtime, "ExposedPorts"),
        volumes=_keys(runtime, "Volumes"),
        stop_signal=_text(runtime, "StopSignal"),
        environment=tuple(_setting(name, value, secret) for name, value in environment),
        labels=tuple(_setting(name, value, secret) for name, value in sorted(get_text_map(runtime, "Labels", _WHAT).items())),
    )


def _setting(name: str, value: str, secret: set[str]) -> Setting:
    return Setting(name, _MASK, masked=True) if name in secret else Setting(name, value, masked=False)


def _texts(runtime: JsonObject, key: str) -> tuple[str, ...]:
    try:
        return tuple(get_texts(runtime, key, _WHAT))
    except VerificationError:
        return (json.dumps(runtime.get(key), ensure_ascii=False),)


def _text(runtime: JsonObject, key: str) -> str:
    try:
        return get_text(runtime, key, _WHAT)
    except VerificationError:
        return json.dumps(runtime.get(key), ensure_ascii=False)


def _keys(runtime: JsonObject, key: str) -> tuple[str, ...]:
    value = runtime.get(key)
    return tuple(sorted(map(str, value))) if isinstance(value, dict) else ()
