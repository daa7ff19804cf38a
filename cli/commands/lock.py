"""``dcat lock``: names to digests, for deployments."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from catalog import operations
from catalog.errors import BlockNotFoundError, InvalidInputError, NotFoundError
from catalog.model.lock import LockedRelease, format_lock, parse_lock
from catalog.model.platform import read_platform_text
from catalog.storage.files import open_output
from cli.command import command, command_app
from cli.context import Context
from cli.exits import exit_code
from cli.failures import ReportedError, UsageError
from cli.following import error_body
from cli.output import Document, Table
from cli.quantities import format_count, parse_span
from cli.targets import output_file

app = command_app()

DEFAULT_FILE = "dcat.lock"
_MAX_FILE = 16 << 20

ReferencesArgument = Annotated[list[str] | None, typer.Argument(metavar="[REF]...", help="Releases; see dcat help references.")]
FileOption = Annotated[str, typer.Option("--file", metavar="FILE", help="The lock; default: dcat.lock.")]
PlatformOption = Annotated[
    list[str] | None,
    typer.Option("--platform", metavar="OS/ARCH", help="Lock the image for it (repeatable); default: all."),
]
LatestOption = Annotated[bool, typer.Option("--latest", help="Lock the newest version; --update takes newer ones.")]
MinAgeOption = Annotated[str, typer.Option("--min-age", metavar="3d", help="Only versions first seen here this long ago.")]
StaleOption = Annotated[bool, typer.Option("--allow-stale", help="With --latest: accept a catalogue whose record has expired.")]
CheckOption = Annotated[bool, typer.Option("--check", help="Compare the lock with what is known here; change nothing.")]
UpdateOption = Annotated[bool, typer.Option("--update", help="Lock the newest version of what was locked with --latest.")]


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
) -> Document | None:
    """Write the digests of releases to a file, and compare it later.

    The file, dcat.lock, belongs into version control. dcat lock --check ends with 23 where a catalogue now says otherwise, with
    31 where bytes are not held here; dcat pull --locked pulls exactly what is locked. Offline.
    """
    if sum((bool(references), check, update)) != 1:
        raise UsageError("name releases, or use --check or --update", hint="dcat lock REF")
    if min_age and check:
        raise UsageError("--min-age and --check exclude each other")
    span = parse_span("--min-age", min_age) if min_age else None
    if check:
        return _check(context, read_lock(file))
    before = read_lock(file, missing_is_empty=bool(references))
    if update:
        after = [operations.update_locked(context.home, entry, min_age=span) for entry in before]
    else:
        if span is not None and not latest:
            raise UsageError("--min-age needs --latest or --update", why="it chooses among versions")
        wanted = [read_platform_text(text) for text in platform or []]
        added = [
            operations.lock_release(context.home, reference, platforms=wanted, latest=latest, min_age=span, allow_stale=allow_stale)
            for reference in references or []
        ]
        after = _merge(before, added)
    with open_output(output_file(file, DEFAULT_FILE)) as stream:
        stream.write(format_lock(after).encode())
    changed = [entry for entry in after if entry not in before]
    lines = [f"Locked {entry.reference}  {', '.join(map(str, entry.images))}" for entry in changed] or ["Nothing changed"]
    body = {"path": file, "releases": len(after), "changed": [entry.reference for entry in changed]}
    return Document(
        "lock", body, [entry.reference for entry in changed], lines, f"To compare it later: dcat lock --check{_option(file)}"
    )


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
    keys = {(entry.catalogue, entry.name) for entry in added}
    kept = [
        entry
        for entry in before
        if (entry.catalogue, entry.name) not in keys
        or not (entry.latest or any((entry.name, entry.version) == (new.name, new.version) for new in added))
    ]
    return [*kept, *added]


def _check(context: Context, locked: list[LockedRelease]) -> Document | None:
    problems = [found for entry in locked if (found := operations.check_locked(context.home, entry, network=context.network))]
    body = {
        "releases": len(locked),
        "problems": [{"reference": problem.locked.reference, **error_body(problem.error)} for problem in problems],
    }
    if not problems:
        return Document("lock-check", body, [], [f"{format_count(len(locked), 'release')}: as locked, and held here"])
    rows = [(problem.locked.reference, problem.error.code, problem.error.message) for problem in problems]
    closing = "To fetch what is not held: dcat pull --no-load --locked" if _only_missing(problems) else ""
    context.show(Document("lock-check", body, [row[0] for row in rows], [Table(("RELEASE", "WHAT", "WHY"), rows)], closing))
    # What a catalogue says otherwise is graver than bytes that are not here yet.
    raise ReportedError(
        min(exit_code(problem.error) for problem in problems if _only_missing(problems) or not _is_missing(problem))
    )


def _is_missing(problem: "operations.LockProblem") -> bool:
    return isinstance(problem.error, BlockNotFoundError)


def _only_missing(problems: list["operations.LockProblem"]) -> bool:
    return all(map(_is_missing, problems))


def _option(file: str) -> str:
    return "" if file == DEFAULT_FILE else f" --file {shlex.quote(file)}"
