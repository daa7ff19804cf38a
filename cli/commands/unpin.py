"""``dcat unpin``: let go of bytes."""

from typing import Annotated

import typer

from catalog.model.platform import parse_platform
from cli.command import command, command_app
from cli.context import Context
from cli.failures import UsageError
from cli.output import Document
from cli.text import format_count, parse_span

app = command_app()

ReferencesArgument = Annotated[list[str] | None, typer.Argument(metavar="[REF]...", help="Releases; dcat help references.")]
AgeOption = Annotated[str, typer.Option("--older-than", metavar="90d", help="All that is pinned for longer than that.")]
PlatformOption = Annotated[str, typer.Option("--platform", metavar="OS/ARCH", help="Only the images for it.")]


@app.command()
@command
def unpin(
    context: Context, references: ReferencesArgument = None, older_than: AgeOption = "", platform: PlatformOption = ""
) -> Document:
    """Let go of the bytes of releases; they stay in the index.

    The bytes are freed by dcat gc --yes. What your own catalogue releases is kept whether it is pinned or not.
    """
    from catalog.operations.pin import unpin as let_go
    from catalog.operations.pin import unpin_older

    if bool(references) == bool(older_than):
        raise UsageError("unpin takes releases, or --older-than", hint="dcat unpin --older-than 90d")
    wanted = parse_platform(platform) if platform else None
    if references:
        pins = [pin for reference in references for pin in let_go(context.home, reference, wanted).pins]
    else:
        pins = list(unpin_older(context.home, parse_span("--older-than", older_than)).pins)
    body = [
        {"archive": pin.archive, "name": pin.name, "version": pin.version, "platform": pin.platform, "since": pin.since}
        for pin in pins
    ]
    lines = [f"Unpinned {pin.name}@{pin.version}  {pin.platform}" for pin in pins]
    closing = "To free their bytes: dcat gc --yes" if pins else f"{format_count(0, 'archive')} of that were pinned"
    return Document("unpin", {"unpinned": body}, [pin.archive for pin in pins], lines, closing)
