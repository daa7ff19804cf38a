"""``dcat config``: read and change settings."""

from pathlib import Path
from typing import Annotated

import typer

from catalog.errors import InvalidConfigError
from cli.command import command, command_app
from cli.context import Context
from cli.output import Document, Table
from cli.secrets import warn_if_shared
from cli.settings import Setting, Settings
from cli.settings.file import set_in_file, unset_in_file
from cli.settings.keys import LEAST, MOST, find_key
from cli.sharing import ask_for_consent
from cli.text import redact

app = command_app()

KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="A setting, such as kubo or sources.NAME.url.")]
OriginOption = Annotated[bool, typer.Option("--show-origin", help="Show where each value comes from.")]


@app.callback()
def config() -> None:
    """Read and change settings.

    The environment overrides the settings file: dcat help environment.
    """


@app.command("list")
@command
def list_(context: Context, show_origin: OriginOption = False) -> Document:
    """List the settings in force."""
    return _document(list(context.settings.by_key.values()), show_origin)


@app.command("get")
@command
def get(context: Context, key: KeyArgument, show_origin: OriginOption = False) -> Document:
    """Print one setting, or nothing where it is not set."""
    find_key(key)
    setting = context.settings.by_key.get(key)
    if setting is None:
        return Document("config", {"settings": []}, closing=f"{key} is not set: {find_key(key).summary}")
    if show_origin:
        return _document([setting], show_origin)
    return Document("config", {"settings": [_as_json(setting)]}, [redact(setting.text)], [setting.text])


@app.command("set")
@command
def set_(
    context: Context,
    key: KeyArgument,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="Its value; see dcat help settings.")],
) -> Document:
    """Write one setting to the settings file."""
    known = find_key(key)
    path = context.surroundings.config
    closing = ""
    setting = Setting(key, known.read(key, value), "file", str(path))
    if key in (LEAST, MOST):
        _check_replicas(context.settings.changed(setting), key)
    if key == "kubo" and not _is_confirmed(context, context.settings.find_kubo(setting.text)):
        closing = f"Not confirmed, so nothing is shared there yet. To confirm: dcat config set kubo {setting.text} --yes"
    set_in_file(path, {key: setting.value})
    if key.endswith("token-file"):
        warn_if_shared(context.output, Path(setting.text), "a token")
    if known.variable and context.surroundings.variables.get(known.variable):
        context.output.warn(f"{known.variable} is set in the environment and overrides {path}")
    body = {"settings": [_as_json(setting)]}
    return Document(
        "config", body | ({"confirmed": not closing} if key == "kubo" else {}), [setting.text], [f"{key} = {setting.text}"], closing
    )


def _check_replicas(settings: Settings, key: str) -> None:
    """Raise `InvalidConfigError` where the two numbers exclude each other; the hint changes the one that was not typed."""
    try:
        _ = settings.replicas
    except InvalidConfigError as error:
        if key == MOST:
            error.hint = f"dcat config set {LEAST} {settings.text(MOST)}"
        raise


def _is_confirmed(context: Context, url: str) -> bool:
    from catalog.own.nodes import has_consent

    return has_consent(context.home, url, lambda _url: ask_for_consent(context))


@app.command("unset")
@command
def unset(context: Context, key: KeyArgument) -> Document:
    """Remove one setting from the settings file."""
    path = context.surroundings.config
    if not unset_in_file(path, key):
        find_key(key)
        raise InvalidConfigError(f'"{key}" is not set in {path}')
    return Document("config", {"settings": [], "unset": key}, [key], [f"{key} is no longer set in {path}"])


def _document(settings: list[Setting], show_origin: bool) -> Document:
    settings = sorted(settings, key=lambda setting: setting.key)
    columns = ("SETTING", "VALUE", *(("ORIGIN",) if show_origin else ()))
    rows = [
        (setting.key, setting.text, *((f"{setting.origin} {setting.place}".strip(),) if show_origin else ()))
        for setting in settings
    ]
    return Document(
        "config",
        {"settings": [_as_json(setting) for setting in settings]},
        [setting.key for setting in settings],
        [Table(columns, rows)],
    )


def _as_json(setting: Setting) -> dict[str, object]:
    value = redact(setting.value) if isinstance(setting.value, str) else setting.value
    return {"key": setting.key, "value": value, "origin": setting.origin, "place": setting.place}
