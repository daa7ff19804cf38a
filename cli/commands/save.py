"""``dcat save``: write a release as an archive."""

from pathlib import Path
from typing import Annotated

import typer

from catalog import operations
from catalog.errors import StorageError
from cli.command import command, command_app
from cli.context import Context
from cli.output import Document
from cli.platforms import wanted_platform
from cli.quantities import format_size
from cli.streams import binary_output

app = command_app()

ReferenceArgument = Annotated[str, typer.Argument(metavar="REF", help="A release; see dcat help references.")]
OutputOption = Annotated[str, typer.Option("--output", "-o", metavar="FILE|-", help="The file to write; - is standard output.")]
PlainOption = Annotated[bool, typer.Option("--uncompressed", help="Write a .tar, which Docker before 23 needs, not a .tar.zst.")]
PlatformOption = Annotated[
    str, typer.Option("--platform", metavar="OS/ARCH", help="Save the image for this platform; default: the host's.")
]
LatestOption = Annotated[bool, typer.Option("--latest", help="Save the newest version that is not yanked.")]


@app.command()
@command(long=True)
def save(
    context: Context,
    reference: ReferenceArgument,
    output: OutputOption,
    uncompressed: PlainOption = False,
    platform: PlatformOption = "",
    latest: LatestOption = False,
) -> Document | None:
    """Write a release as an archive for docker load.

    For machines without dcat. Every byte is verified; the file appears complete or not at all.
    """
    to_stdout = output == "-"
    stdout = binary_output("an archive", f"dcat save {reference} -o FILE") if to_stdout else None
    path = Path(output)
    if not to_stdout and path.is_dir():
        raise StorageError(f'"{output}" is a folder', hint=f"dcat save {reference} -o {path / 'image.tar.zst'}")
    done = operations.save(
        context.home,
        reference,
        stdout or path,
        platform=wanted_platform(platform),
        network=context.network,
        uncompressed=uncompressed,
        latest=latest,
        progress=context.progress,
    )
    if to_stdout:
        return None
    body = {
        "reference": done.resolved.release.reference,
        "platform": str(done.platform),
        "archive": str(done.image.archive),
        "path": str(path),
        "size": done.size,
        "uncompressed": done.uncompressed,
    }
    load = (
        f"docker load -i {output}"
        if uncompressed
        else f"docker load -i {output}   (Docker before 23: zstd -dc {output} | docker load)"
    )
    warnings = [notice.text for notice in done.resolved.notices if notice.warns]
    return Document("save", body, [str(path)], [f"Wrote {output}  {format_size(done.size)}"], f"To load it: {load}", warnings)
