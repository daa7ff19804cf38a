"""``dcat catalogues``: your own catalogue and those you follow."""

from catalog import operations
from catalog.documents.catalogues import describe_seen
from catalog.documents.encoding import to_json
from cli.command import command, command_app
from cli.context import Context
from cli.output import Document, Table
from cli.quantities import age_of

app = command_app()


@app.command()
@command
def catalogues(context: Context) -> Document:
    """List your own catalogue and those you follow.

    Each with its name, its sequence, and where its newest record was seen.
    """
    entries = operations.catalogues(context.home)
    rows = [_row(context, entry) for entry in entries]
    raw = [
        (
            entry.row.label,
            entry.row.catalogue,
            "" if entry.row.sequence is None else str(entry.row.sequence),
            entry.row.title,
            ",".join(source for source, _, _ in entry.sightings),
            entry.state,
        )
        for entry in entries
    ]
    columns = ("CATALOGUE", "NAME", "SEQ", "TITLE", "SEEN AT", "STATE")
    body = {"catalogues": [to_json(describe_seen(entry)) for entry in entries]}
    closing = "" if entries else "No catalogue yet. To follow one: dcat subscribe ALIAS NAME|URL"
    parts = [Table(columns, rows, frozenset({"SEQ"}), raw)] if rows else []
    return Document("catalogues", body, [entry.row.catalogue for entry in entries], parts, closing)


def _row(context: Context, entry: "operations.CatalogueEntry") -> tuple[str, ...]:
    row = entry.row
    return (
        row.label,
        row.catalogue,
        "" if row.sequence is None else str(row.sequence),
        row.title,
        ", ".join(f"{source} ({age_of(at, context.now)})" for source, _, at in entry.sightings),
        entry.state or ("" if entry.is_synced else "never synced"),
    )
