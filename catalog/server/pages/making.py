"""From an address to a page: the model that it shows as HTML or as its JSON twin, or a feed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from catalog.documents.encoding import to_json
from catalog.errors import DcatError, InvalidInputError, NotFoundError, VerificationError
from catalog.server.pages import feed
from catalog.server.pages.links import encode_query, link
from catalog.server.pages.pagelist import Call
from catalog.server.pages.rendering import render
from catalog.server.pages.visit import Visit
from catalog.server.response.address import rebase

HTML, JSON = "text/html; charset=utf-8", "application/json"
_ATOM = "application/atom+xml; charset=utf-8"


@dataclass(frozen=True)
class Made:
    """A page that was made: its media type, its bytes, and what it links in its headers, by relation."""

    kind: str
    body: bytes
    links: Mapping[str, str] = field(default_factory=dict)


def make_page(visit: Visit, path: str, calls: list[Call], *, as_json: bool) -> Made:
    """Make the page that an address means: of several that it may mean, the first that is there."""
    failed: DcatError | None = None
    for call in calls:
        try:
            return _show(replace(visit, as_json=as_json or call.is_twin), call, path)
        except (NotFoundError, InvalidInputError, VerificationError) as error:
            failed = error
    if path.endswith(".atom"):
        try:
            return _show_feed(visit, path.removesuffix(".atom"))
        except (NotFoundError, InvalidInputError) as error:
            failed = error
    raise failed or unknown_page(path)


def unknown_page(path: str) -> NotFoundError:
    """Return the error for an address that is no page."""
    return NotFoundError(
        f'there is no page "{path[:200]}"',
        why="its address is not that of any page",
        hint="search for a name, or begin with the list of all images",
    )


def _show(visit: Visit, call: Call, path: str) -> Made:
    page = call.page
    model = page.make(visit, *call.arguments)
    links: dict[str, str] = {}
    following = getattr(model, "next", "") if page.keyset else ""
    if following:
        query = {**{key: value for key, value in visit.query.items() if key in page.query}, page.keyset: following}
        links["next"] = f"{visit.prefix}{_quote(path)}?{encode_query(query)}"
    if visit.as_json:
        body = {"schema": f"dcat/page-{page.key}/v1", **to_json(model)}
        return Made(JSON, json.dumps(body, separators=(",", ":")).encode(), links)
    twin = _twin_of(path, visit)
    shown = render(
        f"{page.key}.html",
        visit.now,
        model=model,
        page=page.key,
        twin=twin,
        following=links.get("next", "").removeprefix(visit.prefix),
        visit=visit,
    )
    return Made(HTML, rebase(shown, visit.prefix).encode(), links)


def _show_feed(visit: Visit, path: str) -> Made:
    kind, _, rest = path.removeprefix("/").partition("/")
    label, _, name = rest.partition("/")
    if kind == "c" and not name:
        return Made(_ATOM, feed.catalogue_feed(visit, label).encode())
    if kind == "r" and name and "@" not in name:
        return Made(_ATOM, feed.name_feed(visit, label, name).encode())
    raise NotFoundError("there is no such feed", why="catalogues and names have one")


def _twin_of(path: str, visit: Visit) -> str:
    address = "/index.json" if path == "/" else f"{_quote(path)}.json"
    query = encode_query(dict(visit.query))
    return f"{address}?{query}" if query else address


def _quote(path: str) -> str:
    return link(path.removeprefix("/"))
