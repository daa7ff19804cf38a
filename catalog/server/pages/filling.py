"""Pages of several lists: as many rows as one page has room for, list after list, and where the next page begins."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from markupsafe import escape as escape_html

from catalog.model.text import escape
from catalog.server.pages.visit import Visit

_ROWS = 200  # of each list


class Part(NamedTuple):
    """A list of a page, and about how many bytes a row of it takes."""

    key: str
    rows: Sequence[Any]
    size: Callable[[Any], int]


def fill(visit: Visit, parts: Sequence[Part], plain: str, room: int) -> tuple[dict[str, tuple[Any, ...]], str]:
    """Return what one page shows of each part, in order, and where the next page begins, or an empty text.

    A place is ``key-number``; in the part ``plain`` it is the number alone.
    """
    most = visit.rows(_ROWS)
    first, at = _find(visit.query.get("after", ""), [part.key for part in parts], plain)
    shown: dict[str, tuple[Any, ...]] = {part.key: () for part in parts}
    for part in parts[first:]:
        rest = part.rows[at:]
        fitting = visit.fit(rest, most, part.size, room) if room > 0 else []
        shown[part.key] = tuple(fitting)
        if len(fitting) < len(rest):
            place = at + len(fitting)
            return shown, str(place) if part.key == plain else f"{part.key}-{place}"
        if not visit.counts:
            room -= sum(map(part.size, fitting))
        at = 0
    return shown, ""


def size_of(*texts: str | None) -> int:
    """Return how many bytes texts take in HTML."""
    return sum(len(escape_html(escape(text)).encode()) for text in texts if text)


def path_size(path: str) -> int:
    """Return how many bytes a path takes in a row that has it as a link and as text."""
    return 2 * len(quote(path, errors="surrogateescape"))


def _find(place: str, keys: list[str], plain: str) -> tuple[int, int]:
    """Return the part and the number of its rows to leave out; the beginning for what is no place."""
    key, _, at = place.rpartition("-")
    key = key or plain
    return (keys.index(key), int(at[:9])) if key in keys and at.isascii() and at.isdigit() else (0, 0)
