"""``dcat resolve``: the command line of `cli.resolving`."""

from typing import Annotated

import typer

from cli.command import command, command_app
from cli.context import Context
from cli.output import Document
from cli.resolving import Request, run_resolve

app = command_app()

ReferenceArgument = Annotated[str, typer.Argument(metavar="REF", help="A release; see dcat help references.")]
FormOption = Annotated[str, typer.Option("--as", metavar="cid|ipfs|config|manifest|image-id", help="What to print; default: cid.")]
PlatformOption = Annotated[
    str, typer.Option("--platform", metavar="OS/ARCH", help="Resolve the image for this platform; default: the host's.")
]
LatestOption = Annotated[bool, typer.Option("--latest", help="Resolve the newest version that is not yanked.")]
MinAgeOption = Annotated[
    str, typer.Option("--min-age", metavar="3d", help="With --latest: only versions first seen here this long ago.")
]
StaleOption = Annotated[bool, typer.Option("--allow-stale", help="With --latest: accept a catalogue whose record has expired.")]
ExplainOption = Annotated[
    bool, typer.Option("--explain", help="Show the catalogue, snapshot and record behind the answer, with their age.")
]


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
    """Print the archive CID of a release, offline."""
    return run_resolve(context, Request(reference, form, platform, latest, min_age, allow_stale, explain))
