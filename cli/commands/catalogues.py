"""``dcat catalogues``: your own catalogue and those you follow."""

from catalog import operations
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
            _label(entry),
            entry.catalogue,
            str(entry.row.sequence) if entry.row and entry.row.sequence is not None else "",
            entry.row.title if entry.row else "",
            ",".join(source for source, _, _ in entry.sightings),
            entry.state,
        )
        for entry in entries
    ]
    columns = ("CATALOGUE", "NAME", "SEQ", "TITLE", "SEEN AT", "STATE")
    body = {"catalogues": [_body(entry) for entry in entries]}
    closing = "" if entries else "No catalogue yet. To follow one: dcat subscribe ALIAS NAME|URL"
    parts = [Table(columns, rows, frozenset({"SEQ"}), raw)] if rows else []
    return Document("catalogues", body, [entry.catalogue for entry in entries], parts, closing)


def _label(entry: "operations.CatalogueEntry") -> str:
    return entry.subscription.alias if entry.subscription is not None else "mine"


def _row(context: Context, entry: "operations.CatalogueEntry") -> tuple[str, ...]:
    row = entry.row
    return (
        _label(entry),
        entry.catalogue,
        str(row.sequence) if row and row.sequence is not None else "",
        row.title if row else "",
        ", ".join(f"{source} ({age_of(at, context.now)})" for source, _, at in entry.sightings),
        entry.state or ("" if row else "never synced"),
    )


def _body(entry: "operations.CatalogueEntry") -> dict[str, object]:
    row, subscription = entry.row, entry.subscription
    return {
        "catalogue": entry.catalogue,
        "role": "own" if subscription is None else "subscribed",
        "alias": None if subscription is None else subscription.alias,
        "since": None if subscription is None else subscription.since,
        "title": "" if row is None else row.title,
        "snapshot": None if row is None else row.root,
        "sequence": None if row is None else row.sequence,
        "expires": None if row is None else row.expires,
        "checked": None if row is None else row.checked,
        "seen": [{"source": source, "sequence": sequence, "at": at} for source, sequence, at in entry.sightings],
        "state": entry.state or None,
    }
