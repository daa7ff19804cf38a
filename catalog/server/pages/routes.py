"""The pages over HTTP: HTML for people, the JSON twin for programs, feeds, static files.

A twin is asked for by ``.json`` behind the address or by ``Accept: application/json``. Every page has an entity tag of the home's
state, so a browser that has the page gets 304 without it being made again. Pages are private to whoever may read this server.
Nothing is written but listings of files, into a cache of the home.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import unquote

from starlette.convertors import PathConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from catalog.documents.encoding import to_json
from catalog.errors import (
    AmbiguousReferenceError,
    BlockNotFoundError,
    CorruptHomeError,
    DcatError,
    InvalidConfigError,
    InvalidInputError,
    LockedError,
    NotFoundError,
    StorageError,
    VerificationError,
)
from catalog.home.home import Home
from catalog.limits import MAX_MADE_PAGES
from catalog.lookup.opening import open_view
from catalog.model.release import format_time
from catalog.server.log import escape
from catalog.server.pages import feed
from catalog.server.pages.links import encode_query, link
from catalog.server.pages.openapi import describe
from catalog.server.pages.pagelist import DIFF, FILES, STORAGE, Call, find_pages
from catalog.server.pages.rendering import render, static_files
from catalog.server.pages.threads import PagesBusyError, PageThreads
from catalog.server.pages.views.fetching import StillFetchingError
from catalog.server.pages.views.files import Download, download
from catalog.server.pages.visit import Memory, Visit, home_at
from catalog.server.registry.pulls import Pulls
from catalog.server.response.address import address_of, prefix_of, rebase
from catalog.server.response.answers import refuse, unchanged
from catalog.server.response.headers import FOREVER, content_headers, is_unchanged, tag
from catalog.server.response.streaming import StreamedResponse, Workers
from catalog.server.site.site import Site

T = TypeVar("T")

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "img-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_AGES = 300  # seconds after which the ages on a page are written anew
_SAFE = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_SLOW = (FILES, DIFF, STORAGE)
_LIFETIME = "private, no-cache"
_HTML, _JSON, _ATOM = "text/html; charset=utf-8", "application/json", "application/atom+xml; charset=utf-8"
_STATUS: tuple[tuple[type[DcatError], int], ...] = (
    (NotFoundError, 404),
    (AmbiguousReferenceError, 404),
    (InvalidInputError, 400),
    (CorruptHomeError, 500),
    (VerificationError, 400),
    (LockedError, 503),
    (StorageError, 503),
)
_TOLD = (NotFoundError, AmbiguousReferenceError, InvalidInputError, VerificationError, BlockNotFoundError, StillFetchingError)
"""Errors whose text is about what was asked for; that of others may hold paths and addresses of this machine."""
_HIDDEN = (CorruptHomeError, InvalidConfigError)
"""Those of them whose text is about this machine all the same."""


class _TextConvertor(PathConvertor):
    """Any rest of a path, line breaks too."""

    regex = r"[\s\S]*"


register_url_convertor("text", _TextConvertor())


@dataclass(frozen=True)
class _Made:
    """A page that was made."""

    kind: str
    body: bytes
    links: Mapping[str, str] = field(default_factory=dict)


class PageRoutes:
    """The handlers of all pages. ``registry`` says that the server answers ``/v2/``, ``token`` that a token guards it.

    ``log`` is called with one escaped line for each error that is not shown; ``pulls`` knows what engines asked for.
    """

    def __init__(
        self, site: Site, home: Home, workers: Workers, log: Callable[[str], None], pulls: Pulls, *, registry: bool, token: bool
    ) -> None:
        self._site = site
        self._log = log
        self._home = home
        self._workers = workers
        self._pulls = pulls
        self._registry = registry
        self._token = token
        self._memory = Memory()
        self._made = Memory(MAX_MADE_PAGES)
        self._threads = PageThreads(workers)

    def routes(self) -> list[Route]:
        pages = ("/", "/index.json", "/search", "/search.json", "/storage", "/storage.json", "/status", "/status.json")
        below = ("/c/{rest:text}", "/r/{rest:text}", "/diff/{rest:text}", "/cid/{rest:text}")
        return [
            *(Route(path, self.send_page, methods=["GET"]) for path in (*pages, *below)),
            Route("/api/openapi.json", self.send_description, methods=["GET"]),
            Route("/static/{name}", self.send_static, methods=["GET"]),
            Route("/favicon.ico", self.send_icon, methods=["GET"]),
            Route("/robots.txt", self.send_robots, methods=["GET"]),
        ]

    async def send_static(self, request: Request) -> Response:
        found = static_files().get(request.path_params["name"])
        if found is None:
            return refuse(404, "no such file")
        data, kind = found
        return Response(data, headers={"content-type": kind, "cache-control": FOREVER, **_SAFE})

    async def send_icon(self, request: Request) -> Response:  # noqa: ARG002  # a handler's signature
        data, kind = next(entry for name, entry in static_files().items() if name.startswith("icon."))
        return Response(data, headers={"content-type": kind, "cache-control": "public, max-age=86400", **_SAFE})

    async def send_robots(self, request: Request) -> Response:  # noqa: ARG002  # a handler's signature
        return Response("User-agent: *\nDisallow: /\n", media_type="text/plain", headers=_SAFE)

    async def send_description(self, request: Request) -> Response:  # noqa: ARG002  # a handler's signature
        body = json.dumps(describe(), separators=(",", ":"))
        return Response(body, headers={"content-type": _JSON, "cache-control": _LIFETIME, **_SAFE})

    async def send_page(self, request: Request) -> Response:
        """Answer with a page, its twin, a feed, or a file of an image."""
        path = unquote(request.scope["raw_path"].split(b"?")[0].decode("ascii"), errors="surrogateescape")
        calls = find_pages(path)
        is_feed = path.endswith(".atom")
        prefers_json = _prefers_json(request)
        fails_as_json = prefers_json or is_feed or any(call.is_twin for call in calls)
        if calls and calls[0].page is FILES and "download" in request.query_params:
            return await self._send_file(request, calls[0])
        state = await self._workers.run(self._site.state)
        if path in ("/status", "/status.json"):
            state = (state, self._pulls.version)
        bucket = int(self._site.now().timestamp()) // _AGES
        made_from = (address_of(request.headers), str(request.url), str(state), str(bucket), "json" if prefers_json else "")
        etag = tag(*made_from, weak=True)
        headers = {"etag": etag, "cache-control": _LIFETIME, "vary": "Accept, X-Forwarded-Proto, X-Forwarded-Prefix", **_SAFE}
        if is_unchanged(request.headers, etag):
            return unchanged(headers)
        kept = self._made.find(made_from, state)
        if kept is not None:
            return _answer(kept.value, headers)
        is_slow = bool(calls) and calls[0].page in _SLOW
        try:
            made = await self._threads.run(
                request,
                lambda gone: self._with_visit(
                    request, state, gone, lambda visit: self._choose(visit, path, calls, as_json=prefers_json)
                ),
                is_slow=is_slow,
            )
        except PagesBusyError:
            return _refuse_busy()
        if isinstance(made, DcatError):
            return self._fail(made, as_json=fails_as_json, prefix=prefix_of(request.headers))
        self._made.keep(made_from, state, made, 1024 + len(made.body))
        return _answer(made, headers)

    async def _send_file(self, request: Request, call: Call) -> Response:
        def open_file(gone: Callable[[], bool]) -> Download | DcatError:
            return self._with_visit(request, self._site.state(), gone, lambda visit: download(visit, *call.arguments))

        try:
            found = await self._threads.run(request, open_file, is_slow=True)
        except PagesBusyError:
            return _refuse_busy()
        if isinstance(found, DcatError):
            return self._fail(found, as_json=_prefers_json(request), prefix=prefix_of(request.headers))
        headers = content_headers("application/octet-stream", found.name, None)
        return StreamedResponse(self._workers, found.pieces, 200, {**headers, "content-length": str(found.size)})

    def _with_visit(self, request: Request, state: object, stopped: Callable[[], bool], use: Callable[[Visit], T]) -> T | DcatError:
        """Call ``use`` with a visit; return what it raises, if that is expected."""
        home = home_at(self._home, self._site.now())
        try:
            with open_view(home.path) as view:
                return use(
                    Visit(
                        home=home,
                        blocks=self._site.blocks,
                        view=view,
                        query=request.query_params,
                        server=address_of(request.headers),
                        prefix=prefix_of(request.headers),
                        state=state,
                        memory=self._memory,
                        registry=self._registry and not prefix_of(request.headers),
                        token=self._token,
                        pulls=self._pulls,
                        stopped=stopped,
                        feeder=self._site.feeder,
                    )
                )
        except DcatError as error:
            return error

    def _choose(self, visit: Visit, path: str, calls: list[Call], *, as_json: bool) -> _Made:
        """Make the page that an address means: of several that it may mean, the first that is there."""
        failed: DcatError | None = None
        for call in calls:
            try:
                return _show(visit, call, path, as_json=as_json or call.is_twin)
            except (NotFoundError, InvalidInputError, VerificationError) as error:
                failed = error
        if path.endswith(".atom"):
            try:
                return _show_feed(visit, path.removesuffix(".atom"))
            except (NotFoundError, InvalidInputError) as error:
                failed = error
        raise failed or NotFoundError(f'there is no page "{path[:200]}"', why="its address is not that of any page")

    def _fail(self, error: DcatError, *, as_json: bool, prefix: str) -> Response:
        status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
        headers = {"cache-control": "no-store", "vary": "Accept", "content-security-policy": _POLICY, **_SAFE}
        if status == 503:
            headers["retry-after"] = "2"
        shown = error
        if not isinstance(error, _TOLD) or isinstance(error, _HIDDEN):
            why = f": {error.why}" if error.why else ""
            self._log(f"{format_time(self._site.now())} page: {escape(f'{type(error).__name__}: {error.message}{why}')}")
            shown = _hide(status)
        if as_json:
            body = {"schema": "dcat/error/v1", "code": error.code, "message": shown.message, "why": shown.why, "try": shown.hint}
            return Response(json.dumps(to_json(body)), status, {"content-type": _JSON, **headers})
        page = render("error.html", self._site.now(), status=status, error=shown, page="error", twin="")
        return Response(rebase(page, prefix), status, {"content-type": _HTML, **headers})


def _answer(made: _Made, headers: dict[str, str]) -> Response:
    headers = {**headers, "content-type": made.kind, "content-security-policy": _POLICY}
    if made.links:
        headers["link"] = ", ".join(f'<{address}>; rel="{relation}"' for relation, address in made.links.items())
    return Response(made.body, 200, headers)


def _refuse_busy() -> Response:
    return refuse(429, "busy: other pages are being made", {"retry-after": "2"})


def _hide(status: int) -> DcatError:
    """Return an error to show in place of one that is only logged."""
    if status == 503:
        return DcatError(
            "this server cannot answer right now", why="what it reads is busy or cannot be read", hint="try again later"
        )
    return DcatError("this page could not be made", why="the reason is in the log of the server")


def _show(visit: Visit, call: Call, path: str, *, as_json: bool) -> _Made:
    page = call.page
    model = page.make(visit, *call.arguments)
    links: dict[str, str] = {}
    following = getattr(model, "next", "") if page.keyset else ""
    if following:
        query = {**{key: value for key, value in visit.query.items() if key in page.query}, page.keyset: following}
        links["next"] = f"{visit.prefix}{_quote(path)}?{encode_query(query)}"
    if as_json:
        body = {"schema": f"dcat/page-{page.key}/v1", **to_json(model)}
        return _Made(_JSON, json.dumps(body, separators=(",", ":")).encode(), links)
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
    return _Made(_HTML, rebase(shown, visit.prefix).encode(), links)


def _show_feed(visit: Visit, path: str) -> _Made:
    kind, _, rest = path.removeprefix("/").partition("/")
    label, _, name = rest.partition("/")
    if kind == "c" and not name:
        return _Made(_ATOM, feed.catalogue_feed(visit, label).encode())
    if kind == "r" and name and "@" not in name:
        return _Made(_ATOM, feed.name_feed(visit, label, name).encode())
    raise NotFoundError("there is no such feed", why="catalogues and names have one")


def _twin_of(path: str, visit: Visit) -> str:
    address = "/index.json" if path == "/" else f"{_quote(path)}.json"
    query = encode_query(dict(visit.query))
    return f"{address}?{query}" if query else address


def _quote(path: str) -> str:
    return link(path.removeprefix("/"))


def _prefers_json(request: Request) -> bool:
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept
