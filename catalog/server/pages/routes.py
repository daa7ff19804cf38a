"""The pages over HTTP: HTML for people, the JSON twin for programs, feeds, static files.

A twin is asked for by ``.json`` behind the address or by ``Accept: application/json``. Every page has an entity tag of the home's
state, so a browser that has the page gets 304 without it being made again. Pages are private to whoever may read this server.
Nothing is written but listings of files, into a cache of the home.
"""

import json
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import unquote

from starlette.convertors import PathConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from catalog.errors import DcatError
from catalog.home.home import Home
from catalog.limits import MAX_MADE_PAGES
from catalog.server.pages.answers import SAFE, answer, fail, refuse_busy
from catalog.server.pages.making import JSON, make_page, unknown_page
from catalog.server.pages.openapi import describe
from catalog.server.pages.opening import OpenedHome
from catalog.server.pages.pagelist import DIFF, FILES, STORAGE, Call, find_pages
from catalog.server.pages.rendering import static_files
from catalog.server.pages.threads import PagesBusyError, PageThreads
from catalog.server.pages.views.files import Download, download
from catalog.server.pages.visit import PERIOD, Memory, Visit
from catalog.server.registry.pulls import Pulls
from catalog.server.response.address import address_of, prefix_of
from catalog.server.response.answers import refuse, unchanged
from catalog.server.response.headers import FOREVER, content_headers, is_unchanged, tag
from catalog.server.response.streaming import StreamedResponse, Workers
from catalog.server.site.site import Site

T = TypeVar("T")

_SLOW = (FILES, DIFF, STORAGE)
_LIFETIME = "private, no-cache"


class _TextConvertor(PathConvertor):
    """Any rest of a path, line breaks too."""

    regex = r"[\s\S]*"


register_url_convertor("text", _TextConvertor())


class PageRoutes:
    """The handlers of all pages. ``registry`` says that the server answers ``/v2/``, ``token`` that a token guards it.

    ``log`` is called with one escaped line for each error that is not shown; ``pulls`` knows what engines asked for.
    """

    def __init__(
        self, site: Site, home: Home, workers: Workers, log: Callable[[str], None], pulls: Pulls, *, registry: bool, token: bool
    ) -> None:
        self._site = site
        self._log = log
        self._home = OpenedHome(home)
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
        return Response(data, headers={"content-type": kind, "cache-control": FOREVER, **SAFE})

    async def send_icon(self, request: Request) -> Response:  # noqa: ARG002  # a handler's signature
        data, kind = next(entry for name, entry in static_files().items() if name.startswith("icon."))
        return Response(data, headers={"content-type": kind, "cache-control": "public, max-age=86400", **SAFE})

    async def send_robots(self, request: Request) -> Response:  # noqa: ARG002  # a handler's signature
        return Response("User-agent: *\nDisallow: /\n", media_type="text/plain", headers=SAFE)

    async def send_description(self, request: Request) -> Response:  # noqa: ARG002  # a handler's signature
        body = json.dumps(describe(), separators=(",", ":"))
        return Response(body, headers={"content-type": JSON, "cache-control": _LIFETIME, **SAFE})

    async def send_unknown(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer for an address of no part of the server: a page for browsers, a document for who prefers JSON, else one line."""
        request = Request(scope, receive)
        response: Response = PlainTextResponse("Not Found", 404, {"vary": "Accept", "x-content-type-options": "nosniff"})
        as_json = _prefers_json(request) or scope["path"].endswith(".json")
        if request.method in ("GET", "HEAD") and (as_json or "text/html" in request.headers.get("accept", "")):
            response = self._fail(request, unknown_page(scope["path"]), as_json=as_json)
        await response(scope, receive, send)

    async def send_page(self, request: Request) -> Response:
        """Answer with a page, its twin, a feed, or a file of an image."""
        path = unquote(request.scope["raw_path"].split(b"?")[0].decode("ascii"), errors="surrogateescape")
        calls = find_pages(path)
        is_feed = path.endswith(".atom")
        prefers_json = _prefers_json(request)
        fails_as_json = prefers_json or is_feed or any(call.is_twin for call in calls)
        if calls and calls[0].page is FILES and "download" in request.query_params:
            return await self._send_file(request, calls[0])
        home_state = await self._workers.run(self._site.state)
        state = (home_state, self._pulls.version) if path in ("/status", "/status.json") else home_state
        bucket = int(self._site.now().timestamp()) // PERIOD
        made_from = (address_of(request.headers), str(request.url), str(state), str(bucket), "json" if prefers_json else "")
        etag = tag(*made_from, weak=True)
        headers = {"etag": etag, "cache-control": _LIFETIME, "vary": "Accept, X-Forwarded-Proto, X-Forwarded-Prefix", **SAFE}
        if is_unchanged(request.headers, etag):
            return unchanged(headers)
        kept = self._made.find(made_from, state)
        if kept is not None:
            return answer(kept.value, headers)
        is_slow = bool(calls) and calls[0].page in _SLOW
        try:
            made = await self._threads.run(
                request,
                lambda gone: self._with_visit(
                    request, home_state, state, gone, lambda visit: make_page(visit, path, calls, as_json=prefers_json)
                ),
                is_slow=is_slow,
            )
        except PagesBusyError:
            return refuse_busy()
        if isinstance(made, DcatError):
            return self._fail(request, made, as_json=fails_as_json)
        self._made.keep(made_from, state, made, 1024 + len(made.body))
        return answer(made, headers)

    async def _send_file(self, request: Request, call: Call) -> Response:
        def open_file(gone: Callable[[], bool]) -> Download | DcatError:
            state = self._site.state()
            return self._with_visit(request, state, state, gone, lambda visit: download(visit, *call.arguments))

        try:
            found = await self._threads.run(request, open_file, is_slow=True)
        except PagesBusyError:
            return refuse_busy()
        if isinstance(found, DcatError):
            return self._fail(request, found, as_json=_prefers_json(request))
        headers = content_headers("application/octet-stream", found.name, None)
        return StreamedResponse(self._workers, found.pieces, 200, {**headers, "content-length": str(found.size)})

    def _fail(self, request: Request, error: DcatError, *, as_json: bool) -> Response:
        return fail(error, self._log, self._site.now(), as_json=as_json, prefix=prefix_of(request.headers))

    def _with_visit(
        self, request: Request, home_state: object, state: object, stopped: Callable[[], bool], use: Callable[[Visit], T]
    ) -> T | DcatError:
        """Call ``use`` with a visit; return what it raises, if that is expected."""
        try:
            with self._home.read(home_state, self._site.now()) as (home, view):
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


def _prefers_json(request: Request) -> bool:
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept
