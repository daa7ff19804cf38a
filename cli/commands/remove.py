"""``dcat remove``: take a release out of the own catalogue."""

from typing import Annotated

import typer

from cli.command import command, command_app
from cli.context import Context
from cli.output import Document
from cli.sharing import share_changes

app = command_app()

ReferenceArgument = Annotated[str, typer.Argument(metavar="REF", help="A release of your own catalogue.")]


@app.command()
@command
def remove(context: Context, reference: ReferenceArgument) -> Document:
    """Take a release out of the own catalogue.

    Its line stays, without images: the name and version can only come back with the content that they had. The bytes stay until
    dcat gc --yes.
    """
    from catalog.operations.remove import remove as take_out

    done = take_out(context.home, reference)
    sharing = share_changes(context)
    entry = done.entry
    body = {"reference": entry.reference, "removed": entry.release.removed, "changed": done.changed} | sharing.body
    line = f"Removed {entry.reference}" if done.changed else f"{entry.reference} was removed already, {entry.release.removed}"
    closing = "Its bytes are freed by: dcat gc --yes" if done.changed else ""
    return Document("remove", body, [entry.reference], [line], closing, sharing.warnings)
