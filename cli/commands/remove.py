"""``dcat remove``: remove a release from the own catalogue."""

from typing import Annotated

import typer

from catalog import operations
from cli.command import command, command_app
from cli.context import Context
from cli.output import Document
from cli.sharing import sharing_of, summarise

app = command_app()

ReferenceArgument = Annotated[str, typer.Argument(metavar="REF", help="A release of your own catalogue.")]


@app.command()
@command
def remove(context: Context, reference: ReferenceArgument) -> Document:
    """Remove a release from your own catalogue.

    Its entry stays, without images: the name and version can only be published again with the content that they had. dcat gc --yes
    frees the bytes.
    """
    done = operations.remove(context.home, reference, sharing=sharing_of(context), progress=context.progress)
    sharing = summarise(done.shared, done.share_error)
    entry = done.entry
    body = {"reference": entry.reference, "removed": entry.release.removed, "changed": done.changed} | sharing.body
    line = f"Removed {entry.reference}" if done.changed else f"{entry.reference} was already removed on {entry.release.removed}"
    closing = "To free its bytes: dcat gc --yes" if done.changed else ""
    return Document("remove", body, [entry.reference], [line], closing, sharing.warnings)
