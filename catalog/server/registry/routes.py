"""The paths of ``/v2``. Source: OCI distribution-spec 1.1, "Endpoints", pull and content discovery."""

import re
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from catalog.errors import BlockNotFoundError, InvalidDigestError, UnavailableError
from catalog.image.canonical import INDEX_TYPE, MANIFEST_TYPE
from catalog.limits import IDLE_TIMEOUT
from catalog.model.digest import Digest
from catalog.server.feeding.feeder import Feeder
from catalog.server.feeding.job import FeederBusyError
from catalog.server.publishing import Publisher, Pusher
from catalog.server.registry.blobs import Blobs
from catalog.server.registry.errors import VERSION_HEADERS, refuse_registry
from catalog.server.registry.images import Images
from catalog.server.registry.listing import list_names, list_tags
from catalog.server.registry.manifests import Manifest, Manifests
from catalog.server.registry.mirrored import AskedName, read_name
from catalog.server.registry.names import HomeReleases
from catalog.server.registry.pulls import Pulls
from catalog.server.registry.pushing import PushRoutes
from catalog.server.registry.sending import KEPT_HEADERS, BlobSender
from catalog.server.registry.threads import WaitingThreads
from catalog.server.response.headers import is_unchanged
from catalog.server.response.streaming import Workers
from catalog.server.settings import Compress
from catalog.server.site.site import HeldBlocks

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", re.ASCII)
_PATH = re.compile(r"(.+)/(manifests|blobs|referrers)/([^/]+)", re.ASCII)
_UNQUOTABLE = re.compile(r"[^ -~]|[\"\\]")
_MAX_NAME = 255
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


