"""``dcat save``: write a release as an archive."""

from typing import Annotated

import typer

from catalog import operations
from catalog.model.text import quote
from cli.command import command, command_app
from cli.context import Context
from cli.failures import UsageError
from cli.output import Document
from cli.platforms import wanted_platform
from cli.quantities import format_size
from cli.streams import binary_output
from cli.targets import output_file

app = command_app()

_COMPRESSORS = {".gz": "gzip", ".tgz": "gzip", ".bz2": "bzip2", ".tbz2": "bzip2", ".xz": "xz", ".txz": "xz"}

ReferenceArgument = Annotated[str, typer.Argument(metavar="REF", help="A release; see dcat help references.")]
OutputOption = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE|-",
        help="The file to write (.tar: uncompressed); - is standard output.",
    ),
]
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

    For machines without dcat. Every byte is verified; the file appears complete or not at all. It carries no name, so that the same
    image has the same CID under every name: docker load prints the ID to tag.
    """
    to_stdout = output == "-"
    asked = (f" --platform {platform}" if platform else "") + (" --latest" if latest else "")
    stdout = binary_output("an archive", f"dcat save {reference}{asked} -o FILE") if to_stdout else None
    if stdout is None:
        uncompressed = _check_name(reference, output) or uncompressed
    done = operations.save(
        context.home,
        reference,
        stdout or output_file(output, "image.tar.zst"),
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
        "path": output,
        "size": done.size,
        "uncompressed": done.uncompressed,
    }
    quoted = quote(output)
    load = f"docker load -i {quoted}" + ("" if uncompressed else f"   (Docker before 23: zstd -dc {quoted} | docker load)")
    name = f"docker tag ID {done.resolved.release.name}:{done.resolved.release.version}   (ID: what docker load prints)"
    warnings = [notice.text for notice in done.resolved.notices if notice.warns]
    return Document(
        "save", body, [output], [f"Wrote {output}  {format_size(done.size)}"], f"To load it: {load}\nTo name it: {name}", warnings
    )


def _check_name(reference: str, output: str) -> bool:
    """Return whether the file's name asks for an uncompressed tar; raise `UsageError` where it promises another compression."""
    lower = output.lower()
    for ending, program in _COMPRESSORS.items():
        if lower.endswith(ending):
            raise UsageError(
                f"-o: {output} would not be what its name says",
                why="an archive is written as .tar.zst or as .tar",
                hint=f"dcat save {quote(reference)} --uncompressed -o - | {program} > {quote(output)}",
            )
    return lower.endswith(".tar")
