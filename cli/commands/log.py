"""``dcat log``: show the history of changes."""

from typing import Annotated

import typer

from catalog import operations
from cli.command import command, command_app
from cli.context import Context
from cli.output import Document, Table
from cli.quantities import age_of

app = command_app()

ReferenceArgument = Annotated[str, typer.Argument(metavar="[REF]", help="A name or a release; default: everything.")]
LimitOption = Annotated[int, typer.Option("--limit", metavar="N", min=1, help="Show at most N changes.")]


@app.command()
@command
def log(context: Context, reference: ReferenceArgument = "", limit: LimitOption = 100) -> Document:
    """Show what changed, newest first.

    Every publish, yank and removal in your own catalogue, and the changes that syncs brought.
    """
    changes = operations.log(context.home, reference, limit=limit)
    body = [
        {
            "at": logged.change.at,
            "kind": logged.change.kind,
            "reference": logged.reference or None,
            "catalogue": logged.change.catalogue,
            "alias": logged.catalogue.alias if logged.catalogue else None,
            "platform": logged.change.platform or None,
            "detail": dict(logged.change.detail),
        }
        for logged in changes
    ]
    raw = []
    for logged in changes:
        detail = ", ".join(f"{key} {value}" for key, value in logged.change.detail.items())
        label = logged.catalogue.label if logged.catalogue else logged.change.catalogue
        raw.append((logged.change.at, logged.change.kind, logged.reference, logged.change.platform, label, detail))
    rows = [(age_of(row[0], context.now), *row[1:]) for row in raw]
    table = Table(("WHEN", "WHAT", "RELEASE", "PLATFORM", "CATALOGUE", "DETAIL"), rows, frozenset(), raw)
    identifiers = [logged.reference for logged in changes if logged.reference]
    return Document("log", {"changes": body}, identifiers, [table] if changes else [], "" if changes else "Nothing changed yet.")
