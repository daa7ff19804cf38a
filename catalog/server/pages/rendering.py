"""Templates: every value of a variable is escaped, for HTML and for what hides or reorders text.

`jinja2` escapes ``& < > " '`` in every value. Before that, `finalize` shows control, bidirectional and invisible characters as
``\\u{..}``, so that no template can forget it; only text that this package itself made into markup passes as it is.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cache
from hashlib import sha256
from importlib.resources import files
from shlex import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from markupsafe import escape as escape_html

from catalog.model.release import parse_time
from catalog.model.text import escape, format_age, format_count, format_size
from catalog.server.pages import links
from catalog.server.pages.filling import size_of
from catalog.server.pages.markdown import render_markdown

_ROOM = "catalog.server.pages"
STATIC_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


@cache
def static_files() -> dict[str, tuple[bytes, str]]:
    """Return the static files with their media types by the name under which they are served, which changes with the content."""
    found = {}
    for entry in files(_ROOM).joinpath("static").iterdir():
        stem, _, ending = entry.name.rpartition(".")
        if ending in STATIC_TYPES:
            data = entry.read_bytes()
            found[f"{stem}.{sha256(data).hexdigest()[:12]}.{ending}"] = (data, STATIC_TYPES[ending])
    return found


def static_link(name: str) -> str:
    """Return the address of a static file."""
    stem, _, ending = name.rpartition(".")
    for known in static_files():
        if known.startswith(f"{stem}.") and known.endswith(f".{ending}"):
            return f"/static/{known}"
    raise KeyError(name)


@cache
def environment() -> Environment:
    """Return the environment of all templates; they are compiled when they are first used."""
    made = Environment(
        loader=PackageLoader(_ROOM, "templates"),
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "lines": show_lines,
        "markdown": render_markdown,
        "count": format_count,
        "size": format_size,
        "grouped": _grouped,
        "sentence": _begin_sentence,
        "quoted": quote,
        "fitting": _fitting,
        "cut": _cut,
    }
    made.globals |= {
        name: getattr(links, name)
        for name in ("link", "catalogue_link", "name_link", "release_link", "files_link", "diff_link", "cid_link")
    }
    made.globals |= {"static": static_link, "show_bytes": show_bytes, "show_growth": show_growth}
    return made


def render(template: str, now: datetime, **values: object) -> str:
    """Return a page."""
    helpers: dict[str, Callable[..., object]] = {
        "age": lambda text: age(text, now),
        "moment": moment,
    }
    return environment().get_template(template).render(**helpers, **values)


def show_lines(text: str) -> Markup:
    """Return text of several lines, escaped; line breaks and tabs stay."""
    return Markup("\n").join(Markup("\t").join(escape_html(escape(part)) for part in line.split("\t")) for line in text.split("\n"))


def age(text: str | None, now: datetime) -> Markup | str:
    """Return a time of the index as its age, with the exact time on hover; what is not a time is shown as it is."""
    if not text:
        return ""
    try:
        shown = format_age(parse_time(text), now)
    except ValueError:
        return text
    exact = escape_html(escape(text))
    return Markup(f'<time datetime="{exact}" title="{exact}">{shown}</time>')  # noqa: S704  # escaped above


def moment(text: str) -> Markup | str:
    """Return a time as its day, with the exact time on hover; what is not a time is shown as it is."""
    day, t, rest = text.partition("T")
    if not t:
        return text
    return Markup('<time datetime="{}" title="{}">{}</time>').format(text, f"{day} {rest.removesuffix('Z')} UTC", day)


def show_bytes(size: int) -> Markup:
    """Return a number of bytes in words, with the exact number on hover."""
    return Markup(f'<data value="{size:d}" title="{size:,d} bytes">{format_size(size)}</data>')  # noqa: S704  # a number


def show_growth(size: int) -> Markup:
    """Return by how many bytes something grew or shrank, with the exact number on hover."""
    sign = "+" if size > 0 else "−" if size < 0 else "±"
    return Markup(f'<data value="{size:d}" title="{size:,d} bytes">{sign}{format_size(abs(size))}</data>')  # noqa: S704  # a number


def _grouped(number: int) -> str:
    return f"{number:,}"


def _fitting(texts: Iterable[str], room: int) -> list[str]:
    """Return the first of some texts, as many as take at most ``room`` bytes in HTML."""
    found: list[str] = []
    for text in texts:
        room -= 40 + size_of(text)
        if room < 0:
            break
        found.append(text)
    return found


def _cut(text: str, room: int) -> str:
    """Return a text as it is, or as much of it as takes at most ``room`` bytes in HTML, and an ellipsis."""
    if size_of(text) <= room:
        return text
    end = bisect_right(range(len(text)), room, key=lambda at: size_of(text[:at]))
    return text[: end - 1] + "…"


def _begin_sentence(text: str) -> str:
    """Return text with its first letter in upper case; Jinja's ``capitalize`` writes the rest in lower case: ``utc``."""
    return text[:1].upper() + text[1:]


def _finalize(value: object) -> object:
    if isinstance(value, str) and not isinstance(value, Markup):
        return escape(value)
    return "" if value is None else value
