"""Show a result: as a table on a terminal, as tab-separated text in a pipe, as identifiers only, or as JSON.

Data goes to stdout, everything else to stderr. Only this module prints: all text passes `escape` and `redact` (JSON is written in
ASCII, which escapes it). Colour only repeats what words say; there is none without a terminal, with ``NO_COLOR`` or ``TERM=dumb``.
"""

from __future__ import annotations

import json
import os
import sys

from catalog.record import record
from cli.streams import ClosedOutputError, write_error
from cli.text import escape, escape_lines, redact

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, TextIO

    Json = Mapping[str, Any]


@record(frozen=True, slots=True)
class Table:
    """Rows under headings. ``right`` names the columns of numbers; ``raw`` holds the rows for programs, where they differ."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    right: frozenset[str] = frozenset()
    raw: Sequence[Sequence[str]] | None = None


@record(frozen=True, slots=True)
class Document:
    """The result of a command.

    ``schema`` is the middle of ``dcat/<schema>/v1``, ``body`` the rest of the JSON document; ``identifiers`` is what ``-q`` prints.
    ``parts`` is what people see, in order: lines and tables. ``closing`` is the last line, the next useful command; it is not
    data and goes to stderr, as ``warnings`` do before it.
    """

    schema: str
    body: Json
    identifiers: Sequence[str] = ()
    parts: Sequence[str | Table] = ()
    closing: str = ""
    warnings: Sequence[str] = ()


@record(frozen=True, slots=True)
class Output:
    """How to write to stdout and stderr."""

    json: bool = False
    quiet: bool = False
    long: bool = False  # a long command's document is one line of a stream, with a type

    def show(self, document: Document) -> None:
        """Print a document in the requested form."""
        for warning in document.warnings:
            self.warn(warning)
        if self.json:
            self._print_json(document)
        elif self.quiet:
            self._print("".join(escape(identifier) + "\n" for identifier in document.identifiers))
        else:
            terminal = is_terminal(sys.stdout)
            self._print("".join(_render(part, terminal=terminal) for part in document.parts))
            if document.closing:
                self.note(document.closing)

    def print_text(self, text: str) -> None:
        """Print lines of data."""
        self._print(escape_lines(text) + "\n")

    def note(self, text: str) -> None:
        """Write a line that is not data to stderr; with ``--json`` or ``-q``, nothing."""
        if not self.json and not self.quiet:
            write_error(escape_lines(redact(text)) + "\n")

    def warn(self, text: str) -> None:
        """Write a warning to stderr, with ``-q`` too."""
        if self.json:
            write_error(json.dumps({"type": "warning", "message": redact(text)}) + "\n")
        else:
            write_error(paint("warning:", "33", sys.stderr) + f" {escape_lines(redact(text))}\n")

    def _print_json(self, document: Document) -> None:
        head: dict[str, Any] = {"schema": f"dcat/{document.schema}/v1"}
        if self.long:
            head["type"] = "result"
        pretty = is_terminal(sys.stdout) and not self.long
        self._print(json.dumps(head | dict(document.body), indent=2 if pretty else None) + "\n")

    def _print(self, text: str) -> None:
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError as error:
            raise ClosedOutputError from error


def is_terminal(stream: TextIO) -> bool:
    """Whether ``stream`` is a terminal; a closed one is not."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


def draws(stream: TextIO) -> bool:
    """Whether ``stream`` is a terminal that can move its cursor."""
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def has_colour(stream: TextIO) -> bool:
    """Whether to use colour on ``stream`` (https://no-color.org: a variable that is set and not empty means none)."""
    return draws(stream) and not os.environ.get("NO_COLOR")


def paint(text: str, colour: str, stream: TextIO) -> str:
    """Return ``text`` in an SGR colour; for dcat's own words only."""
    return f"\x1b[{colour}m{text}\x1b[0m" if has_colour(stream) else text


def fields(pairs: Iterable[tuple[str, str]]) -> Table:
    """Return a table without headings, one name and value a line; empty values are left out."""
    return Table(("", ""), [pair for pair in pairs if pair[1]])


def _render(part: str | Table, *, terminal: bool) -> str:
    if isinstance(part, str):
        return escape_lines(redact(part)) + "\n"
    headed = any(part.columns)
    if not terminal:
        rows = part.raw if part.raw is not None else part.rows
        return "".join("\t".join(escape(redact(cell)) for cell in row) + "\n" for row in rows)
    rows = [[escape(redact(cell)) for cell in row] for row in part.rows]
    if headed:
        rows.insert(0, list(part.columns))
    indent = "" if headed else "  "
    widths = [max((_width(row[column]) for row in rows), default=0) for column in range(len(part.columns))]
    lines = []
    for number, row in enumerate(rows):
        cells = [
            " " * (width - _width(cell)) + cell if heading in part.right else cell + " " * (width - _width(cell))
            for cell, width, heading in zip(row, widths, part.columns, strict=True)
        ]
        line = indent + "  ".join(cells).rstrip()
        lines.append(paint(line, "1", sys.stdout) if headed and number == 0 else line)
    return "".join(line + "\n" for line in lines)


def _width(cell: str) -> int:
    """Return how many columns a text takes on a terminal: two for a wide character, none for a combining one."""
    if cell.isascii():
        return len(cell)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in cell)
