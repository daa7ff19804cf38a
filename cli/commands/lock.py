"""``dcat lock``: names to digests, for deployments."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from catalog import operations
from catalog.deployment.forms import FORMS, Pinned, format_locked
from catalog.deployment.mention import ImageName, parse_image_name
from catalog.errors import InvalidInputError, NotFoundError
from catalog.model.lock import LockedRelease, format_lock, parse_lock
from catalog.model.platform import Platform, read_platform_text
from catalog.model.text import quote
from catalog.storage.files import open_output
from cli.command import command, command_app
from cli.context import Context
from cli.deployments import lock_file, split_arguments, write_in_place
from cli.failures import UsageError
from cli.lock_check import check_lock
from cli.output import Document
from cli.quantities import parse_span
from cli.targets import output_file

app = command_app()

DEFAULT_FILE = "dcat.lock"
DEFAULT_REGISTRY = "localhost:5078"
_MAX_FILE = 16 << 20

ReferencesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[REF|FILE]...",
        help="Releases (see dcat help references), and files that name images: *.yaml, *.yml, Dockerfile, Containerfile.",
    ),
]
FileOption = Annotated[str, typer.Option("--file", metavar="FILE", help="The lock; default: dcat.lock.")]
PlatformOption = Annotated[
    list[str] | None,
    typer.Option("--platform", metavar="OS/ARCH", help="Lock its image, or with --check want it held (repeatable); default: all."),
]
LatestOption = Annotated[bool, typer.Option("--latest", help="Lock the newest version; --update takes newer ones.")]
MinAgeOption = Annotated[str, typer.Option("--min-age", metavar="3d", help="Only versions first seen here this long ago.")]
StaleOption = Annotated[bool, typer.Option("--allow-stale", help="With --latest: accept a catalogue whose record has expired.")]
CheckOption = Annotated[
    bool, typer.Option("--check", help="Compare the lock with what is known here, and files with the lock; change nothing.")
]
UpdateOption = Annotated[bool, typer.Option("--update", help="Lock the newest version of what was locked with --latest.")]
ComposeOption = Annotated[bool, typer.Option("--compose", help="Print an override for docker compose: -f FILE -f OVERRIDE.")]
KustomizeOption = Annotated[bool, typer.Option("--kustomize", help="Print a component for a kustomization.")]
BuildkitOption = Annotated[bool, typer.Option("--buildkit", help="Print a source policy for BuildKit.")]
KbldOption = Annotated[bool, typer.Option("--kbld", help="Print an ImagesLock for kbld.")]
InPlaceOption = Annotated[bool, typer.Option("--in-place", help="Replace the names of images in the files themselves.")]
RegistryOption = Annotated[
    str, typer.Option("--registry", metavar="HOST", help="Where engines pull from: the address of dcat serve.")
]
OutputOption = Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Write the tool's file here, not to stdout.")]


@app.command()
@command
def lock(
    context: Context,
    references: ReferencesArgument = None,
    file: FileOption = DEFAULT_FILE,
    platform: PlatformOption = None,
    latest: LatestOption = False,
    min_age: MinAgeOption = "",
    allow_stale: StaleOption = False,
    check: CheckOption = False,
    update: UpdateOption = False,
    compose: ComposeOption = False,
    kustomize: KustomizeOption = False,
    buildkit: BuildkitOption = False,
    kbld: KbldOption = False,
    in_place: InPlaceOption = False,
    registry: RegistryOption = DEFAULT_REGISTRY,
    output: OutputOption = "",
) -> Document | None:
    """Write the digests of releases to a file, and compare it later.

    The file, dcat.lock, belongs in version control. dcat lock --check ends with 23 where a catalogue now says otherwise, with
    31 where bytes are not held here; dcat pull --locked pulls exactly what is locked. Offline, but
    for the metadata that the digest of several platforms needs. Of a Compose file, Kubernetes YAML,
    a kustomization or a Dockerfile it locks the images that a catalogue has; --check FILE ends with 23 where one of them is not
    what is locked.
    """
    forms = [form for form, wanted in zip(FORMS, (compose, kustomize, buildkit, kbld), strict=True) if wanted]
    if sum((bool(references) and not check, check, update)) != 1:
        raise UsageError("name releases or files, or use --check or --update", hint="dcat lock REF")
    if (forms or in_place or output) and (check or not references):
        raise UsageError("the form of a tool needs releases or files", hint="dcat lock compose.yaml --compose")
    if len(forms) + in_place > 1:
        raise UsageError("--compose, --kustomize, --buildkit, --kbld and --in-place exclude each other")
    if output and not forms:
        raise UsageError("-o is for the file of a tool", hint="dcat lock compose.yaml --compose -o compose.lock.yaml")
    span = parse_span("--min-age", min_age) if min_age else None
    platforms = [read_platform_text(text) for text in platform or []]
    if check:
        return check_lock(context, read_lock(file), references or [], _host(registry), platforms, span)
    before = read_lock(file, missing_is_empty=bool(references))
    if update:
        return _write(file, before, [operations.update_locked(context.home, entry, min_age=span) for entry in before])
    if span is not None and not latest:
        raise UsageError("--min-age needs --latest or --update", why="it chooses among versions")
    choice = _Choice(platforms, latest, span, allow_stale)
    return _lock(
        context, file, before, references or [], choice, _Target(forms[0] if forms else "", in_place, output, _host(registry))
    )


def _lock(
    context: Context, file: str, before: list[LockedRelease], arguments: list[str], choice: "_Choice", target: "_Target"
) -> Document | None:
    references, paths = split_arguments(arguments)
    if target.in_place and not paths:
        raise UsageError("--in-place needs files", hint="dcat lock compose.yaml --in-place")
    typed = [operations.lock_release(context.home, reference, **choice.arguments) for reference in references]
    files = [
        lock_file(
            path,
            lambda image: operations.lock_image_name(
                context.home, image, registry=target.registry, network=context.network, **choice.arguments
            ),
        )
        for path in paths
    ]
    for entry in files:
        for mention, why in entry.left:
            context.output.warn(f"{entry.path}, {mention.where}: {mention.text[:200]} is left as it is: {why}")
    added = [*typed, *(release for entry in files for release in entry.releases)]
    if not added:
        raise NotFoundError("nothing to lock", why="no catalogue here has an image that is named", hint="dcat list")
    text = ""
    if target.form:
        pinned = [_pin(context, release, target.registry) for release in typed]
        text = format_locked(target.form, [*pinned, *(image for entry in files for image in entry.pinned)])
    changed_files = write_in_place(files) if target.in_place else []
    done = _write(file, before, _merge(before, added), changed_files)
    if not text:
        return done
    if target.output:
        with open_output(output_file(target.output, DEFAULT_FILE)) as stream:
            stream.write(text.encode())
        return replace(done, body={**done.body, "output": target.output}, parts=[*done.parts, f"Wrote {target.output}"])
    for line in done.parts:
        context.note(str(line))
    return replace(done, body={**done.body, "text": text}, parts=[text.rstrip("\n")], closing="")


def _pin(context: Context, release: LockedRelease, registry: str) -> Pinned:
    """Return a release that was typed as an image that something names by what it is called here."""
    locked = operations.name_locked(context.home, release, registry, context.network)
    image = ImageName("", locked.name.removeprefix(f"{registry}/"), release.version)
    return Pinned(image, locked, f"{image.name}:{image.tag}")


def _write(file: str, before: list[LockedRelease], after: list[LockedRelease], changed_files: Sequence[str] = ()) -> Document:
    with open_output(output_file(file, DEFAULT_FILE)) as stream:
        stream.write(format_lock(after).encode())
    changed = [entry for entry in after if entry not in before]
    lines = [f"Locked {entry.reference}  {', '.join(map(str, entry.images))}" for entry in changed]
    lines += [f"Rewrote {path}" for path in changed_files]
    body = {
        "path": file,
        "releases": len(after),
        "changed": [entry.reference for entry in changed],
        **({"files": list(changed_files)} if changed_files else {}),
    }
    closing = f"To compare it later: dcat lock --check{_option(file)}"
    return Document("lock", body, [entry.reference for entry in changed], lines or ["Nothing changed"], closing)


class _Choice(NamedTuple):
    """Which version and which platforms of a release are locked."""

    platforms: list[Platform]
    latest: bool
    min_age: timedelta | None
    allow_stale: bool

    @property
    def arguments(self) -> dict[str, Any]:
        return self._asdict()


class _Target(NamedTuple):
    """What is written besides the lock: the form of a tool, or the files themselves."""

    form: str
    in_place: bool
    output: str
    registry: str


def _host(text: str) -> str:
    image = parse_image_name(f"{text}/name")
    if image is None or image.host != text:
        raise UsageError(f'--registry takes HOST or HOST:PORT, not "{text[:100]}"', hint=f"--registry {DEFAULT_REGISTRY}")
    return text


def read_lock(file: str, *, missing_is_empty: bool = False) -> list[LockedRelease]:
    """Return the releases of a lock file; raise an error that names the file."""
    path = Path(file)
    if not path.exists():
        if missing_is_empty:
            return []
        raise NotFoundError(f"there is no lock {file}", why="nothing was locked here", hint="dcat lock REF")
    with path.open("rb") as stream:
        content = stream.read(_MAX_FILE + 1)
    try:
        if len(content) > _MAX_FILE:
            raise InvalidInputError("it is too large")
        return parse_lock(content.decode())
    except (InvalidInputError, UnicodeDecodeError) as error:
        why = error.message if isinstance(error, InvalidInputError) else "it is not UTF-8"
        raise InvalidInputError(f"{file} cannot be read as a lock", why=why) from error


def _merge(before: list[LockedRelease], added: list[LockedRelease]) -> list[LockedRelease]:
    """Return the lock with releases added; one of the same name and version, or that followed the newest, is replaced."""
    distinct: dict[tuple[str, str, str], LockedRelease] = {}
    for entry in added:  # one that is named by its version somewhere stays that version
        key = (entry.catalogue, entry.name, entry.version)
        distinct[key] = entry if key not in distinct or not entry.latest else distinct[key]
    added = list(distinct.values())
    keys = {(entry.catalogue, entry.name) for entry in added}
    kept = [
        entry
        for entry in before
        if (entry.catalogue, entry.name) not in keys
        or not (entry.latest or any((entry.name, entry.version) == (new.name, new.version) for new in added))
    ]
    return [*kept, *added]


def _option(file: str) -> str:
    return "" if file == DEFAULT_FILE else f" --file {quote(file)}"
