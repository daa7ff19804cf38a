"""``dcat pull``: fetch images and load them into the engine."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from catalog import operations
from catalog.errors import DcatError, EngineUnavailableError
from catalog.index.entry import qualify
from catalog.lookup.locate import open_lookup
from catalog.model.lock import LockedRelease
from catalog.model.platform import Platform
from cli.command import command, command_app
from cli.commands.lock import DEFAULT_FILE, read_lock
from cli.context import Context
from cli.deltas import delta_body, describe_delta, fetched_body
from cli.exits import report
from cli.failures import ReportedError, UsageError
from cli.output import Document, Table, fields
from cli.platforms import wanted_platform
from cli.quantities import format_count, format_size, parse_span

if TYPE_CHECKING:
    from catalog.clients.docker import Engine

app = command_app()

ReferencesArgument = Annotated[list[str] | None, typer.Argument(metavar="[REF]...", help="Releases; see dcat help references.")]
TagOption = Annotated[
    str, typer.Option("--tag", metavar="NAME:VERSION", help="The tag to set; default: NAME:VERSION of the release.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Move the tag even if it has other content.")]
PlatformOption = Annotated[
    str, typer.Option("--platform", metavar="OS/ARCH", help="Pull the image for this platform; default: the host's.")
]
NoLoadOption = Annotated[bool, typer.Option("--no-load", help="Only fetch into the store; needs no engine.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only show what is here and what would be fetched.")]
LatestOption = Annotated[bool, typer.Option("--latest", help="Pull the newest version that is not yanked.")]
MinAgeOption = Annotated[
    str, typer.Option("--min-age", metavar="3d", help="With --latest: only versions first seen here this long ago.")
]
StaleOption = Annotated[bool, typer.Option("--allow-stale", help="With --latest: accept a catalogue whose record has expired.")]
LockedOption = Annotated[bool, typer.Option("--locked", help="Pull what dcat.lock names, and nothing else (dcat lock).")]
FileOption = Annotated[str, typer.Option("--file", metavar="FILE", help="With --locked: the lock; default: dcat.lock.")]


@app.command()
@command(long=True)
def pull(
    context: Context,
    references: ReferencesArgument = None,
    tag: TagOption = "",
    force: ForceOption = False,
    platform: PlatformOption = "",
    no_load: NoLoadOption = False,
    dry_run: DryRunOption = False,
    latest: LatestOption = False,
    min_age: MinAgeOption = "",
    allow_stale: StaleOption = False,
    locked: LockedOption = False,
    file: FileOption = DEFAULT_FILE,
) -> None:
    """Fetch images, verify them, and load each under exactly one tag.

    Only missing blocks are fetched, and only layers that the engine lacks are loaded. What was pulled stays pinned here. Several
    images are pulled one by one; the exit code is that of the first failure.
    """
    if locked == bool(references):
        raise UsageError("name releases, or use --locked", hint="dcat pull REF")
    if locked and latest:
        raise UsageError("--locked and --latest exclude each other")
    wanted = wanted_platform(platform)
    targets = [(reference, wanted) for reference in references or []]
    entries = read_lock(file) if locked else []
    for entry in entries:
        reference = operations.locked_reference(context.home, entry)
        # An engine holds one platform of a tag; the store holds all that are locked, and a registry serves their index.
        targets += [(reference, each) for each in (entry.images if no_load and not platform else [wanted])]
    if tag and len(targets) > 1:
        raise UsageError("--tag needs a single image", why=f"{len(targets)} images were named")
    if min_age and not latest:
        raise UsageError("--min-age needs --latest", why="it chooses among versions")
    choice = operations.VersionChoice(latest, parse_span("--min-age", min_age) if min_age else None, allow_stale)
    engine = None if no_load or not targets else _engine(context, targets[0], platform, choice)
    status = 0
    for reference, each in targets:
        try:
            done = operations.pull(
                context.home,
                reference,
                platform=each,
                engine=engine,
                network=context.network,
                choice=choice,
                tag=tag or None,
                force=force,
                dry_run=dry_run,
                progress=context.progress,
            )
        except DcatError as error:
            if len(targets) == 1:
                raise
            context.settle()
            if reference not in error.message:
                error.message = f"{reference}: {error.message}"
            failed = report(error, ["pull", reference], as_json=context.options.json, debug=context.options.debug)
            status = status or failed
        else:
            asked = f" --platform {each}" if platform or each != wanted else ""
            context.show(_document(reference, done, asked))
    if status:
        raise ReportedError(status)
    if not dry_run:
        _fetch_metadata(context, [entry for entry in entries if len(entry.images) > 1])


def _fetch_metadata(context: Context, entries: Sequence[LockedRelease]) -> None:
    """Fetch what the indexes of locked releases need: their digests stand in the references that `dcat lock` wrote."""
    for entry in entries:
        try:
            operations.fetch_metadata(context.home, entry, context.network)
        except DcatError as error:
            context.output.warn(f"dcat serve cannot answer the index of {entry.reference}: {error.message}")


def _engine(context: Context, target: tuple[str, Platform], platform: str, choice: operations.VersionChoice) -> "Engine":
    """Return the engine; raise `EngineUnavailableError` only for what could be pulled into it, else what the reference lacks."""
    try:
        return context.engine
    except EngineUnavailableError as error:
        reference, wanted = target
        with open_lookup(context.home.path) as lookup:
            lookup.resolve(
                reference,
                now=context.now,
                platform=wanted,
                latest=choice.latest,
                min_age=choice.min_age,
                allow_stale=choice.allow_stale,
            )
        asked = (f" --platform {platform}" if platform else "") + (" --latest" if choice.latest else "")
        error.hint += f"; without an engine: dcat save {reference}{asked} -o FILE"
        raise


def _document(reference: str, done: "operations.Pulled", asked: str) -> Document:
    """Return what was done; ``asked`` is the platform as an option, where it is not the host's."""
    need, resolved = done.need, done.resolved
    # What --latest chose is named: the version that it chooses later may be another one.
    exact = reference if resolved.reference.name != reference else qualify(resolved.catalogue, resolved.release.reference)
    taken = done.fetched.delta if done.fetched is not None else None
    body = {
        "reference": reference,
        "release": resolved.release.reference,
        "catalogue": resolved.catalogue.catalogue,
        "alias": resolved.catalogue.alias,
        "platform": str(done.platform),
        "archive": str(done.image.archive),
        "config": str(done.image.config),
        "manifest": str(done.image.manifest),
        "layers": done.layers,
        "present_layers": done.present_layers,
        "present": need.present,
        "missing": need.missing,
        "missing_blocks": need.missing_blocks,
        "delta": delta_body(done.planned, need.missing) if done.dry_run else delta_body(taken, taken.blocks_size if taken else 0),
        "fetched": fetched_body(done.fetched),
        "tag": done.tag,
        "image_id": done.image_id,
        "loaded": done.was_loaded,
        "dry_run": done.dry_run,
    }
    warnings = [notice.text for notice in done.notices if notice.warns]
    how: list[str | Table] = [f"  {describe_delta(taken, taken.blocks_size)}"] if taken is not None and taken.complete else []
    identifiers = [done.image_id or str(done.image.archive)]
    if done.dry_run:
        needed = f"{format_size(need.missing)} in {format_count(need.missing_blocks, 'block')}"
        if done.planned is not None:
            needed = describe_delta(done.planned, need.missing)
        pairs = [("have", format_size(need.present)), ("need", needed)]
        parts: list[str | Table] = [f"{exact}  {done.platform}  {format_count(done.layers, 'layer')}", fields(pairs)]
        return Document("pull", body, identifiers, parts, f"To pull it: dcat pull {exact}{asked}", warnings)
    if done.tag is None:
        line = f"Stored and checked  {exact}  {done.image.archive}"
        return Document("pull", body, identifiers, [line, *how], f"To load it: dcat pull {exact}{asked}", warnings)
    if done.was_loaded:
        line = f"Loaded and checked  {done.tag}  {done.image_id}"
    else:
        line = f"Already in the engine, with this content  {done.tag}  {done.image_id}"
    return Document("pull", body, identifiers, [line, *how], f"Run it: docker run --rm {done.tag}", warnings)
