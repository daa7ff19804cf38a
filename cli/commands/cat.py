"""``dcat cat``: write one file of an image."""

import base64
import codecs
import sys
from collections.abc import Iterator
from itertools import chain
from typing import Annotated

import typer

from catalog import operations
from catalog.limits import MIB
from catalog.model.text import quote
from cli.command import command, command_app
from cli.context import Context
from cli.failures import UsageError
from cli.output import Document, is_terminal
from cli.platforms import wanted_platform
from cli.quantities import format_size
from cli.streams import binary_output
from cli.text import escape_file

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

    Only the blocks that hold the file are fetched, and every byte is verified. With --json the content is base64. A terminal gets
    text only, with its control characters escaped; a pipe or file gets the bytes as they are.
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
        pieces = (
            _printable(place, file.pieces, f" --platform {platform}" if platform else "")
            if is_terminal(sys.stdout)
            else file.pieces
        )
        context.settle()
        stdout = binary_output()
        for piece in pieces:
            stdout.write(piece)
        stdout.flush()
    return None


def _printable(place: str, pieces: Iterator[bytes], asked: str) -> Iterator[bytes]:
    """Return a file as escaped text for a terminal; raise `UsageError` where its beginning is not text.

    ``asked`` is the platform as an option, for the hint.
    """
    first = next(pieces, b"")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(first)
    except UnicodeDecodeError:
        binary = True
    else:
        binary = b"\0" in first
    if binary:
        raise UsageError(
            f"{place} is binary and is not written to a terminal",
            why="its bytes could control the terminal",
            hint=f"dcat cat {quote(place)}{asked} > FILE",
        )
    return _escape_pieces(chain([first], pieces))


def _escape_pieces(pieces: Iterator[bytes]) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    for piece in pieces:
        yield escape_file(decoder.decode(piece)).encode()
    yield escape_file(decoder.decode(b"", final=True)).encode()
