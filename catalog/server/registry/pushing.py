"""The paths of ``/v2`` that push (``serve --push``). Source: OCI distribution-spec 1.1, "Push".

What is refused is refused with 403 and ``DENIED``, whose message every tool shows at once. Others make tools try again: 400
``NAME_INVALID`` and 401 classic stores of Docker for 50 s, 400 ``MANIFEST_INVALID`` podman in four formats; 503 hides the message.
"""

import asyncio
import re
from contextlib import suppress
from typing import Final
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from catalog.errors import DcatError, InvalidDigestError, StorageError
from catalog.image.dag import StoredLayer
from catalog.image.reader import read_archive
from catalog.intake.inbox import FoundBlob, Inbox, PushedManifest
from catalog.intake.received import check_attached
from catalog.ipld.block import BlockSource
from catalog.limits import PUSHES_AT_ONCE
from catalog.model.digest import Digest
from catalog.server.publishing import Publisher, Pusher
from catalog.server.registry.blobs import Blobs
from catalog.server.registry.errors import VERSION_HEADERS, refuse_registry
from catalog.server.registry.manifests import Manifests
from catalog.server.registry.paths import UPLOAD_PATH
from catalog.server.registry.uploads import Upload, UploadEndedError, Uploads
from catalog.server.response.streaming import Workers

_MANIFEST: Final = re.compile(r"(.+)/manifests/([^/]+)", re.ASCII)
_CONTENT_RANGE: Final = re.compile(r"(?:bytes[ =])?(\d{1,18})-\d{1,18}(?:/.*)?", re.ASCII)
_DRAIN: Final = 2.0  # seconds for which the rest of a refused body is read, so that the client reads the answer


class PushRoutes:
    """The handlers of requests that push, and of what was pushed and is not released yet."""

    def __init__(
        self, publisher: Publisher, manifests: Manifests, blobs: Blobs, blocks: BlockSource, workers: Workers, *, idle: float
    ) -> None:
        self._publisher = publisher
        self._inbox: Inbox = publisher.inbox
        self._held = _Held(manifests, blobs, blocks)
        self._workers = workers
        self._hands = workers.branch(PUSHES_AT_ONCE)  # they wait for locks, and for what is being shared
        self._uploads = Uploads(self._inbox, workers, idle)

    async def answer(self, request: Request, path: str, pusher: Pusher) -> Response | None:
        """Answer a request that pushes, or asks how far an upload is; None where it is neither."""
        self._uploads.watch()
        try:
            upload = UPLOAD_PATH.fullmatch(path)
            if upload is not None:
                return await self._answer_upload(request, upload[1], upload[2])
            manifest = _MANIFEST.fullmatch(path)
            if manifest is not None and request.method == "PUT":
                return await self._put_manifest(request, manifest[1], manifest[2].replace("%3A", ":").replace("%3a", ":"), pusher)
        except UploadEndedError as error:
            return await _refuse(request, 408, str(error), code="BLOB_UPLOAD_INVALID")
        except InvalidDigestError as error:
            return await _refuse(request, 400, _sentence(error), code="DIGEST_INVALID")
        except DcatError as error:
            return await _refuse(request, 403, _sentence(error))
        return None if request.method in ("GET", "HEAD") else refuse_registry(405, "not a request that pushes an image")

    async def find_blob(self, digest: Digest) -> FoundBlob | None:
        """Return a blob that need not be sent; none where that cannot be found out, and the upload is told why."""
        try:
            return await self._workers.run(self._inbox.find_blob, digest)
        except StorageError:
            return None

    def find_manifest(self, digest: Digest) -> PushedManifest | None:
        """Return a manifest that was pushed lately."""
        return self._inbox.find_manifest(digest)

    async def _answer_upload(self, request: Request, name: str, upload_id: str | None) -> Response:
        if upload_id is None:
            if request.method != "POST":
                return refuse_registry(405, "an upload begins with POST", headers={"allow": "POST"})
            return await self._start(request, name)
        upload = self._uploads.find(name, upload_id)
        if upload is None:
            return await _refuse(request, 404, "no such upload is under way here", code="BLOB_UPLOAD_UNKNOWN")
        if request.method == "GET":
            return Response(status_code=204, headers=_place(upload))
        if request.method == "DELETE":
            await self._uploads.end(upload)
            return Response(status_code=204, headers=VERSION_HEADERS)
        if request.method not in ("PATCH", "PUT"):
            return refuse_registry(405, "an upload goes on with PATCH or PUT", headers={"allow": "GET, PATCH, PUT, DELETE"})
        part = request.headers.get("content-range")
        match = None if part is None else _CONTENT_RANGE.fullmatch(part)
        if part is not None and (match is None or int(match[1]) != upload.received):
            return await _refuse(
                request,
                416,
                f"the next byte of this upload is {upload.received}",
                code="BLOB_UPLOAD_INVALID",
                headers=_place(upload),
            )
        return await self._take(request, upload)

    async def _start(self, request: Request, name: str) -> Response:
        await self._workers.run(self._publisher.check_name, name)
        mounted = request.query_params.get("mount")
        if mounted is not None:
            with suppress(InvalidDigestError):
                digest = Digest.parse(mounted)
                if await self.find_blob(digest) is not None:
                    return _created(f"/v2/{name}/blobs/{digest}", digest)
        upload = await self._uploads.start(name)
        if "digest" in request.query_params:
            return await self._take(request, upload)
        return Response(status_code=202, headers=_place(upload))

    async def _take(self, request: Request, upload: Upload) -> Response:
        """Take a part of a blob, and with ``?digest=`` its end."""
        upload.is_busy, ends = True, True
        try:
            await self._uploads.hold(upload)
            await upload.receive(aiter(request.stream()))
            ends = "digest" in request.query_params
            if not ends:
                return Response(status_code=202, headers=_place(upload))
            digest = Digest.parse(request.query_params["digest"])
            blob = await upload.finish()
            if blob.digest != digest:
                raise InvalidDigestError(f"a blob does not match {digest}", why=f"it has {blob.digest}")
            self._inbox.keep(blob)
            return _created(f"/v2/{upload.name}/blobs/{digest}", digest)
        except ClientDisconnect as error:
            raise UploadEndedError("the client left") from error
        finally:
            upload.is_busy = False
            if ends:
                await self._uploads.end(upload)

    async def _put_manifest(self, request: Request, name: str, reference: str, pusher: Pusher) -> Response:
        data = await request.body()
        manifest = PushedManifest(data, request.headers.get("content-type", "").partition(";")[0].strip())
        if ":" in reference:
            if Digest.parse(reference) != manifest.digest:
                raise InvalidDigestError(f"the manifest does not match {reference}", why=f"it has {manifest.digest}")
            await self._workers.run(self._publisher.check_name, name)
            check_attached(manifest)
        else:
            await self._hands.run(self._publisher.publish, name, reference, manifest, self._held, pusher)
        self._inbox.keep_manifest(manifest, is_taken=":" not in reference)
        return _created(f"/v2/{name}/manifests/{manifest.digest}", manifest.digest)


