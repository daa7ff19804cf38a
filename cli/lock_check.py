"""``dcat lock --check``: what disagrees, shown, and the exit code for it."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from catalog import operations
from catalog.deployment.mention import ImageName, Mention
from catalog.errors import BlockNotFoundError, DcatError
from catalog.model.lock import LockedRelease
from catalog.model.platform import Platform
from cli.context import Context
from cli.deployments import CheckedFile, check_file, split_arguments
from cli.exits import exit_code
from cli.failures import ReportedError, UsageError
from cli.following import error_body
from cli.output import Document, Table
from cli.quantities import format_count


def check_lock(
    context: Context,
    locked: Sequence[LockedRelease],
    arguments: Sequence[str],
    registry: str,
    platforms: Collection[Platform],
    min_age: timedelta | None,
) -> Document:
    """Compare a lock with the catalogues, and files with the lock; raise `ReportedError` after showing what disagrees."""
    references, paths = split_arguments(arguments)
    if references:
        why = f"{references[0][:100]} is not called like one"
        raise UsageError("--check takes files", why=why, hint="dcat lock --check compose.yaml")

    def check_name(image: ImageName) -> LockedRelease | None:
        return operations.check_image_name(context.home, image, locked, registry=registry)

    files = [check_file(path, check_name) for path in paths]
    choice: dict[str, Any] = {"network": context.network, "platforms": platforms, "min_age": min_age}
    checked = (operations.check_locked(context.home, entry, **choice) for entry in locked)
    problems = [problem for problem in checked if problem is not None]
    for entry in files:
        for mention, why in entry.left:
            context.output.warn(f"{_place(entry, mention)}: {mention.text[:200]} is not compared: {why}")
    body = {
        "releases": len(locked),
        "problems": [{"reference": problem.locked.reference, **error_body(problem.error)} for problem in problems],
        "files": [_file_body(entry) for entry in files],
    }
    wrong = [(entry, mention, error) for entry in files for mention, error in entry.problems]
    errors: list[DcatError] = [*(problem.error for problem in problems), *(error for _, _, error in wrong)]
    if not errors:
        lines = [f"{format_count(len(locked), 'release')}: as locked, and held here"]
        lines += [f"{entry.path}: {format_count(entry.agreeing, 'image')} as locked" for entry in files]
        return Document("lock-check", body, [], lines)
    parts: list[str | Table] = []
    if wrong:
        rows = [(_place(entry, mention), error.code, _reason(error)) for entry, mention, error in wrong]
        parts.append(Table(("FILE", "WHAT", "WHY"), rows))
    if problems:
        rows = [(problem.locked.reference, problem.error.code, _reason(problem.error)) for problem in problems]
        parts.append(Table(("RELEASE", "WHAT", "WHY"), rows))
    closing = ""
    if all(map(_is_missing, errors)):
        closing = "To fetch what is not held: dcat pull --no-load --locked"
    elif wrong:
        closing = f"To lock what the files name: dcat lock {' '.join(paths)}"
    names = [*(_place(entry, mention) for entry, mention, _ in wrong), *(problem.locked.reference for problem in problems)]
    context.show(Document("lock-check", body, names, parts, closing))
    # What a catalogue or a file says otherwise is graver than bytes that are not here yet.
    graver = [error for error in errors if not _is_missing(error)]
    raise ReportedError(min(exit_code(error) for error in graver or errors))


def _file_body(entry: CheckedFile) -> dict[str, object]:
    def describe(mention: Mention) -> dict[str, object]:
        return {"line": entry.deployment.find_line(mention), "where": mention.where, "image": mention.text}

    return {
        "path": entry.path,
        "images": entry.agreeing,
        "problems": [{**describe(mention), **error_body(error)} for mention, error in entry.problems],
        "left": [{**describe(mention), "why": why} for mention, why in entry.left],
    }


def _place(entry: CheckedFile, mention: Mention) -> str:
    line = entry.deployment.find_line(mention)
    return f"{entry.path}{'' if line is None else f':{line}'} ({mention.where})"


def _reason(error: DcatError) -> str:
    return f"{error.message}{': ' if error.why else ''}{error.why}"


def _is_missing(error: DcatError) -> bool:
    return isinstance(error, BlockNotFoundError)
