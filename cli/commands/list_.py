"""``dcat list``: list names or releases."""

from typing import Annotated

import typer

from catalog import operations
from catalog.documents.encoding import to_json
from catalog.documents.names import describe_name
from cli.command import command, command_app
from cli.context import Context
from cli.output import Document, Table
from cli.platforms import read_platform
from cli.quantities import age_of
from cli.releases import platforms_of, release_body, sizes_of, state_of

app = command_app()

NamesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help="Names whose releases to list; * and ? match.")
]
CatalogueOption = Annotated[str, typer.Option("--catalogue", metavar="ALIAS|mine", help="List this catalogue only.")]
ReleasesOption = Annotated[bool, typer.Option("--releases", help="List the releases of every name.")]
PlatformOption = Annotated[
    str, typer.Option("--platform", metavar="OS/ARCH", help="List only releases with an image for this platform.")
]
RemovedOption = Annotated[bool, typer.Option("--removed", help="Include removed releases.")]
LimitOption = Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="List at most N lines.")]


@app.command()
@command
def list_(
    context: Context,
    names: NamesArgument = None,
    catalogue: CatalogueOption = "",
    releases: ReleasesOption = False,
    platform: PlatformOption = "",
    removed: RemovedOption = False,
    limit: LimitOption = None,
) -> Document:
    """List names, or the releases of names.

    Without a NAME, one line a name. With names (team/web, or a pattern such as 'team/*'), one line a release, newest first.
    """
    if names or releases or platform or removed:
        return _list_releases(context, names or [], catalogue, platform, removed, limit)

    listed = operations.list_names(context.home, catalogue=catalogue, limit=limit)
    body = to_json([describe_name(name.catalogue, name.entry) for name in listed])
    cells = [
        (name.reference, name.entry.newest, str(name.entry.live), name.entry.published, name.catalogue.label, name.entry.title)
        for name in listed
    ]
    table = Table(
        ("NAME", "NEWEST", "RELEASES", "PUBLISHED", "CATALOGUE", "TITLE"),
        [(*row[:3], age_of(row[3], context.now) if row[3] else "", *row[4:]) for row in cells],
        frozenset({"RELEASES"}),
        cells,
    )
    closing = "" if listed else "No releases yet. To publish the first: dcat publish NAME VERSION"
    return Document("names", {"names": body}, [name.reference for name in listed], [table] if listed else [], closing)


def _list_releases(context: Context, names: list[str], catalogue: str, platform: str, removed: bool, limit: int | None) -> Document:

    wanted = read_platform(platform)
    listed = operations.list_releases(context.home, names, catalogue=catalogue, platform=wanted, removed=removed, limit=limit)
    body = [
        release_body(
            entry.release, reference=entry.reference, catalogue=entry.catalogue.catalogue, alias=entry.catalogue.alias or ""
        )
        for entry in listed
    ]
    rows, raw = [], []
    for entry in listed:
        release = entry.release
        cells = (platforms_of(release), entry.catalogue.label, state_of(release))
        rows.append((entry.reference, age_of(release.published, context.now), sizes_of(release), *cells))
        size = max((image.size for image in release.images.values()), default=0)
        raw.append((entry.reference, release.published, str(size), *cells))
    table = Table(("RELEASE", "PUBLISHED", "SIZE", "PLATFORMS", "CATALOGUE", "STATE"), rows, frozenset({"SIZE"}), raw)
    closing = "" if listed else "No releases to list."
    return Document("releases", {"releases": body}, [entry.reference for entry in listed], [table] if listed else [], closing)
