"""``dcat mirror``: engines on this machine ask the server of dcat first."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from catalog.deployment.mention import parse_image_name
from catalog.errors import DcatError, NotFoundError, StorageError
from catalog.model.text import quote
from cli.command import command, command_app
from cli.context import Context
from cli.exits import expected
from cli.failures import UsageError
from cli.mirror.change import Change, apply_change, apply_removal
from cli.mirror.engines import ENGINES, choose
from cli.mirror.mirror import DOCKER_HUB, Mirror
from cli.mirror.pulls import ask_pulls
from cli.output import Document, Table
from cli.secrets import read_token

app = command_app()

EnginesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ENGINE]...", help="containerd, docker, podman, k3s, rke2; default: those that are here."),
]
PortOption = Annotated[int, typer.Option("--port", metavar="PORT", help="The port of dcat serve.", min=1, max=65535)]
RegistryOption = Annotated[
    list[str] | None,
    typer.Option("--registry", metavar="HOST", help="Ask dcat first for names of this registry (repeatable); default: docker.io."),
]
PullOnlyOption = Annotated[
    bool, typer.Option("--pull-only", help="Ask dcat for digests, not for tags: what these mean is the registry's.")
]
RootOption = Annotated[Path, typer.Option("--root", metavar="DIR", help="Change the settings of the system below this folder.")]
TokenOption = Annotated[Path | None, typer.Option("--token-file", metavar="FILE", help="The token of the server, if it has one.")]


@app.callback()
def mirror() -> None:
    """Make engines on this machine ask dcat serve first, and see whether it works.

    What dcat serve has, they then pull from it under the names of the registry; for the rest they go on to the registry.
    """


@app.command("install")
@command
def install(
    context: Context,
    engines: EnginesArgument = None,
    port: PortOption = 5078,
    registry: RegistryOption = None,
    pull_only: PullOnlyOption = False,
    root: RootOption = Path("/"),
) -> Document:
    """Show what would change in the settings of engines, ask, and change it; a copy of each file is kept."""
    if not root.is_dir():
        raise UsageError(f"--root: there is no folder {root}")
    wanted = Mirror(port, tuple(map(_host, dict.fromkeys(registry or [DOCKER_HUB]))), pull_only)
    chosen = choose(engines or [], root)
    changes = [change for engine in chosen for change in engine.plan_install(root, wanted)]
    notes = [note for engine in chosen if (note := engine.note(root, wanted))]
    if pull_only and "docker" in [engine.name for engine in chosen]:
        notes.append("docker always asks a mirror for tags too")
    return _carry_out(context, changes, apply_change, root, notes, "To see whether it works: dcat mirror status")


@app.command("remove")
@command
def remove(context: Context, engines: EnginesArgument = None, root: RootOption = Path("/")) -> Document:
    """Show what would be restored in the settings of engines, ask, and restore it."""
    chosen = choose(engines or [], root) if engines else list(ENGINES)
    changes: list[Change] = []
    notes = []
    failed: list[DcatError] = []
    for engine in chosen:
        try:
            planned = engine.plan_remove(root)
        except DcatError as error:
            if engines:
                raise
            failed.append(error)  # the file of one engine keeps nobody from removing it from the others
            continue
        changes += planned
        if planned and engine.name in ("docker", "k3s", "rke2") and (note := engine.note(root, Mirror(0))):
            notes.append(note)
    if not changes:
        if failed:
            raise failed[0]
        raise NotFoundError("no engine has dcat as a mirror", why="nothing was installed", hint="dcat mirror install")
    for failure in failed:
        context.output.warn(f"{failure.message}: {failure.why}")
    return _carry_out(context, changes, apply_removal, root, notes, "")


@app.command("status")
@command
def status(context: Context, port: PortOption = 5078, root: RootOption = Path("/"), token_file: TokenOption = None) -> Document:
    """Show which engines ask dcat first, whether the server answers, and what was pulled from it."""
    rows, files = [], {}
    for engine in ENGINES:
        installed, state = [], "no"
        try:
            installed = engine.installed(root)
        except (DcatError, OSError) as failure:
            if (error := expected(failure)) is None:
                raise
            context.output.warn(f"{error.message}: {error.why}")
            state = "unknown"
        files[engine.name] = list(map(str, installed))
        if installed or engine.is_there(root):
            rows.append((engine.name, "yes" if installed else state, ", ".join(map(str, installed)) or "-"))
    pulls = ask_pulls(port, read_token(context.output, token_file) if token_file else None)
    body = {
        "engines": files,
        "server": {"url": f"http://127.0.0.1:{port}", "answers": pulls is not None},
        **(pulls.body if pulls else {}),
    }
    parts: list[str | Table] = [Table(("ENGINE", "MIRROR", "FILE"), rows)]
    if pulls is None:
        closing = f"Nothing answers on port {port}. To serve: dcat serve --fetch, or as a service: dcat service install"
    else:
        parts += pulls.parts(context.now)
        closing = "" if any(files.values()) else "To make engines ask it first: dcat mirror install"
    return Document("mirror-status", body, [name for name, paths in files.items() if paths], parts, closing)


def _carry_out(
    context: Context,
    changes: Sequence[Change],
    apply: Callable[[Change], None],
    root: Path,
    notes: Sequence[str],
    closing: str,
) -> Document:
    needed = [change for change in changes if change.is_needed]
    paths = [str(change.path) for change in needed]
    body = {"files": [{"path": str(change.path), "diff": change.diff()} for change in needed], "notes": list(notes)}
    if not needed:
        return Document("mirror", body, [], ["Nothing changed"], closing)
    if root == Path("/") and os.geteuid() != 0:
        raise StorageError(
            "the settings of engines belong to root", why="this user may not change them", hint="run it as root, with sudo"
        )
    for change in needed:
        context.note(change.diff().rstrip("\n"))
    if not context.confirm(f"Change {', '.join(paths)}?"):
        raise UsageError("nothing was changed: not confirmed", hint="the same command with --yes")
    for change in needed:
        apply(change)
    return Document("mirror", body, paths, [*(f"Changed {path}" for path in paths), *(f"Note: {note}" for note in notes)], closing)


def _host(text: str) -> str:
    image = parse_image_name(f"{text}/name")
    if image is None or (image.host != text and text != DOCKER_HUB):
        raise UsageError(f'--registry takes the host of a registry, not "{text[:100]}"', hint=f"--registry {quote(DOCKER_HUB)}")
    return text
