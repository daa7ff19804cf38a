"""``dcat outdated``: list what has a newer version."""

from typing import Annotated

import typer

from catalog import operations
from catalog.errors import EngineUnavailableError
from cli.command import command, command_app
from cli.context import Context
from cli.output import Document, Table
from cli.quantities import age_of, format_count, parse_span

app = command_app()

NamesArgument = Annotated[list[str] | None, typer.Argument(metavar="[NAME...]", help="Names to check; default: all that are here.")]
MinAgeOption = Annotated[str, typer.Option("--min-age", metavar="3d", help="Only versions first seen here this long ago.")]
StaleOption = Annotated[bool, typer.Option("--allow-stale", help="Accept catalogues whose record has expired.")]


@app.command()
@command
def outdated(
    context: Context, names: NamesArgument = None, min_age: MinAgeOption = "", allow_stale: StaleOption = False
) -> Document:
    """List pulled releases and engine tags that have a newer version.

    Offline: it compares with what is known here. The age of a version counts from when this home first saw it.
    """
    span = parse_span("--min-age", min_age) if min_age else None
    found = operations.outdated(context.home, names or (), engine_tags=_engine_tags(context), min_age=span, allow_stale=allow_stale)
    rows = [
        (entry.reference, entry.newest, ", ".join(entry.places), age_of(entry.first_seen, context.now) if entry.first_seen else "")
        for entry in found.outdated
    ]
    raw = [(entry.reference, entry.newest, ",".join(entry.places), entry.first_seen or "") for entry in found.outdated]
    if rows:
        parts: list[str | Table] = [Table(("HAVE", "NEWEST", "WHERE", "FIRST SEEN"), rows, raw=raw)]
    else:
        parts = (
            [f"No newer version is known of {format_count(found.names, 'name')}"]
            if found.names
            else ["Nothing was pulled here yet"]
        )
    closing = f"To pull it: dcat pull {found.outdated[0].newest}" if found.outdated else ""
    body = {"names": found.names, "outdated": [_body(entry) for entry in found.outdated]}
    warnings = tuple(notice.text for notice in found.notices if notice.warns)
    return Document("outdated", body, [entry.newest for entry in found.outdated], parts, closing, warnings)


def _engine_tags(context: Context) -> list[str]:
    try:
        return list(context.engine.tags())
    except EngineUnavailableError:
        return []  # what was pulled into the store is compared nevertheless


def _body(entry: "operations.Outdated") -> dict[str, object]:
    return {
        "reference": entry.reference,
        "newest": entry.newest,
        "catalogue": entry.catalogue,
        "alias": entry.alias,
        "first_seen": entry.first_seen,
        "places": list(entry.places),
    }
