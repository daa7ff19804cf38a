"""``dcat files``: list the files of an image."""

from typing import Annotated, Any

import typer

from catalog import operations
from catalog.documents.encoding import to_json
from catalog.documents.files import describe_file, format_moment
from cli.command import command, command_app
from cli.context import Context
from cli.output import Document, Table
from cli.platforms import wanted_platform
from cli.quantities import format_size

app = command_app()

ReferenceArgument = Annotated[str, typer.Argument(metavar="REF", help="A release; see dcat help references.")]
PathArgument = Annotated[str, typer.Argument(metavar="[PATH]", help="A directory or file of the image; default: its root.")]
RecursiveOption = Annotated[bool, typer.Option("--recursive", "-r", help="List all files below it.")]
SearchOption = Annotated[str, typer.Option("--search", metavar="TEXT", help="List the files below it whose path contains TEXT.")]
PlatformOption = Annotated[
    str, typer.Option("--platform", metavar="OS/ARCH", help="The image for this platform; default: the host's.")
]


@app.command()
@command
def files(
    context: Context,
    reference: ReferenceArgument,
    path: PathArgument = "",
    recursive: RecursiveOption = False,
    search: SearchOption = "",
    platform: PlatformOption = "",
) -> Document:
    """List the files of an image without loading it.

    All layers are applied, whiteouts included. Only the blocks with file headers are read; those that are not here are fetched.
    """
    found = operations.list_files(
        context.home,
        reference,
        path,
        platform=wanted_platform(platform),
        network=context.network,
        recursive=recursive,
        search=search,
        progress=context.progress,
    )
    body: dict[str, Any] = {
        "reference": found.entry.reference,
        "platform": str(found.platform),
        "path": f"/{found.path}",
        "files": to_json([describe_file(file) for file in found.files]),
        "problems": list(found.problems),
    }
    rows = [_row(file, format_size(file.size)) for file in found.files]
    raw = [_row(file, str(file.size)) for file in found.files]
    table = Table(("MODE", "OWNER", "SIZE", "MODIFIED", "LAYER", "PATH"), rows, frozenset({"SIZE", "LAYER"}), raw)
    closing = "" if found.files else "No files there" + (f' whose path contains "{search}"' if search else "")
    warnings = [f"{problem}: the rest of that layer is not listed" for problem in found.problems]
    return Document("files", body, [f"/{file.path}" for file in found.files], [table] if rows else [], closing, warnings)


def _row(file: "operations.ListedFile", size: str) -> tuple[str, ...]:
    arrow = {"symlink": f" -> {file.target}", "hardlink": f" link to {file.target}"}.get(file.kind, "")
    modified = "" if file.modified is None else format_moment(file.modified)
    return (file.mode, f"{file.uid}:{file.gid}", size, modified, str(file.layer), f"/{file.path}{arrow}")
