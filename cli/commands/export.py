"""``dcat export``: write a bundle, or a catalogue as plain files."""

from pathlib import Path
from typing import Annotated

import typer

from catalog import operations
from catalog.model.text import quote
from cli.command import command, command_app
from cli.context import Context
from cli.failures import UsageError
from cli.output import Document
from cli.platforms import read_platform
from cli.quantities import format_count, format_size
from cli.streams import binary_output
from cli.targets import output_file

app = command_app()

ReferencesArgument = Annotated[list[str] | None, typer.Argument(metavar="[REF...]", help="Releases; see dcat help references.")]
OutputOption = Annotated[
    str | None, typer.Option("--output", "-o", metavar="FILE|-", help="The file to write; - is standard output.")
]
StaticOption = Annotated[Path | None, typer.Option("--static", metavar="DIR", help="Write plain files for any web server.")]
PruneOption = Annotated[bool, typer.Option("--prune", help="With --static: delete what no release needs any more.")]
CatalogueOption = Annotated[str, typer.Option("--catalogue", metavar="ALIAS|mine", help="Export a catalogue with all its images.")]
PlatformOption = Annotated[str, typer.Option("--platform", metavar="OS/ARCH", help="Export only the images for this platform.")]
SinceOption = Annotated[
    list[str] | None, typer.Option("--since", metavar="REF", help="Leave out what this release has (repeatable).")
]


@app.command()
@command(long=True)
def export(
    context: Context,
    output: OutputOption = None,
    references: ReferencesArgument = None,
    catalogue: CatalogueOption = "",
    platform: PlatformOption = "",
    since: SinceOption = None,
    static: StaticOption = None,
    prune: PruneOption = False,
) -> Document | None:
    """Write releases or a catalogue to one file, or a catalogue as files that any web server can hold.

    The file also holds the signed record and the index of the catalogue, so dcat subscribe accepts it as a source. With --since it
    is smaller, and the receiver must have that release.

    With --static a catalogue (your own, unless --catalogue names another) is written into a folder that any web server, bucket or
    stick can hold: dcat subscribe accepts its URL, and docker, podman and containerd pull from it. Run it again after each publish:
    only what is new is written. Copy the folder as it is (rsync -aH, aws s3 sync); examples of settings for web servers are in it.
    """
    if static is not None:
        return _export_files(context, static, catalogue or "mine", prune, unused=bool(references or output or platform or since))
    if prune:
        raise UsageError("--prune goes with --static")
    if output is None:
        raise UsageError("name a file, or a folder", hint="dcat export REF -o FILE, or: dcat export --static DIR")
    if bool(references) == bool(catalogue):
        raise UsageError("name releases, or a catalogue", hint="dcat export REF -o FILE, or: dcat export --catalogue mine -o FILE")
    if catalogue and platform:
        raise UsageError("--platform goes with releases, not with --catalogue")
    to_stdout = output == "-"
    target = binary_output("a bundle", "dcat export REF -o FILE") if to_stdout else output_file(output, "bundle.car")
    if catalogue:
        done = operations.export_catalogue(
            context.home, catalogue, target, network=context.network, since=since or [], progress=context.progress
        )
    else:
        done = operations.export_releases(
            context.home,
            references or [],
            target,
            network=context.network,
            platform=read_platform(platform),
            since=since or [],
            progress=context.progress,
        )
    if to_stdout:
        return None
    body = {"path": output, "catalogues": list(done.catalogues), "images": done.images, "blocks": done.blocks, "size": done.size}
    body["deltas"] = done.deltas
    by_delta = f" ({done.deltas} by delta)" if done.deltas else ""
    line = f"Wrote {output}: {format_count(done.images, 'image')}{by_delta}, {format_size(done.size)}"
    quoted = quote(output)
    return Document(
        "export",
        body,
        [output],
        [line],
        f"To import it: dcat import {quoted} (if the catalogue is not followed there yet, first: dcat subscribe ALIAS {quoted})",
    )


def _export_files(context: Context, folder: Path, catalogue: str, prune: bool, *, unused: bool) -> Document:
    if unused:
        raise UsageError("--static writes a whole catalogue", hint="dcat export --static DIR [--catalogue ALIAS]")
    from catalog.server.pages.plain import PlainPages  # imports Jinja

    done = operations.export_static(
        context.home,
        folder,
        catalogue=catalogue,
        prune=prune,
        pages=PlainPages(),
        network=context.network,
        progress=context.progress,
    )
    body = {
        "path": str(folder),
        "catalogue": done.catalogue,
        "releases": done.releases,
        "files": done.files,
        "written": done.written,
        "deleted": done.deleted,
    }
    line = f"Wrote {folder}: {format_count(done.files, 'new file')}, {format_size(done.written)}"
    if done.deleted:
        line += f"; deleted {format_count(done.deleted, 'file')}"
    return Document("export", body, [str(folder)], [line], "Serve or copy the folder; then: dcat subscribe ALIAS URL")
