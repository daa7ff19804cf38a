"""Lists of the registry in pages: names and tags. Source: OCI distribution-spec 1.1, "Listing Tags"; Docker's ``_catalog``."""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from catalog.limits import MAX_LISTED_TAGS
from catalog.server.registry.errors import VERSION_HEADERS, refuse_registry
from catalog.server.registry.names import HomeReleases, tags_after
from catalog.server.response.streaming import Workers


async def list_names(request: Request, releases: HomeReleases, workers: Workers) -> Response:
    """Return a page of the names behind the query's ``last``."""
    most = _read_count(request)
    if most is None:
        return _refuse_count()
    names = await workers.run(releases.list_names, request.query_params.get("last", ""), most + 1)
    return _list_page(request, "/v2/_catalog", {"repositories": names[:most]}, names[:most], more=len(names) > most)


async def list_tags(request: Request, name: str, releases: HomeReleases, workers: Workers, *, is_shown: bool) -> Response:
    """Return a page of the tags of ``name`` behind the query's ``last``; 404 for a name that is not here or not ``is_shown``."""
    most = _read_count(request)
    if most is None:
        return _refuse_count()
    tags = await workers.run(releases.list_tags, name) if is_shown else None
    if tags is None:
        return refuse_registry(404, "no such name is known here")
    shown, more = tags_after(tags, request.query_params.get("last", ""), most)
    return _list_page(request, f"/v2/{name}/tags/list", {"name": name, "tags": shown}, shown, more=more)


def _read_count(request: Request) -> int | None:
    text = request.query_params.get("n", str(MAX_LISTED_TAGS))
    return min(int(text[:9]), MAX_LISTED_TAGS) if text.isascii() and text.isdecimal() else None


def _refuse_count() -> Response:
    return refuse_registry(400, "n must be a number", code="PAGINATION_NUMBER_INVALID")


def _list_page(request: Request, path: str, document: dict[str, object], shown: list[str], *, more: bool) -> Response:
    headers = {"cache-control": "no-cache", **VERSION_HEADERS}
    if more and shown:
        count = request.query_params.get("n", str(MAX_LISTED_TAGS))
        headers["link"] = f'<{path}?last={quote(shown[-1], safe="")}&n={count}>; rel="next"'
    return JSONResponse(document, headers=headers)
