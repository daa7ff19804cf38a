"""``GET /dcat/v1/delta/<base>/<target>``: the delta by which a client that holds one archive rebuilds another (``dcat-delta/1``).

A delta is made when it is first requested, in a thread of its own, into a file from which it is sent: its header states the size of
every frame, so nothing can be sent before all of it is made. At most one per core is made at once, and no more than a few, because
each takes the memory of a section; further requests, and those whose delta takes longer than a request should, are answered 429
with the time to come back (`catalog.server.jobs`). Deltas are made only between archives of releases in this home's catalogues.
"""

from collections.abc import Iterator
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from catalog.errors import CidError, DeltaError, UnavailableError, VerificationError
from catalog.home.deltas import KeptDelta
from catalog.ipld.cid import convert_to_v1, parse_cid
from catalog.limits import STREAM_CHUNK_SIZE
from catalog.server.counters import Counters
from catalog.server.guard.guard import ClientGoneError
from catalog.server.jobs import DeltaJobs, Pair
from catalog.server.response.answers import refuse
from catalog.server.response.headers import content_headers, is_unchanged, tag
from catalog.server.response.streaming import StreamedResponse, Workers
from catalog.server.site.site import OfferedDeltas
from catalog.sources.protocol import DELTA_PATH, DELTA_TYPE


class DeltaRoutes:
    """The handler of ``/dcat/v1/delta``."""

    def __init__(self, deltas: OfferedDeltas, workers: Workers, counters: Counters) -> None:
        self._deltas = deltas
        self._workers = workers
        self._counters = counters
        self._jobs = DeltaJobs(deltas, workers, counters)

    def routes(self) -> list[Route]:
        return [Route(DELTA_PATH, self.send, methods=["GET"])]

    async def send(self, request: Request) -> Response:
        """Return a delta, which is made first if there is none yet."""
        try:
            base, target = (convert_to_v1(parse_cid(request.path_params[end])) for end in ("base", "target"))
        except CidError:
            return refuse(400, "base and target must be CIDs of archives")
        kept = await self._workers.run(self._deltas.find, base, target)
        if kept is None:
            pair = base, target
            if base == target or self._jobs.has_failed(pair) or not await self._workers.run(self._deltas.offers, *pair):
                return refuse(404, "no delta between these archives is offered here")
            if not self._jobs.start(pair):
                return refuse(429, "busy: other deltas are being made", {"retry-after": "2"})
            if self._jobs.is_crowded(pair):
                return _come_back()
            transport = request.scope["extensions"]["dcat.transport"]["transport"]
            try:
                kept = await self._jobs.wait(pair, transport.is_closing)
            except ConnectionAbortedError as error:
                raise ClientGoneError from error
            except (UnavailableError, DeltaError, VerificationError):
                return refuse(404, "no delta between these archives can be made here")
            except Exception:
                return refuse(503, "the delta could not be made here", {"retry-after": "60"})
            if kept is None:
                return _come_back()
        return self._respond(request, (base, target), kept)

    def _respond(self, request: Request, pair: Pair, kept: KeptDelta) -> Response:
        headers = content_headers(DELTA_TYPE, f"{pair[1]}.delta", tag(*map(str, pair), str(kept.size)))
        if is_unchanged(request.headers, headers["etag"]):
            return Response(status_code=304, headers={"etag": headers["etag"]})
        if request.method == "GET":
            self._counters.add("deltas_sent_total")
            self._counters.add("delta_saved_bytes_total", max(kept.new_bytes - kept.size, 0))
        headers["content-length"] = str(kept.size)
        return StreamedResponse(self._workers, _read(kept.path), 200, headers)


def _come_back() -> Response:
    return refuse(429, "the delta is being made", {"retry-after": "5"})


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(STREAM_CHUNK_SIZE):
            yield piece
