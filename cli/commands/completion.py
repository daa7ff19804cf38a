"""``dcat completion``: install or print the scripts of `cli.completion`."""

from pathlib import Path
from typing import Annotated

import typer

from catalog.model.text import quote
from cli.command import command, command_app
from cli.completion import SCRIPTS
from cli.context import Context
from cli.failures import UsageError
from cli.output import Document

app = command_app()

ShellArgument = Annotated[str, typer.Argument(metavar="[bash|zsh|fish]", help="Default: the shell that SHELL names.")]


@app.callback()
def completion() -> None:
    """Install or show completion for bash, zsh or fish."""


@app.command("install")
@command
def install(context: Context, shell: ShellArgument = "") -> Document:
    """Write the completion script to where the shell looks for it."""
    shell = _shell(context, shell)
    path = _place(context, shell)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SCRIPTS[shell], encoding="utf-8")
    closing = {
        "bash": f"New shells complete dcat if bash-completion is installed. For this shell: source {quote(str(path))}",
        "zsh": f"Add to ~/.zshrc, before compinit: fpath=({quote(str(path.parent))} $fpath)",
        "fish": "New shells complete dcat.",
    }[shell]
    return Document("completion", {"shell": shell, "path": str(path)}, [str(path)], [f"Wrote {path}"], closing)


@app.command("show")
@command
def show(context: Context, shell: ShellArgument = "") -> Document:
    """Print the completion script."""
    shell = _shell(context, shell)
    return Document("completion", {"shell": shell, "script": SCRIPTS[shell]}, [], [SCRIPTS[shell].rstrip("\n")])


def _shell(context: Context, shell: str) -> str:
    shell = shell or Path(context.surroundings.variables.get("SHELL", "")).name
    if shell not in SCRIPTS:
        raise UsageError(f'completion does not support the shell "{shell}"', why="supported are bash, zsh and fish")
    return shell


def _place(context: Context, shell: str) -> Path:
    """Return the user's completion file (see the manuals of bash-completion and fish; zsh has no default place)."""
    variables, user_home = context.surroundings.variables, context.surroundings.user_home
    data = Path(variables.get("XDG_DATA_HOME") or user_home / ".local/share")
    if shell == "bash":
        return Path(variables.get("BASH_COMPLETION_USER_DIR") or data / "bash-completion") / "completions/dcat"
    if shell == "zsh":
        return data / "zsh/site-functions/_dcat"
    return Path(variables.get("XDG_CONFIG_HOME") or user_home / ".config") / "fish/completions/dcat.fish"
