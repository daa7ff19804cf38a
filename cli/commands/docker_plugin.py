"""``dcat docker-plugin``: dcat as a plugin of the docker command."""

from pathlib import Path

from catalog.errors import NotFoundError, StorageError
from cli.command import command, command_app
from cli.context import Context
from cli.docker_plugin import MARK, plugin_path, plugin_script
from cli.output import Document

app = command_app()


@app.callback()
def docker_plugin() -> None:
    """Install or remove the plugin for docker dcat.

    With it, docker dcat publish, docker dcat pull and so on run dcat, with docker's context, and docker's completion knows them.
    """


@app.command("install")
@command
def install(context: Context) -> Document:
    """Write the plugin to where docker looks for it."""
    path = plugin_path(context.surroundings)
    _check_own(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.new")
    partial.write_text(plugin_script(), encoding="utf-8")
    partial.chmod(0o755)
    partial.replace(path)
    return Document(
        "docker-plugin", {"path": str(path), "installed": True}, [str(path)], [f"Wrote {path}"], "To use it: docker dcat --help"
    )


@app.command("remove")
@command
def remove(context: Context) -> Document:
    """Remove the plugin."""
    path = plugin_path(context.surroundings)
    if not path.exists():
        raise NotFoundError("the plugin is not installed", why=f"there is no {path}")
    _check_own(path)
    path.unlink()
    return Document("docker-plugin", {"path": str(path), "installed": False}, [str(path)], [f"Removed {path}"])


def _check_own(path: Path) -> None:
    """Raise `StorageError` where the file is not one that dcat wrote."""
    if path.exists() and MARK not in path.read_text(encoding="utf-8", errors="replace"):
        raise StorageError(f"{path} was not written by dcat", why="it is another plugin of that name", hint="move it away")
