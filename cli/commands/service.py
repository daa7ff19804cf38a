"""``dcat service``: serve and sync as services of systemd."""

from collections.abc import Iterable
from typing import Annotated

import typer

from catalog.errors import NotFoundError, StorageError
from catalog.storage.files import replace_file
from cli.command import command, command_app
from cli.context import Context
from cli.output import Document, Table
from cli.service import MARK, Service, find_service, unit_texts

app = command_app()

PortOption = Annotated[int, typer.Option("--port", metavar="PORT", help="Serve on this port of loopback.", min=1, max=65535)]
EveryOption = Annotated[str, typer.Option("--every", metavar="TIME", help="Sync that often, such as 15m, 1h or 1d.")]


@app.callback()
def service() -> None:
    """Install or remove dcat as a service of systemd.

    It serves on loopback, fetches what engines pull from the catalogues that you follow, and syncs these. Root's is the machine's.
    """


@app.command("install")
@command
def install(context: Context, port: PortOption = 5078, every: EveryOption = "1h") -> Document:
    """Write the units of serve --fetch and sync --every, and start them."""
    found = find_service(context.surroundings)
    found.require("daemon-reload")  # before anything is written: systemd may be installed and not be what runs this machine
    units = unit_texts(found, context.surroundings.variables, port=port, every=every)
    _check_own(found, units)
    found.directory.mkdir(parents=True, exist_ok=True)
    for name, text in units.items():
        with replace_file(found.directory / name) as file:
            file.write(text.encode())
    found.require("daemon-reload")
    found.require("enable", "--now", *units)
    paths = [str(found.directory / name) for name in units]
    return Document(
        "service",
        {"units": paths, "installed": True},
        paths,
        [f"Wrote and started {path}" for path in paths],
        "To see whether they run: dcat service status",
    )


@app.command("remove")
@command
def remove(context: Context) -> Document:
    """Stop the services and remove their units."""
    found = find_service(context.surroundings)
    units = unit_texts(found, {}, port=0, every="")
    there = [name for name in units if (found.directory / name).exists()]
    if not there:
        raise NotFoundError("the service is not installed", why=f"there is no unit of dcat in {found.directory}")
    _check_own(found, there)
    found.systemctl("disable", "--now", *there)
    for name in there:
        (found.directory / name).unlink()
    found.require("daemon-reload")
    paths = [str(found.directory / name) for name in there]
    return Document("service", {"units": paths, "installed": False}, paths, [f"Stopped and removed {path}" for path in paths])


@app.command("status")
@command
def status(context: Context) -> Document:
    """Show whether the services are installed, start with the machine, and run."""
    found = find_service(context.surroundings)
    rows = []
    for name in unit_texts(found, {}, port=0, every=""):
        is_there = (found.directory / name).exists()
        states = [found.systemctl(verb, name).stdout.strip() or "unknown" for verb in ("is-enabled", "is-active")]
        rows.append((name, "yes" if is_there else "no", *states))
    columns = ("UNIT", "INSTALLED", "STARTS", "STATE")
    body = {"services": [dict(zip(("unit", "installed", "enabled", "state"), row, strict=True)) for row in rows]}
    return Document("service", body, [row[0] for row in rows], [Table(columns, rows)])


def _check_own(found: Service, units: Iterable[str]) -> None:
    """Raise `StorageError` where a unit is not one that dcat wrote."""
    for name in units:
        path = found.directory / name
        if path.exists() and MARK not in path.read_text(encoding="utf-8", errors="replace"):
            raise StorageError(f"{path} was not written by dcat", why="it is another unit of that name", hint="move it away")