class _Held:
    """What the registry shows besides what was pushed."""

    def __init__(self, manifests: Manifests, blobs: Blobs, blocks: BlockSource) -> None:
        self._manifests = manifests
        self._blobs = blobs
        self._blocks = blocks

    def find_document(self, name: str, digest: Digest) -> bytes | None:
        manifest = self._manifests.find_digest(name, digest, fetch=False)
        if manifest is not None:
            return manifest.data
        blob = self._blobs.find(name, digest)
        return None if blob is None else blob.data

    def find_layer(self, name: str, digest: Digest) -> StoredLayer | None:
        blob = self._blobs.find(name, digest)
        if blob is None or blob.layer is None:
            return None
        for _ in self._blobs.read(blob):
            pass  # compared with its diffID
        view = read_archive(blob.archive, self._blocks)
        sizes = dict(zip((layer.cid for layer in view.layers), (link.dag_size for link in view.links[1::2]), strict=True))
        layer = blob.layer
        return StoredLayer(layer.diff_id, layer.size, layer.cid, layer.stored_size, sizes[layer.cid])


def _place(upload: Upload) -> dict[str, str]:
    return {
        "location": f"/v2/{quote(upload.name)}/blobs/uploads/{upload.upload_id}",
        "range": f"0-{max(upload.received - 1, 0)}",
        "docker-upload-uuid": upload.upload_id,
        "cache-control": "no-store",
        **VERSION_HEADERS,
    }


def _created(location: str, digest: Digest) -> Response:
    return Response(
        status_code=201,
        headers={"location": location, "docker-content-digest": str(digest), "cache-control": "no-store", **VERSION_HEADERS},
    )


def _sentence(error: DcatError) -> str:
    """Return an error in one line, as tools show it."""
    text = f"{error.message}: {error.why}" if error.why else error.message
    return f"{text}; {error.hint}" if error.hint else text


async def _refuse(
    request: Request, status: int, message: str, *, code: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    """Return a refusal once the body is read, or most of it: a client that is cut off while it sends does not read the answer."""
    with suppress(TimeoutError, ClientDisconnect, RuntimeError):
        async with asyncio.timeout(_DRAIN):
            async for _ in request.stream():
                pass
    return refuse_registry(status, message, code=code, headers=headers)
