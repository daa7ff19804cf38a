"""``/ipns/<name>[/path]``: the record of a name, and what the name leads to: the snapshot that this home shows, and paths below it.

The snapshot is the one whose releases the home shows everywhere: a record that was offered to this server, or a suspicious one, has
no effect before a sync accepted it. What a name leads to changes, so answers are cached for as long as the record states.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from catalog.errors import InvalidIpnsNameError
from catalog.ipld.cid import Cid
from catalog.ipns.name import IpnsName, parse_ipns_name
from catalog.ipns.record import check_record
from catalog.ipns.validity import SECOND
from catalog.server.gateway.negotiation import UnsupportedError, negotiate
from catalog.server.gateway.routes import Gateway, split_path
from catalog.server.response.answers import refuse
from catalog.server.response.headers import record_headers
from catalog.server.response.streaming import Workers
from catalog.server.routing.records import SHORTLY, RecordRoutes
from catalog.server.site.site import Site
from catalog.sources.protocol import GATEWAY_NAME_PATH


class NameRoutes:
    """The handler of ``/ipns``."""

    def __init__(self, site: Site, workers: Workers, gateway: Gateway, records: RecordRoutes) -> None:
        self._site = site
        self._workers = workers
        self._gateway = gateway
        self._records = records

    def routes(self) -> list[Route]:
        return [Route(path, self.answer, methods=["GET"]) for path in (GATEWAY_NAME_PATH, f"{GATEWAY_NAME_PATH}/{{path:path}}")]

    async def answer(self, request: Request) -> Response:
        _, path = split_path(request, "/ipns/")
        try:
            name = parse_ipns_name(request.path_params["name"])
            form = negotiate(request.query_params, request.headers.get("accept", ""))
            if form.format == "ipns-record":
                if path.strip(b"/"):
                    raise UnsupportedError(400, "a record has no path: ask for it by the name alone")
                return await self._records.answer(request, name)
        except UnsupportedError as error:
            return refuse(error.status, error.why)
        except InvalidIpnsNameError:
            return refuse(400, "not an IPNS name")
        snapshot, lifetime = await self._workers.run(self._resolve, name)
        if snapshot is None:
            return refuse(404, "no catalogue of that name is held here", SHORTLY)
        return await self._gateway.send(request, snapshot, path, form, lifetime)

    def _resolve(self, name: IpnsName) -> tuple[Cid | None, dict[str, str]]:
        """Return the snapshot of a name, and headers that say for how long it is the name's."""
        snapshot = self._site.records.snapshot(name)
        encoded = self._site.records.get(name)
        if encoded is not None:
            record = check_record(name, encoded)
            if record.value == b"/ipfs/%s" % str(snapshot).encode():
                return snapshot, record_headers(record.ttl // SECOND, record.expires, self._site.now())
        return snapshot, {"cache-control": "no-cache"}
