"""``/routing/v1/ipns``: the signed records of the names that this home owns or follows.

A name survives its owner's absence because followers keep its record and offer it on. A record is accepted only for such a name,
only if it is valid, and stored only if it is newer than the one here. It is the only thing that a request can change, and only the
owner of the key can sign a record that changes it.
Source: ipfs/specs, http-routing-v1.md, trustless-gateway.md.
"""

from threading import Lock

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from catalog.errors import InvalidIpnsNameError, RecordError, RecordExpiredError
from catalog.ipns.name import IpnsName, parse_ipns_name
from catalog.ipns.record import Record, check_record, validate_record
from catalog.ipns.validity import SECOND
from catalog.limits import MAX_RECORD_SIZE
from catalog.server.counters import Counters
from catalog.server.response.answers import refuse, unchanged
from catalog.server.response.headers import content_headers, is_unchanged, record_headers, tag
from catalog.server.response.streaming import Workers
from catalog.server.site.site import Site
from catalog.sources.protocol import RECORD_PATH, RECORD_TYPE

SHORTLY = {"cache-control": "public, max-age=15"}


class RecordRoutes:
    """The handlers of ``/routing/v1/ipns``."""

    def __init__(self, site: Site, workers: Workers, counters: Counters) -> None:
        self._site = site
        self._workers = workers
        self._counters = counters
        self._taking = Lock()

    def routes(self) -> list[Route]:
        return [
            Route(RECORD_PATH, self.get, methods=["GET"]),
            Route(RECORD_PATH, self.put, methods=["PUT"]),
        ]

    async def get(self, request: Request) -> Response:
        """Return a record as a delegated router does."""
        accept = request.headers.get("accept", "*/*")
        if "*/*" not in accept and RECORD_TYPE not in accept:
            return refuse(406, f"records are served as {RECORD_TYPE}")
        try:
            return await self.answer(request, parse_ipns_name(request.path_params["name"]))
        except InvalidIpnsNameError:
            return refuse(400, "not an IPNS name")

    async def put(self, request: Request) -> Response:
        """Accept a record, if it is better than the one here; the answer does not tell whether it was."""
        if request.headers.get("content-type", "").split(";")[0].strip().lower() != RECORD_TYPE:
            return refuse(406, f"records are accepted as {RECORD_TYPE}")
        body = await request.body()
        if len(body) > MAX_RECORD_SIZE:
            return refuse(413, f"a record may have at most {MAX_RECORD_SIZE} bytes")
        try:
            name = parse_ipns_name(request.path_params["name"])
            if not await self._workers.run(self._site.records.knows, name):
                return refuse(403, "this home does not follow that name")
            record = validate_record(name, body, self._site.now())
        except InvalidIpnsNameError:
            return refuse(400, "not an IPNS name")
        except (RecordError, RecordExpiredError) as error:
            return refuse(400, f"not a valid record of that name: {type(error).code}")
        if await self._workers.run(self._take, name, record):
            self._counters.add("records_taken_total")
        return Response(status_code=200)

    async def answer(self, request: Request, name: IpnsName) -> Response:
        """Return the record of a name."""
        record = await self._workers.run(self._find, name)
        if record is None:
            return refuse(404, "no record of that name is held here", SHORTLY)
        etag = tag(record.encoded.hex())
        filename = request.query_params.get("filename") or f"{name}.ipns-record"
        headers = content_headers(RECORD_TYPE, filename, etag)
        headers |= record_headers(record.ttl // SECOND, record.expires, self._site.now())
        headers["vary"] = "Accept"
        if is_unchanged(request.headers, etag):
            return unchanged(headers)
        return Response(record.encoded, headers=headers)

    def _find(self, name: IpnsName) -> Record | None:
        encoded = self._site.records.get(name)
        return None if encoded is None else check_record(name, encoded)

    def _take(self, name: IpnsName, record: Record) -> bool:
        with self._taking:  # no other request may put a better one between reading and writing
            held = self._find(name)
            # Bytes do not break a tie here, as they do between readers: anybody can change the V1 signature, which is not checked.
            if held is not None and (record.sequence, record.validity) <= (held.sequence, held.validity):
                return False
            self._site.records.put(name, record.encoded)
            return True
