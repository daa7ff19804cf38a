"""``dcat resolve``: the command line of `cli.resolving`."""

from typing import Annotated

import typer

from cli.command import command, command_app
from cli.context import Context
from cli.output import Document
from cli.resolving import Request, run_resolve

app = command_app()

ReferenceArgument = Annotated[str, typer.Argument(metavar="REF", help="A release; dcat help references.")]
FormOption = Annotated[str, typer.Option("--as", metavar="cid|ipfs|config|manifest|image-id", help="What to print.")]
PlatformOption = Annotated[str, typer.Option("--platform", metavar="OS/ARCH", help="The image for it, not the host's.")]
LatestOption = Annotated[bool, typer.Option("--latest", help="The newest version that is not yanked.")]
MinAgeOption = Annotated[str, typer.Option("--min-age", metavar="3d", help="With --latest: first seen here that long ago.")]
StaleOption = Annotated[bool, typer.Option("--allow-stale", help="With --latest: although the catalogue's record expired.")]
ExplainOption = Annotated[bool, typer.Option("--explain", help="Say which catalogue, snapshot and record say so, and how old.")]


@app.command()
@command
def resolve(
    context: Context,
    reference: ReferenceArgument,
    form: FormOption = "cid",
    platform: PlatformOption = "",
    latest: LatestOption = False,
    min_age: MinAgeOption = "",
    allow_stale: StaleOption = False,
    explain: ExplainOption = False,
) -> Document:
    """Print the archive CID of a release, without any network."""
    return run_resolve(context, Request(reference, form, platform, latest, min_age, allow_stale, explain))
