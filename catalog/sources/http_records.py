"""Records over HTTP: from a dcat server, a trustless gateway, a delegated router or a host of plain files.

The first answer shows whether a server is a router; if not, it is asked as a gateway. A record is returned as it came.
Sources: ipfs/specs, routing/http-routing-v1.md and http-gateways/trustless-gateway.md; docs/formats/http.md.
"""

from catalog.clients.http import HttpClient
from catalog.errors import UnavailableError
from catalog.ipns.name import IpnsName
from catalog.limits import MAX_RECORD_SIZE
from catalog.sources.protocol import RECORD_TYPE, gateway_name_path, record_path

_NO_RECORD = (404, 410)
_NO_RECORD_TYPES = ("text/plain", "application/json", "")  # with a 200; an HTML page for people is an error
_FILE_TYPES = ("application/octet-stream", "binary/octet-stream")  # of a static catalogue: not every host can be told the type
_RECORD_BEGINS = b"\x0a"  # the tag of its first field: text that says why there is none does not begin with it
_NO_ROUTER = (400, 405, 406, 501)


class HttpRouting:
    """The records of a dcat server, a gateway or a delegated router."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self.name = client.name
        self._is_router: bool | None = None

    def get(self, name: IpnsName) -> bytes | None:
        """Return the server's record, not validated, or None."""
        if self._is_router is not False:
            record = self._ask_router(name)
            if record is not None or self._is_router:
                return record
        return self._ask_gateway(name)

    def put(self, name: IpnsName, record: bytes) -> None:
        """Offer ``record``; raise `UnavailableError` where the server does not take records of this name."""
        with self._client.open("PUT", record_path(name), body=record, content_type=RECORD_TYPE, answers=(200, 202, 204)):
            return

    def _ask_router(self, name: IpnsName) -> bytes | None:
        with self._client.open("GET", record_path(name), accept=RECORD_TYPE, answers=(200, *_NO_RECORD, *_NO_ROUTER)) as response:
            if response.status == 200:
                self._is_router = True
                if response.media_type in _NO_RECORD_TYPES:
                    data = response.read_all(MAX_RECORD_SIZE)
                    return data if data.startswith(_RECORD_BEGINS) else None
                self._is_router = None
                response.require_media_type(RECORD_TYPE, *_FILE_TYPES)
                self._is_router = True
                return response.read_all(MAX_RECORD_SIZE)
            if response.status in _NO_ROUTER:
                self._is_router = False
            return None

    def _ask_gateway(self, name: IpnsName) -> bytes | None:
        query = (("format", "ipns-record"),)
        answers = (200, *_NO_RECORD, *_NO_ROUTER)
        with self._client.open("GET", gateway_name_path(name), query=query, accept=RECORD_TYPE, answers=answers) as response:
            if response.status in _NO_RECORD:
                return None
            if response.status != 200:
                raise UnavailableError(f"{self.name} has no records", why=f"it answers {response.status}")
            if self._is_router is None:
                self._is_router = False
            response.require_media_type(RECORD_TYPE)
            return response.read_all(MAX_RECORD_SIZE)
