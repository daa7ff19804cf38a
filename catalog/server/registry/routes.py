"""The paths of ``/v2``. Source: OCI distribution-spec 1.1, "Endpoints", pull and content discovery."""

import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from catalog.errors import BlockNotFoundError, InvalidDigestError, UnavailableError
from catalog.image.canonical import INDEX_TYPE, MANIFEST_TYPE
from catalog.limits import IDLE_TIMEOUT, MAX_FEEDER_WAITERS, MAX_LISTED_TAGS
from catalog.model.digest import Digest
from catalog.server.feeding.feeder import Feeder
from catalog.server.feeding.job import FeederBusyError
from catalog.server.publishing import Publisher, Pusher
from catalog.server.registry.blobs import Blob, Blobs, layer_of
from catalog.server.registry.encoding import Encoding, choose_encoding, compress_gzip
from catalog.server.registry.errors import VERSION_HEADERS, refuse_registry
from catalog.server.registry.images import Images
from catalog.server.registry.manifests import Manifest, Manifests
from catalog.server.registry.mirrored import AskedName, read_name
from catalog.server.registry.names import HomeReleases, tags_after
from catalog.server.registry.pulls import Pulls
from catalog.server.registry.pushing import PushRoutes
from catalog.server.response.address import is_near
from catalog.server.response.headers import FOREVER, is_unchanged, parse_range
from catalog.server.response.streaming import StreamedResponse, Workers
from catalog.server.settings import Compress
from catalog.server.site.site import HeldBlocks

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", re.ASCII)
_PATH = re.compile(r"(.+)/(manifests|blobs|referrers)/([^/]+)", re.ASCII)
_UNQUOTABLE = re.compile(r"[^ -~]|[\"\\]")
_MAX_NAME = 255
_WAITING_THREADS = 64
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
_CONFIG_HEADERS = {"cache-control": f"{FOREVER}, no-transform"}


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
        # What may wait for something that is being fetched has threads of its own, or it would hold up what is held.
        self._opening = workers if feeder is None else workers.branch(_WAITING_THREADS)
        self._reading = workers if feeder is None else workers.branch(_WAITING_THREADS)
        self._waiting = 0  # for manifests
        self._pulls = pulls
        self._compress = compress
        self._images = Images(blocks, feeder)
        self._manifests = Manifests(releases, self._images, state)
        self._blobs = Blobs(releases, self._images, blocks)
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
                return await self._list_names(request)
            if path.endswith("/tags/list"):
                asked = await self._workers.run(read_name, request, path.removesuffix("/tags/list"), self._releases.has_name)
                return await self._list_tags(request, asked)
            match = _PATH.fullmatch(path)
            if match is None:
                return refuse_registry(404, "not a path of this registry")
            kind, reference = match[2], match[3].replace("%3A", ":").replace("%3a", ":")
            asked = await self._workers.run(read_name, request, match[1], self._releases.has_name)
            if not _is_name(asked.name):
                return refuse_registry(404, "not a valid name", code="NAME_INVALID")
            if kind == "referrers":
                return self._list_referrers(reference)
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
                return refuse_registry(400, "a digest is sha256: and 64 lower-case hex digits", code="DIGEST_INVALID")
            if self._push is not None and (pushed := self._push.find_manifest(wanted)) is not None:
                headers = {"content-type": pushed.media_type, "docker-content-digest": str(wanted), **VERSION_HEADERS}
                return Response(pushed.data, headers=headers | {"cache-control": "no-store"})
        manifest = await self._workers.run(self._find_manifest, name, wanted, fetch=False)
        if manifest is None and self._opening is not self._workers:
            self._check_waiters()
            self._waiting += 1
            try:
                manifest = await self._opening.run(self._find_manifest, name, wanted, fetch=True, search=not asked.registry)
            finally:
                self._waiting -= 1
        if manifest is None:
            return refuse_registry(404, "no such manifest is held here", code="MANIFEST_UNKNOWN")
        for view in manifest.views:
            self._blobs.note(name, view)
        if manifest.media_type == MANIFEST_TYPE and manifest.views:
            self._pulls.note_archive(request, manifest.views[0].cid)
        kept = _CONFIG_HEADERS if ":" in reference else {"cache-control": "no-cache, no-transform"}
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
            return refuse_registry(400, "a digest is sha256: and 64 lower-case hex digits", code="DIGEST_INVALID")
        if self._push is not None and request.method == "HEAD" and "ns" not in request.query_params:  # which pulls have
            found = await self._push.find_blob(digest)
            if found is not None:
                headers = {"content-type": "application/octet-stream", "docker-content-digest": str(digest), **VERSION_HEADERS}
                return Response(headers=headers | {"content-length": str(found.size), "cache-control": "no-store"})
        blob = await self._workers.run(self._blobs.find, name, digest)
        if blob is None:
            return refuse_registry(404, "no such blob is held here", code="BLOB_UNKNOWN")
        return self._send_held(request, blob)

    def _send_held(self, request: Request, blob: Blob) -> Response:
        """Send a blob in the encoding or the range that is asked for; what may be combined: `catalog.server.registry.blobs`."""
        headers = {
            "content-type": "application/octet-stream",
            "docker-content-digest": blob.digest,
            "vary": "Accept-Encoding",
            **VERSION_HEADERS,
        }
        etag = f'"{blob.digest}"'
        encoding: Encoding = "identity" if blob.layer is None or request.method == "HEAD" else self._choose(request)
        part = None
        if request.method == "GET" and "range" in request.headers:
            part = parse_range(request.headers, blob.size, etag)
            if part is None:  # several ranges, or nonsense: the whole, as it is
                encoding = "identity"
            elif encoding == "zstd" and request.headers["range"] == "bytes=0-":
                part = None
            else:
                encoding = "identity"
        if is_unchanged(request.headers, etag if encoding == "identity" else f'"{blob.digest};{encoding}"'):
            return Response(status_code=304, headers={"etag": etag, **headers})
        if blob.layer is not None and encoding != "identity":
            return self._send_encoded(request, blob, encoding, headers)
        headers |= {"accept-ranges": "bytes", "etag": etag, **_CONFIG_HEADERS}
        if part is not None:
            return self._send_part(request, blob, part, headers)
        headers["content-length"] = str(blob.size)
        pieces = iter([blob.data]) if blob.data is not None else self._counted(request, blob, self._blobs.read(blob))
        return StreamedResponse(self._threads_for(blob), pieces, 200, headers, download=True)

    def _send_part(self, request: Request, blob: Blob, part: tuple[int, int], headers: dict[str, str]) -> Response:
        start, stop = part
        if start >= stop:
            return refuse_registry(416, "outside the blob", headers={"content-range": f"bytes */{blob.size}"})
        headers |= {"content-length": str(stop - start), "content-range": f"bytes {start}-{stop - 1}/{blob.size}"}
        if blob.data is not None:
            return Response(blob.data[start:stop], 206, headers)
        pieces = self._counted(request, blob, self._blobs.read_range(blob, start, stop), stop - start)
        return StreamedResponse(self._threads_for(blob), pieces, 206, headers, download=True)

    def _counted(
        self, request: Request, blob: Blob, pieces: Iterator[bytes | Iterable[bytes]], part: int | None = None
    ) -> Iterator[bytes | Iterable[bytes]]:
        """Return the pieces of a layer, or of ``part`` of its bytes, which are counted once all of them left."""
        stored = layer_of(blob).stored_size
        return self._pulls.count(request, pieces, stored if part is None else stored * part // max(1, blob.size))

    def _send_encoded(self, request: Request, blob: Blob, encoding: Encoding, headers: dict[str, str]) -> Response:
        headers |= {
            "content-encoding": encoding,
            "etag": f'"{blob.digest};{encoding}"',
            "cache-control": "private, max-age=29030400, immutable, no-transform",
        }
        pieces: Iterator[Iterable[bytes]]
        if encoding == "zstd":
            headers["content-length"] = str(layer_of(blob).stored_size)
            pieces = self._blobs.read_stored(blob)
        else:
            pieces = compress_gzip(self._blobs.read(blob))
        return StreamedResponse(self._threads_for(blob), self._counted(request, blob, pieces), 200, headers, download=True)

    def _threads_for(self, blob: Blob) -> Workers:
        if not self._images.is_arriving(blob.archive):
            return self._workers
        self._check_waiters()
        return self._reading

    def _check_waiters(self) -> None:
        """Raise `FeederBusyError` where so many wait for what is being fetched that others would not find a slot."""
        if self._waiting + self._reading.downloads >= MAX_FEEDER_WAITERS:
            raise FeederBusyError

    def _choose(self, request: Request) -> Encoding:
        """Return the encoding of a layer: on loopback identity is quicker than gzip, unless a proxy is in between."""
        encoding = choose_encoding(request.headers.get("accept-encoding", ""))
        if self._compress == "never":
            return "identity"
        if encoding == "gzip" and self._compress == "auto":
            return "identity" if is_near(request) else encoding
        return encoding

    async def _list_names(self, request: Request) -> Response:
        most = _read_count(request)
        if most is None:
            return refuse_registry(400, "n must be a number", code="PAGINATION_NUMBER_INVALID")
        names = await self._workers.run(self._releases.list_names, request.query_params.get("last", ""), most + 1)
        return _list_page(request, "/v2/_catalog", {"repositories": names[:most]}, names[:most], more=len(names) > most)

    async def _list_tags(self, request: Request, asked: AskedName) -> Response:
        name = asked.name
        most = _read_count(request)
        if most is None:
            return refuse_registry(400, "n must be a number", code="PAGINATION_NUMBER_INVALID")
        is_shown = _is_name(name) and await self._may_answer(asked)
        tags = await self._workers.run(self._releases.list_tags, name) if is_shown else None
        if tags is None:
            return refuse_registry(404, "no such name is known here")
        shown, more = tags_after(tags, request.query_params.get("last", ""), most)
        return _list_page(request, f"/v2/{name}/tags/list", {"name": name, "tags": shown}, shown, more=more)

    def _list_referrers(self, reference: str) -> Response:
        """Return an empty index: nothing here refers to an image."""
        try:
            Digest.parse(reference)
        except InvalidDigestError:
            return refuse_registry(400, "a digest is sha256: and 64 lower-case hex digits", code="DIGEST_INVALID")
        document = {"manifests": [], "mediaType": INDEX_TYPE, "schemaVersion": 2}
        return JSONResponse(document, headers={"cache-control": "no-cache", **VERSION_HEADERS}, media_type=INDEX_TYPE)


def _pusher_of(request: Request) -> Pusher:
    return Pusher(request.scope.get("dcat.user", ""), request.client.host if request.client is not None else "local")


def _is_name(name: str) -> bool:
    return len(name) <= _MAX_NAME and _NAME.fullmatch(name) is not None


def _read_count(request: Request) -> int | None:
    text = request.query_params.get("n", str(MAX_LISTED_TAGS))
    return min(int(text[:9]), MAX_LISTED_TAGS) if text.isascii() and text.isdecimal() else None


def _list_page(request: Request, path: str, document: dict[str, object], shown: list[str], *, more: bool) -> Response:
    headers = {"cache-control": "no-cache", **VERSION_HEADERS}
    if more and shown:
        count = request.query_params.get("n", str(MAX_LISTED_TAGS))
        headers["link"] = f'<{path}?last={quote(shown[-1], safe="")}&n={count}>; rel="next"'
    return JSONResponse(document, headers=headers)
