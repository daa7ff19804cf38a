"""``dcat resolve``: one implementation for the quick answer and for the Typer command.

`answer_quickly` parses the common forms of the command line itself, so that no parser is imported; Typer parses all others.
"""

from __future__ import annotations

import os

from catalog.lookup.locate import open_lookup
from catalog.model.reference import nearest, parse_reference
from catalog.operations.resolve import FORMS, ResolvedImage, resolve
from catalog.progress import silent
from catalog.record import record
from cli.context import Context, Options, make_context
from cli.failures import UsageError
from cli.output import Document, Table, fields
from cli.platforms import wanted_platform

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from catalog.operations.resolve import Form

_SWITCHES = {
    "--json": "json",
    "-q": "quiet",
    "--quiet": "quiet",
    "--no-input": "no_input",
    "--yes": "yes",
    "-y": "yes",
    "--debug": "debug",
    "--latest": "latest",
    "--allow-stale": "allow_stale",
    "--explain": "explain",
}
_VALUES = {"--as": "form", "--platform": "platform", "--progress": "progress", "--min-age": "min_age"}
_COMMON = {"json", "quiet", "no_input", "yes", "debug", "progress"}


@record(frozen=True, slots=True)
class Request:
    """The arguments of ``dcat resolve``."""

    reference: str
    form: str = "cid"
    platform: str = ""
    latest: bool = False
    min_age: str = ""
    allow_stale: bool = False
    explain: bool = False


def run_resolve(context: Context, request: Request) -> Document:
    """Resolve a reference and return the document that describes the answer."""
    if request.form not in FORMS:
        raise UsageError(
            f'--as: "{request.form}" is not a known form',
            why=f"the forms are {', '.join(FORMS)}",
            nearest=nearest(request.form, FORMS),
        )
    form: Form = next(known for known in FORMS if known == request.form)
    if request.min_age and not request.latest:
        raise UsageError("--min-age needs --latest", why="it chooses among versions")
    min_age = None
    if request.min_age:
        from cli.quantities import parse_span  # here and below, since most answers need neither spans nor ages

        min_age = parse_span("--min-age", request.min_age)
    with open_lookup(context.surroundings.home_text) as lookup:
        answer = resolve(
            lookup,
            parse_reference(request.reference),
            now=context.now,
            platform=wanted_platform(request.platform),
            form=form,
            latest=request.latest,
            min_age=min_age,
            allow_stale=request.allow_stale,
        )
    for notice in answer.resolved.notices:
        if not notice.warns:
            context.note(notice.text)
    warnings = [notice.text for notice in answer.resolved.notices if notice.warns]
    parts: list[str | Table] = [answer.text]
    if request.explain:
        parts.append(fields(_explain(context, answer)))
    return Document("resolve", _body(answer, form), [answer.text], parts, warnings=warnings)


def answer_quickly(typed: Sequence[str]) -> bool:
    """Answer ``dcat resolve …`` if its command line is of a common form; return whether it was."""
    if os.environ.get("DCAT_TIMEOUT"):
        return False
    values = _read(typed)
    if values is None:
        return False
    options = Options(**{name: values.pop(name) for name in list(values) if name in _COMMON})
    context = make_context(options, os.environ, progress=silent)
    context.show(run_resolve(context, Request(**values)))
    return True


def _read(typed: Sequence[str]) -> dict[str, Any] | None:
    """Parse common options, the verb, then options and one reference; return None for any other command line."""
    values: dict[str, Any] = {}
    verb = False
    rest = iter(typed)
    for word in rest:
        option, sign, value = word.partition("=")
        name = _SWITCHES.get(word) or _VALUES.get(option)
        if name is None:
            if word == "resolve" and not verb:
                verb = True
            elif word and not word.startswith("-") and verb and "reference" not in values:
                values["reference"] = word
            else:
                return None
        elif not verb and name not in _COMMON:
            return None
        elif word in _SWITCHES:
            values[name] = True
        else:
            values[name] = value if sign else next(rest, "-")
            if values[name].startswith("-"):
                return None
    return values if "reference" in values else None


def _body(answer: ResolvedImage, form: Form) -> dict[str, Any]:
    found, row = answer.resolved, answer.resolved.catalogue
    return {
        "reference": found.release.reference if row.own or not row.alias else f"{row.alias}/{found.release.reference}",
        "name": found.release.name,
        "version": found.release.version,
        "platform": str(answer.platform),
        "form": form,
        "value": answer.text,
        "archive": str(answer.image.archive),
        "config": str(answer.image.config),
        "manifest": str(answer.image.manifest),
        "image_id": answer.image_id,
        "catalogue": row.catalogue,
        "alias": row.alias,
        "snapshot": row.root,
        "sequence": row.sequence,
        "checked": row.checked,
        "expires": row.expires,
        "published": found.release.published,
        "first_seen": found.first_seen,
        "yanked": found.release.yanked,
        "notices": [{"kind": notice.kind, "text": notice.text} for notice in found.notices],
    }


def _explain(context: Context, answer: ResolvedImage) -> list[tuple[str, str]]:
    from cli.quantities import age_of

    found, row = answer.resolved, answer.resolved.catalogue
    record = "" if row.sequence is None else f"sequence {row.sequence}"
    if row.checked:
        record += f", checked {age_of(row.checked, context.now)}"
    if row.expires:
        record += f", expires {age_of(row.expires, context.now)}"
    return [
        ("release", found.release.reference),
        ("platform", str(answer.platform)),
        ("catalogue", row.catalogue if row.label == row.catalogue else f"{row.label} {row.catalogue}"),
        ("snapshot", row.root or "none yet: not shared"),
        ("record", record),
        ("published", f"{found.release.published} ({age_of(found.release.published, context.now)})"),
        ("first seen", f"{found.first_seen} ({age_of(found.first_seen, context.now)})" if found.first_seen else ""),
    ]
