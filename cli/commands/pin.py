"""``dcat pin``: keep the bytes of releases here."""

from typing import Annotated

import typer

from catalog import operations
from cli.command import command, command_app
from cli.context import Context
from cli.deltas import delta_body, fetched_body
from cli.output import Document
from cli.platforms import wanted_platform
from cli.quantities import format_size

app = command_app()

ReferencesArgument = Annotated[list[str], typer.Argument(metavar="REF...", help="Releases; see dcat help references.")]
PlatformOption = Annotated[
    str, typer.Option("--platform", metavar="OS/ARCH", help="Pin the images for this platform; default: the host's.")
]


@app.command()
@command(long=True)
def pin(context: Context, references: ReferencesArgument, platform: PlatformOption = "") -> Document:
    """Keep the bytes of releases here.

    Missing bytes are fetched. Pinned archives are kept by dcat gc, and this home helps to distribute them.
    """
    wanted = wanted_platform(platform)
    held = [
        (reference, operations.pin(context.home, reference, platform=wanted, network=context.network, progress=context.progress))
        for reference in references
    ]
    body = [
        {
            "reference": reference,
            "platform": str(done.platform),
            "archive": str(done.image.archive),
            "delta": delta_body(done.fetched.delta, done.fetched.delta.blocks_size if done.fetched.delta else 0),
            "fetched": fetched_body(done.fetched),
        }
        for reference, done in held
    ]
    lines = [f"Pinned {reference}  {done.platform}  {format_size(done.image.size)}" for reference, done in held]
    warnings = [notice.text for _, done in held for notice in done.resolved.notices if notice.warns]
    return Document("pin", {"pinned": body}, [str(done.image.archive) for _, done in held], lines, warnings=warnings)
