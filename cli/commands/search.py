"""``dcat search``: find releases by words."""

from typing import Annotated

import typer

from catalog import operations
from catalog.documents.encoding import to_json
from catalog.documents.names import describe_found
from cli.command import command, command_app
from cli.context import Context
from cli.failures import UsageError
from cli.output import Document, Table
from cli.text import escape

app = command_app()

WordsArgument = Annotated[list[str], typer.Argument(metavar="WORD...", help="Words, or beginnings of words, that must all occur.")]
LimitOption = Annotated[int, typer.Option("--limit", metavar="N", min=1, help="Show at most N names.")]


@app.command()
@command
def search(context: Context, words: WordsArgument, limit: LimitOption = 50) -> Document:
    """Find releases by words in names, versions and annotations.

    Searches all catalogues, offline; best matches first.
    """
    text = " ".join(words)
    if not text.strip():
        raise UsageError("the words to search for are empty")
    hits = operations.search(context.home, text, limit=limit)
    body = to_json([describe_found(hit.catalogue, hit.entry) for hit in hits])
    rows = [
        (hit.reference, hit.entry.newest, hit.catalogue.label, hit.entry.title or hit.entry.description.partition("\n")[0][:80])
        for hit in hits
    ]
    parts = [Table(("NAME", "NEWEST", "CATALOGUE", "TITLE"), rows)] if hits else []
    closing = "" if hits else f'Nothing matches "{escape(text)}". To list all names: dcat list'
    return Document("search", {"words": text, "hits": body}, [hit.reference for hit in hits], parts, closing)
