"""Blobs as responses: in the encoding or the range that is asked for. What may be combined: `catalog.server.registry.blobs`."""

from collections.abc import Iterable, Iterator

from starlette.requests import Request
from starlette.responses import Response

from catalog.server.registry.blobs import Blob, Blobs, layer_of
from catalog.server.registry.encoding import Encoding, choose_encoding, compress_gzip
from catalog.server.registry.errors import VERSION_HEADERS, refuse_registry
from catalog.server.registry.images import Images
from catalog.server.registry.pulls import Pulls
from catalog.server.registry.threads import WaitingThreads
from catalog.server.response.address import is_near
from catalog.server.response.headers import FOREVER, is_unchanged, parse_range
from catalog.server.response.streaming import StreamedResponse, Workers
from catalog.server.settings import Compress

KEPT_HEADERS = {"cache-control": f"{FOREVER}, no-transform"}
"""Of what its digest names, where no encoding is chosen."""


class BlobSender:
    """Sends the blobs of ``blobs``, and counts what left for ``pulls``; ``waiting`` is None where nothing is fetched."""

    def __init__(
        self, blobs: Blobs, images: Images, pulls: Pulls, workers: Workers, waiting: WaitingThreads | None, compress: Compress
    ) -> None:
        self._blobs = blobs
        self._images = images
        self._pulls = pulls
        self._workers = workers
        self._waiting = waiting
        self._compress = compress

    def send(self, request: Request, blob: Blob) -> Response:
        """Return the answer to a request for a blob that is held or arriving; raise `FeederBusyError`."""
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
        headers |= {"accept-ranges": "bytes", "etag": etag, **KEPT_HEADERS}
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

    def _counted(
        self, request: Request, blob: Blob, pieces: Iterator[bytes | Iterable[bytes]], part: int | None = None
    ) -> Iterator[bytes | Iterable[bytes]]:
        """Return the pieces of a layer, or of ``part`` of its bytes, which are counted once all of them left."""
        stored = layer_of(blob).stored_size
        return self._pulls.count(request, pieces, stored if part is None else stored * part // max(1, blob.size))

    def _threads_for(self, blob: Blob) -> Workers:
        if self._waiting is not None and self._images.is_arriving(blob.archive):
            return self._waiting.readers()
        return self._workers

    def _choose(self, request: Request) -> Encoding:
        """Return the encoding of a layer: on loopback identity is quicker than gzip, unless a proxy is in between."""
        encoding = choose_encoding(request.headers.get("accept-encoding", ""))
        if self._compress == "never":
            return "identity"
        if encoding == "gzip" and self._compress == "auto":
            return "identity" if is_near(request) else encoding
        return encoding
