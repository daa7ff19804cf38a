"""``dcat cat``: write one file of an image."""

import base64
from typing import Annotated

import typer

from catalog import operations
from catalog.limits import MIB
from cli.command import command, command_app
from cli.context import Context
from cli.failures import UsageError
from cli.output import Document
from cli.platforms import wanted_platform
from cli.quantities import format_size
from cli.streams import binary_output

app = command_app()

_MAX_JSON = 16 * MIB  # of content in one document

PlaceArgument = Annotated[str, typer.Argument(metavar="REF:/PATH", help="A file of a release, such as web@1.0:/etc/os-release.")]
PlatformOption = Annotated[
    str, typer.Option("--platform", metavar="OS/ARCH", help="The image for this platform; default: the host's.")
]


@app.command()
@command
def cat(context: Context, place: PlaceArgument, platform: PlatformOption = "") -> Document | None:
    """Write one file of an image without loading it.

    Only the blocks that hold the file are fetched, and every byte is verified. With --json the content is base64.
    """
    with operations.open_file(
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
        stdout = binary_output()
        for piece in file.pieces:
            stdout.write(piece)
        stdout.flush()
    return None
