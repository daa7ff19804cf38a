"""``dcat yank``: mark a release as not to be used."""

from typing import Annotated

import typer

from catalog import operations
from cli.command import command, command_app
from cli.context import Context
from cli.failures import UsageError
from cli.output import Document
from cli.sharing import sharing_of, summarise
from cli.text import escape

app = command_app()

ReferenceArgument = Annotated[str, typer.Argument(metavar="REF", help="A release of your own catalogue.")]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it should not be used; shown to everybody.")]
UndoOption = Annotated[bool, typer.Option("--undo", help="Remove the mark.")]


@app.command()
@command
def yank(context: Context, reference: ReferenceArgument, reason: ReasonOption = "", undo: UndoOption = False) -> Document:
    """Mark a release as not to be used; nothing is deleted.

    --latest skips it then, and resolving its version warns.
    """
    if undo and reason:
        raise UsageError("--undo and --reason exclude each other")
    if not undo and not reason.strip():
        raise UsageError("a yank needs a reason", hint=f'dcat yank {reference} --reason "…"')

    done = operations.yank(
        context.home, reference, None if undo else reason.strip(), sharing=sharing_of(context), progress=context.progress
    )
    sharing = summarise(done.shared, done.share_error)
    release = done.entry.release
    body = {"reference": done.entry.reference, "yanked": release.yanked, "changed": done.changed} | sharing.body
    if undo:
        line = f"{done.entry.reference} is no longer yanked" if done.changed else f"{done.entry.reference} was not yanked"
    else:
        line = f"Yanked {done.entry.reference}: {escape(release.yanked or '')}"
    closing = "" if undo or not done.changed else f"To undo: dcat yank {done.entry.reference} --undo"
    return Document("yank", body, [done.entry.reference], [line], closing, sharing.warnings)
