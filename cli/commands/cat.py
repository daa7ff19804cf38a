"""``dcat cat``: one file of an image."""

import base64
import sys
from typing import Annotated

import typer

from catalog.limits import MIB
from cli.command import command, command_app
from cli.context import Context
from cli.failures import UsageError
from cli.output import Document
from cli.platforms import wanted_platform
from cli.text import format_size

app = command_app()

_MAX_JSON = 16 * MIB  # of content in one document

PlaceArgument = Annotated[str, typer.Argument(metavar="REF:/PATH", help="A file of a release, such as web@1.0:/etc/os-release.")]
PlatformOption = Annotated[str, typer.Option("--platform", metavar="OS/ARCH", help="The image for it, not the host's.")]


@app.command()
@command
def cat(context: Context, place: PlaceArgument, platform: PlatformOption = "") -> Document | None:
    """Write one file of an image without loading it.

    Only the blocks that hold the file are fetched, and every byte was checked. With --json the content is base64.
    """
    from catalog.operations.cat import open_file

    with open_file(
        context.home, place, platform=wanted_platform(platform), network=context.network, progress=context.progress
    ) as file:
        if context.options.json:
            if file.size > _MAX_JSON:
                raise UsageError(f"{place} has {format_size(file.size)}", why="a JSON document holds at most 16 MiB of content")
            body = {
                "reference": file.entry.reference,
                "platform": str(file.platform),
                "path": f"/{file.path}",
                "size": file.size,
                "content": base64.b64encode(b"".join(file.pieces)).decode("ascii"),
            }
            return Document("file", body, [f"/{file.path}"])
        context.settle()
        for piece in file.pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    return None