class RegistryRoutes:
    """The handlers of ``/v2``; ``state`` returns a value that differs whenever the home changed."""

    def __init__(
        self,
        releases: HomeReleases,
        blocks: HeldBlocks,
        workers: Workers,
        pulls: Pulls,
        *,
        compress: Compress,
        state: Callable[[], object],
        feeder: Feeder | None = None,
        publisher: Publisher | None = None,
        idle: float = IDLE_TIMEOUT,
    ) -> None:
        self._releases = releases
        self._workers = workers
        self._waiting = None if feeder is None else WaitingThreads(workers)
        self._pulls = pulls
        images = Images(blocks, feeder)
        self._manifests = Manifests(releases, images, state)
        self._blobs = Blobs(releases, images, blocks)
        self._sender = BlobSender(self._blobs, images, pulls, workers, self._waiting, compress)
        self._push = None if publisher is None else PushRoutes(publisher, self._manifests, self._blobs, blocks, workers, idle=idle)

    def routes(self) -> list[Route]:
        return [Route("/v2", self.answer, methods=_METHODS), Route("/v2/{path:path}", self.answer, methods=_METHODS)]

    async def answer(self, request: Request) -> Response:
        """Answer any path under ``/v2``."""
        path = request.scope["raw_path"].decode("ascii").removeprefix("/v2").removeprefix("/")
        if self._push is None and request.method not in ("GET", "HEAD"):
            return refuse_registry(
                405, "this registry is read-only; dcat serve --push starts one that takes pushes", headers={"allow": "GET, HEAD"}
            )
        try:
            if self._push is not None and (pushed := await self._push.answer(request, path, _pusher_of(request))) is not None:
                return pushed
            if not path:
                return JSONResponse({}, headers={"cache-control": "no-store", **VERSION_HEADERS})
            if path == "_catalog":
                return await list_names(request, self._releases, self._workers)
            if path.endswith("/tags/list"):
                asked = await self._workers.run(read_name, request, path.removesuffix("/tags/list"), self._releases.has_name)
                is_shown = _is_name(asked.name) and await self._may_answer(asked)
                return await list_tags(request, asked.name, self._releases, self._workers, is_shown=is_shown)
            match = _PATH.fullmatch(path)
            if match is None:
                return refuse_registry(404, "not a path of this registry")
            kind, reference = match[2], match[3].replace("%3A", ":").replace("%3a", ":")
            asked = await self._workers.run(read_name, request, match[1], self._releases.has_name)
            if not _is_name(asked.name):
                return refuse_registry(404, "not a valid name", code="NAME_INVALID")
            if kind == "referrers":
                return _list_referrers(reference)
            if kind == "blobs":
                return await self._send_blob(request, asked.name, reference)
            return await self._answer_manifest(request, asked, reference)
        except (BlockNotFoundError, EOFError):
            return refuse_registry(404, "not held here", code="BLOB_UNKNOWN")
        except FeederBusyError:
            return refuse_registry(429, "being fetched: try again in a moment", headers={"retry-after": "5"})
        except UnavailableError:  # never 503: one ends the pull of most clients, where 429 is waited for
            return refuse_registry(429, "the store behind this registry does not answer", headers={"retry-after": "5"})

    async def _answer_manifest(self, request: Request, asked: AskedName, reference: str) -> Response:
        if ":" not in reference and not await self._may_answer(asked):
            answer = refuse_registry(404, "not a name that was chosen here", code="MANIFEST_UNKNOWN")
        else:
            answer = await self._send_manifest(request, asked, reference)
        self._pulls.note_manifest(request, asked.name, reference, answer.status_code)
        return answer

    async def _may_answer(self, asked: AskedName) -> bool:
        """Return whether the tags of a name are answered: of another registry only those of names that were chosen here."""
        return not asked.registry or await self._workers.run(self._releases.is_chosen, asked.name)

    async def _send_manifest(self, request: Request, asked: AskedName, reference: str) -> Response:
        name = asked.name
        wanted: Digest | str = reference
        if ":" in reference:
            try:
                wanted = Digest.parse(reference)
            except InvalidDigestError:
                return _refuse_digest()
            if self._push is not None and (pushed := self._push.find_manifest(wanted)) is not None:
                headers = {"content-type": pushed.media_type, "docker-content-digest": str(wanted), **VERSION_HEADERS}
                return Response(pushed.data, headers=headers | {"cache-control": "no-store"})
        manifest = await self._workers.run(self._find_manifest, name, wanted, fetch=False)
        if manifest is None and self._waiting is not None:
            manifest = await self._waiting.run(self._find_manifest, name, wanted, fetch=True, search=not asked.registry)
        if manifest is None:
            return refuse_registry(404, "no such manifest is held here", code="MANIFEST_UNKNOWN")
        for view in manifest.views:
            self._blobs.note(name, view)
        if manifest.media_type == MANIFEST_TYPE and manifest.views:
            self._pulls.note_archive(request, manifest.views[0].cid)
        kept = KEPT_HEADERS if ":" in reference else {"cache-control": "no-cache, no-transform"}
        headers = {
            "content-type": manifest.media_type,
            "docker-content-digest": manifest.digest,
            "etag": f'"{manifest.digest}"',
            **kept,
            **VERSION_HEADERS,
        }
        if manifest.warning is not None:
            headers["warning"] = f'299 - "{_UNQUOTABLE.sub("?", manifest.warning[:500])}"'
        if is_unchanged(request.headers, headers["etag"]):
            return Response(status_code=304, headers=headers)
        return Response(manifest.data, headers=headers)

    def _find_manifest(self, name: str, wanted: Digest | str, *, fetch: bool, search: bool = False) -> Manifest | None:
        """Return a manifest; a mirror is asked for digests of another registry: for these nothing is searched for at others."""
        if isinstance(wanted, Digest):
            return self._manifests.find_digest(name, wanted, fetch=fetch, search=search)
        return self._manifests.find_tag(name, wanted, fetch=fetch) if _TAG.fullmatch(wanted) else None

    async def _send_blob(self, request: Request, name: str, reference: str) -> Response:
        try:
            digest = Digest.parse(reference)
        except InvalidDigestError:
            return _refuse_digest()
        if self._push is not None and request.method == "HEAD" and "ns" not in request.query_params:  # which pulls have
            found = await self._push.find_blob(digest)
            if found is not None:
                headers = {"content-type": "application/octet-stream", "docker-content-digest": str(digest), **VERSION_HEADERS}
                return Response(headers=headers | {"content-length": str(found.size), "cache-control": "no-store"})
        blob = await self._workers.run(self._blobs.find, name, digest)
        if blob is None:
            return refuse_registry(404, "no such blob is held here", code="BLOB_UNKNOWN")
        return self._sender.send(request, blob)


def _pusher_of(request: Request) -> Pusher:
    return Pusher(request.scope.get("dcat.user", ""), request.client.host if request.client is not None else "local")


def _is_name(name: str) -> bool:
    return len(name) <= _MAX_NAME and _NAME.fullmatch(name) is not None


def _list_referrers(reference: str) -> Response:
    """Return an empty index: nothing here refers to an image."""
    try:
        Digest.parse(reference)
    except InvalidDigestError:
        return _refuse_digest()
    document = {"manifests": [], "mediaType": INDEX_TYPE, "schemaVersion": 2}
    return JSONResponse(document, headers={"cache-control": "no-cache", **VERSION_HEADERS}, media_type=INDEX_TYPE)


def _refuse_digest() -> Response:
    return refuse_registry(400, "a digest is sha256: and 64 lower-case hex digits", code="DIGEST_INVALID")
