"""``dcat import``: import a bundle."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

import catalog
from catalog import operations
from catalog.errors import CatalogueNotFoundError
from catalog.model.text import quote
from cli.command import command, command_app
from cli.context import Context
from cli.failures import UsageError
from cli.following import update_body, update_lines, update_warnings
from cli.output import Document
from cli.quantities import format_count, format_size

app = command_app()

FileArgument = Annotated[Path, typer.Argument(metavar="FILE|-", help="A file that dcat export wrote; - is standard input.")]


@app.command()
@command(long=True)
def import_(context: Context, file: FileArgument) -> Document:
    """Import a file that dcat export wrote.

    No network is used, and nothing in the file is trusted: records and blocks are verified as from any other source.
    """
    with _as_file(context, file) as path, catalog.BundleSource(path) as bundle:
        try:
            done = operations.import_bundle(context.home, bundle, progress=context.progress)
        except CatalogueNotFoundError as error:
            error.hint = f"dcat subscribe ALIAS {quote(str(file))}, then: dcat import {quote(str(file))}"
            raise
    if done.first_error is not None:
        raise done.first_error
    return _document(context, file, done)


@contextmanager
def _as_file(context: Context, file: Path) -> Iterator[Path]:
    """Yield the path of a file with the bundle: a stream is copied into the home first, since a bundle is read at random."""
    from catalog.storage.files import spooled

    if str(file) == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError("dcat import - reads standard input, which is a terminal or closed", hint="dcat import FILE")
        with spooled(sys.stdin.buffer, context.home.path, "standard input") as path:
            yield path
    elif file.exists() and not file.is_file() and not file.is_dir():
        with file.open("rb") as stream, spooled(stream, context.home.path, file.name) as path:
            yield path
    else:
        yield file


def _document(context: Context, file: Path, done: "operations.Imported") -> Document:
    body = {
        "path": str(file),
        "catalogues": [update_body(update) for update in done.updates],
        "images": [
            {
                "catalogue": image.catalogue,
                "reference": image.reference,
                "platform": str(image.platform),
                "archive": str(image.archive),
            }
            for image in done.images
        ],
        "blocks": done.blocks,
        "size": done.size,
        "unknown": list(done.unknown),
        "older": [update.alias for update in done.older],
        "strangers": [str(cid) for cid in done.strangers],
    }
    lines = [line for update in done.updates for line in update_lines(context, update)]
    lines += [f"{image.reference} ({image.platform})  {image.archive}" for image in done.images]
    lines.append(f"Imported {format_count(len(done.images), 'image')}, {format_size(done.size)} of it new here")
    quoted = quote(str(file))
    warnings = [warning for update in done.updates for warning in update_warnings(update)]
    warnings += [
        f"it holds the catalogue {name}, which is not followed here: dcat subscribe ALIAS {quoted}, then import it again"
        for name in done.unknown
    ]
    warnings += [f"{update.alias}: its index here is newer than that of the file; images were imported" for update in done.older]
    if done.strangers:
        left_out = format_count(len(done.strangers), "image")
        warnings.append(f"{left_out} in it belong to no release that is known here, and were left out")
    closing = f"To load one: dcat pull {done.images[0].reference}" if done.images else ""
    return Document("import", body, [str(image.archive) for image in done.images], lines, closing, tuple(warnings))
