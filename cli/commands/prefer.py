"""``dcat prefer``: choose the catalogue that a name belongs to."""

from typing import Annotated

import typer

from catalog import operations
from cli.command import command, command_app
from cli.context import Context
from cli.output import Document

app = command_app()

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A name, without a version.")]
AliasArgument = Annotated[str, typer.Argument(metavar="ALIAS|mine", help="The catalogue that it belongs to from now on.")]


@app.command()
@command
def prefer(context: Context, name: NameArgument, alias: AliasArgument) -> Document:
    """Choose the catalogue that a name belongs to.

    A name belongs to the catalogue that first brought it here; only this command moves it.
    """
    done = operations.prefer(context.home, name, alias)
    body = {"name": done.name, "catalogue": done.catalogue, "alias": done.alias, "before": done.before}
    whose = "your own catalogue" if done.alias == "mine" else f'the catalogue "{done.alias}"'
    warnings = () if done.has_releases else (f'{whose} has no release of "{name}" yet',)
    closing = f"dcat list {name}" if done.has_releases else ""
    return Document("prefer", body, [done.catalogue], [f'"{name}" belongs to {whose} now'], closing, warnings)
