"""``dcat unpin``: stop keeping the bytes of releases."""

from typing import Annotated

import typer

from catalog import operations
from cli.command import command, command_app
from cli.context import Context
from cli.failures import UsageError
from cli.output import Document
from cli.platforms import read_platform
from cli.quantities import parse_span

app = command_app()

ReferencesArgument = Annotated[list[str] | None, typer.Argument(metavar="[REF]...", help="Releases; see dcat help references.")]
AgeOption = Annotated[str, typer.Option("--older-than", metavar="90d", help="Unpin everything that has been pinned for longer.")]
PlatformOption = Annotated[str, typer.Option("--platform", metavar="OS/ARCH", help="Unpin only the images for this platform.")]


@app.command()
@command
def unpin(
    context: Context, references: ReferencesArgument = None, older_than: AgeOption = "", platform: PlatformOption = ""
) -> Document:
    """Stop keeping the bytes of releases; they stay in the index.

    dcat gc --yes frees the bytes. The images of your own releases are kept whether they are pinned or not.
    """
    if bool(references) == bool(older_than):
        raise UsageError("name releases, or use --older-than", hint="dcat unpin --older-than 90d")
    wanted = read_platform(platform)
    if references:
        pins = [pin for reference in references for pin in operations.unpin(context.home, reference, wanted).pins]
    else:
        pins = list(operations.unpin_older(context.home, parse_span("--older-than", older_than)).pins)
    body = [
        {"archive": pin.archive, "name": pin.name, "version": pin.version, "platform": pin.platform, "since": pin.since}
        for pin in pins
    ]
    lines = [f"Unpinned {pin.name}@{pin.version}  {pin.platform}" for pin in pins]
    closing = "To free their bytes: dcat gc --yes" if pins else "Nothing of that was pinned."
    return Document("unpin", {"unpinned": body}, [pin.archive for pin in pins], lines, closing)
