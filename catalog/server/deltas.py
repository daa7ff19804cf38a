"""``GET /dcat/v1/delta/<base>/<target>``: the delta by which a client that holds one archive rebuilds another (``dcat-delta/1``).

A delta is made when it is first requested, in a thread of its own, into a file from which it is sent: its header states the size of
every frame, so nothing can be sent before all of it is made. At most one per core is made at once, and no more than a few, because
each takes the memory of a section; further requests, and those whose delta takes longer than a request should, are answered 429
with the time to come back. Deltas are made only between archives of releases in this home's catalogues.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from catalog import limits
from catalog.errors import CidError, DeltaError, UnavailableError, VerificationError
from catalog.home.deltas import KeptDelta
from catalog.ipld.cid import Cid, convert_to_v1, parse_cid
from catalog.limits import MAX_DELTA_JOBS, STREAM_CHUNK_SIZE
from catalog.server.counters import Counters
from catalog.server.response.answers import refuse
from catalog.server.response.headers import content_headers, is_unchanged, tag
from catalog.server.response.streaming import StreamedResponse, Workers
from catalog.server.site.site import OfferedDeltas
from catalog.sources.protocol import DELTA_PATH, DELTA_TYPE

_REMEMBERED = 60.0  # seconds for which a pair that gave no delta is not tried again
_MOST_REMEMBERED = 1024

_Pair = tuple[Cid, Cid]


class DeltaRoutes:
    """The handler of ``/dcat/v1/delta``."""

    def __init__(self, deltas: OfferedDeltas, workers: Workers, counters: Counters) -> None:
        self._deltas = deltas
        self._workers = workers
        self._counters = counters
        self._most_jobs = min(os.cpu_count() or 1, MAX_DELTA_JOBS)
        self._makers = workers.open_pool(self._most_jobs)
        self._jobs: dict[_Pair, asyncio.Future[KeptDelta]] = {}
        self._failed: dict[_Pair, float] = {}

    def routes(self) -> list[Route]:
        return [Route(DELTA_PATH, self.send, methods=["GET"])]

    async def send(self, request: Request) -> Response:
        """Return a delta, which is made first if there is none yet."""
        try:
            pair = (
                convert_to_v1(parse_cid(request.path_params["base"])),
                convert_to_v1(parse_cid(request.path_params["target"])),
            )
        except CidError:
            return refuse(400, "base and target must be CIDs of archives")
        kept = await self._workers.run(self._deltas.find, *pair)
        if kept is None:
            if pair[0] == pair[1] or self._failed_lately(pair) or not await self._workers.run(self._deltas.offers, *pair):
                return refuse(404, "no delta between these archives is offered here")
            job = self._start(pair)
            if job is None:
                return refuse(429, "busy: other deltas are being made", {"retry-after": "2"})
            done, _ = await asyncio.wait({job}, timeout=limits.DELTA_WAIT)
            if not done:
                return refuse(429, "the delta is being made", {"retry-after": "5"})
            if job.exception() is not None:
                return self._explain(pair, job.exception())
            kept = job.result()
        return self._respond(request, pair, kept)

    def _start(self, pair: _Pair) -> "asyncio.Future[KeptDelta] | None":
        """Return the job that makes a pair's delta, started if there is none; None where too many are under way."""
        job = self._jobs.get(pair)
        if job is None and len(self._jobs) < self._most_jobs:
            job = asyncio.get_running_loop().run_in_executor(self._makers, self._deltas.make, *pair, self._workers.closed)
            self._jobs[pair] = job
            job.add_done_callback(lambda ended: self._end(pair, ended))
        return job

    def _end(self, pair: _Pair, job: "asyncio.Future[KeptDelta]") -> None:
        del self._jobs[pair]
        if not job.cancelled() and job.exception() is None:
            self._counters.add("deltas_made_total")

    def _explain(self, pair: _Pair, error: BaseException | None) -> Response:
        if not isinstance(error, UnavailableError | DeltaError | VerificationError):
            return refuse(503, "the delta could not be made here", {"retry-after": "60"})
        if len(self._failed) >= _MOST_REMEMBERED:
            self._failed.clear()
        self._failed[pair] = time.monotonic()
        return refuse(404, "no delta between these archives can be made here")

    def _failed_lately(self, pair: _Pair) -> bool:
        failed = self._failed.get(pair)
        return failed is not None and time.monotonic() - failed < _REMEMBERED

    def _respond(self, request: Request, pair: _Pair, kept: KeptDelta) -> Response:
        headers = content_headers(DELTA_TYPE, f"{pair[1]}.delta", tag(*map(str, pair), str(kept.size)))
        if is_unchanged(request.headers, headers["etag"]):
            return Response(status_code=304, headers={"etag": headers["etag"]})
        if request.method == "GET":
            self._counters.add("deltas_sent_total")
            self._counters.add("delta_saved_bytes_total", max(kept.new_bytes - kept.size, 0))
        headers["content-length"] = str(kept.size)
        return StreamedResponse(self._workers, _read(kept.path), 200, headers)


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(STREAM_CHUNK_SIZE):
            yield piece
