"""The addresses of the pages."""

import re
from collections.abc import Mapping
from urllib.parse import quote, urlencode

_PLAIN = re.compile(r"[A-Za-z0-9/@:+._~-]*", re.ASCII)  # what is quoted by nothing


def link(*parts: str, **query: str | int | None) -> str:
    """Return the address of a path and a query; every part is quoted, empty values of the query are left out."""
    path = "/" + "/".join([part if _PLAIN.fullmatch(part) else _quote(part) for part in parts])
    if not query:
        return path
    given = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{path}?{encode_query(given)}" if given else path


def encode_query(query: Mapping[str, str | int | None]) -> str:
    """Return a query as text."""
    return urlencode(query, errors="surrogateescape", quote_via=quote, safe="/@:")


def catalogue_link(label: str, **query: str | int | None) -> str:
    """Return the address of a catalogue."""
    return link("c", label, **query)


def name_link(label: str, name: str, **query: str | int | None) -> str:
    """Return the address of a name of a catalogue."""
    return link("r", label, name, **query)


def release_link(label: str, reference: str, **query: str | int | None) -> str:
    """Return the address of ``name@version`` of a catalogue."""
    return link("r", label, reference, **query)


def files_link(label: str, reference: str, path: str = "", **query: str | int | None) -> str:
    """Return the address of the files of a release, or of the file ``path``."""
    parts = ("r", label, reference, "files", path) if path else ("r", label, reference, "files")
    return link(*parts, **query)


def diff_link(old: str, new: str, **query: str | int | None) -> str:
    """Return the address of the comparison of two releases, each ``label/name@version``."""
    return link("diff", old, new, **query)


def cid_link(cid: str) -> str:
    """Return the address of what a CID names."""
    return link("cid", cid)


def _quote(part: str) -> str:
    return quote(part, safe="/@:+-._~", errors="surrogateescape")
