"""``dcat publish``: release an image in the own catalogue."""

from typing import TYPE_CHECKING, Annotated

import typer

from catalog import operations
from catalog.errors import AmbiguousReferenceError, ImageNotFoundError, NotFoundError
from catalog.lookup.opening import open_view
from catalog.lookup.releases import get_release
from catalog.model.reference import check_publishable, parse_reference
from cli.command import command, command_app
from cli.context import Context
from cli.failures import UsageError
from cli.output import Document, Table, fields
from cli.quantities import format_count, format_size
from cli.releases import release_body
from cli.sharing import ShareSummary, sharing_of, summarise
from cli.sources import engine_source, file_source, read_wanted, release_source

if TYPE_CHECKING:
    from catalog.intake.intake import ImageSource

app = command_app()

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A name, or NAME@VERSION or NAME:VERSION.")]
VersionArgument = Annotated[str, typer.Argument(metavar="[VERSION]", help="The version; its content never changes afterwards.")]
ImageOption = Annotated[
    str, typer.Option("--image", metavar="REF|ID", help="Publish this image of the engine; default: NAME:VERSION.")
]
FromOption = Annotated[
    str,
    typer.Option(
        "--from", metavar="FILE|DIR|-|ipfs://CID[/PATH]", help="Publish from an exported tar, an OCI layout, a pipe, or IPFS."
    ),
]
CopyOption = Annotated[str, typer.Option("--copy", metavar="REF", help="Publish the images of a release that is known here.")]
PullOption = Annotated[bool, typer.Option("--pull", help="Let the engine pull the image first.")]
PlatformOption = Annotated[
    list[str] | None,
    typer.Option("--platform", metavar="OS/ARCH|all", help="Publish the image for this platform (repeatable), or all."),
]
TitleOption = Annotated[str, typer.Option("--title", metavar="TEXT", help="A title, shown by list and search.")]
AnnotationOption = Annotated[
    list[str] | None, typer.Option("--annotation", metavar="KEY=VALUE", help="Add an annotation (repeatable).")
]
MaxSizeOption = Annotated[str, typer.Option("--max-size", metavar="SIZE", help="Refuse images that unpack to more, such as 20GiB.")]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Use no network; sign now, share at the next sync.")]
NoDeltaOption = Annotated[bool, typer.Option("--no-delta", help="Make no delta from the release published before.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only show what would be stored.")]


@app.command()
@command(long=True)
def publish(
    context: Context,
    name: NameArgument,
    version: VersionArgument = "",
    image: ImageOption = "",
    from_: FromOption = "",
    copy: CopyOption = "",
    pull: PullOption = False,
    platform: PlatformOption = None,
    title: TitleOption = "",
    annotation: AnnotationOption = None,
    max_size: MaxSizeOption = "",
    dry_run: DryRunOption = False,
    offline: OfflineOption = False,
    no_delta: NoDeltaOption = False,
) -> Document:
    """Store an image and release it under a name and a version.

    The image is NAME:VERSION of the engine, unless --image, --from or --copy selects another. The first publish creates the
    catalogue and its key.
    """
    name, version = _read_target(name, version)
    check_publishable(name, version)
    if (from_ and copy) or (pull and (from_ or copy)) or (image and copy):
        raise UsageError("--from, --copy and the options for the engine (--image, --pull) exclude each other")
    wanted = read_wanted(platform or [], reference=image if from_ else "", max_size=max_size)
    annotations = _annotations(title, annotation or [])
    try:
        source: ImageSource
        if from_:
            source = file_source(context, from_)
        elif copy:
            source = release_source(context, copy)
        else:
            source = engine_source(context, image or f"{name}:{version}", wanted, pull=pull)
            if not _is_released(context, name, version):
                source.begin(wanted)  # the engine stages the image while the home is opened
        done = operations.publish(
            context.home,
            name,
            version,
            source,
            wanted,
            annotations=annotations,
            dry_run=dry_run,
            sharing=sharing_of(context, offline=offline, deltas=not no_delta),
            progress=context.progress,
        )
    except ImageNotFoundError as error:
        if not (from_ or copy or image):
            _suggest_latest(context, error, name, version)
        raise
    summary = ShareSummary() if dry_run else summarise(done.shared, done.share_error, offline=offline)
    return _document(context, done, summary)


def _read_target(name: str, version: str) -> tuple[str, str]:
    """Return the name and the version of ``NAME VERSION``, ``NAME@VERSION`` or ``NAME:VERSION``."""
    if version and not set("@:") & set(name):
        return name, version
    reference = parse_reference(name)
    if version or not reference.name or reference.digest is not None or reference.cid is not None:
        raise UsageError(f'"{name}{" " + version if version else ""}" is not a name and version', hint="dcat publish NAME VERSION")
    if not reference.version:
        raise AmbiguousReferenceError(f'"{name}" has no version', why="no version is implied", hint=f"dcat publish {name} 1.0")
    return reference.name, reference.version


def _is_released(context: Context, name: str, version: str) -> bool:
    """Return whether the release exists; then most likely there is nothing to export, which `operations.publish` decides."""
    with open_view(context.surroundings.home) as view:
        own = view.own()
        return own is not None and get_release(view, own.catalogue, name, version) is not None


def _annotations(title: str, pairs: list[str]) -> dict[str, str]:
    found = {"title": title} if title else {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise UsageError(f'--annotation: "{pair}" is not of the form KEY=VALUE', hint="--annotation KEY=VALUE")
        found[key] = value
    return found


def _suggest_latest(context: Context, error: ImageNotFoundError, name: str, version: str) -> None:
    """Make NAME:latest the hint of an error, if the engine has it."""
    latest = f"{name}:latest"
    try:
        context.engine.find(latest)
    except NotFoundError:
        return
    error.nearest = ()
    error.hint = f"dcat publish {name} {version} --image {latest}"


def _document(context: Context, done: "operations.Published", sharing: ShareSummary) -> Document:
    release, count = done.release, done.count
    body = (
        release_body(release, reference=release.reference, catalogue=done.catalogue, alias="")
        | {
            "changed": done.changed,
            "dry_run": done.dry_run,
            "created_catalogue": done.created,
            "added": [str(platform) for platform in done.added],
            "stored": {"blocks": count.blocks, "bytes": count.bytes, "new_blocks": count.new_blocks, "new_bytes": count.new_bytes},
        }
        | sharing.body
    )
    if done.created:
        home = context.surroundings.home
        context.note(f"No catalogue yet: created one in {home} ({done.catalogue}, key 0600)")
    if done.dry_run:
        head = f"Would publish {release.reference}"
    else:
        head = f"Published {release.reference}" if done.changed else f"{release.reference} is already published with this content"
    pairs = []
    for platform, image in sorted(release.images.items()):
        if len(release.images) > 1:
            pairs.append(("platform", str(platform)))
        pairs.append(("cid", str(image.archive)))
        pairs.append(("image", f"config {image.config}  manifest {image.manifest}"))
    if count.blocks:
        new = f"{format_size(count.new_bytes)} new in {format_count(count.new_blocks, 'block')}"
        pairs.append(("stored", f"{new}, {format_size(count.present_bytes)} already here"))
    pairs += sharing.lines
    parts: list[str | Table] = [head, fields(pairs)]
    identifiers = [str(image.archive) for _, image in sorted(release.images.items())]
    return Document("publish", body, identifiers, parts, sharing.closing, (*done.warnings, *sharing.warnings))
