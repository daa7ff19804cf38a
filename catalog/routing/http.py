"""Records over HTTP: delegated routing (``/routing/v1/ipns``) and trustless gateways (``?format=ipns-record``).

A server is asked as a router first; one that is none answers with an error, and is asked as a gateway from then on. A router that
knows no record says so with 404, or with 200 and a text.
Sources: ipfs/specs http-routing-v1.md, trustless-gateway.md; boxo routing/http/server.
"""

from catalog.clients.http import HttpClient
from catalog.errors import UnavailableError
from catalog.ipns.name import IpnsName
from catalog.limits import MAX_RECORD_SIZE

RECORD_TYPE = "application/vnd.ipfs.ipns-record"
_NO_RECORD = (404, 410)
_NO_RECORD_TYPES = ("text/plain", "application/json", "")  # behind a 200: a page for people is something else, and is an error
_NO_ROUTER = (400, 405, 406, 501)


class HttpRouting:
    """A dcat server, a gateway or a delegated router."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self.name = client.name
        self._is_router: bool | None = None

    def get(self, name: IpnsName) -> bytes | None:
        """Give the record that the server has, unvalidated, or None."""
        if self._is_router is not False:
            record = self._ask_router(name)
            if record is not None or self._is_router:
                return record
        return self._ask_gateway(name)

    def put(self, name: IpnsName, record: bytes) -> None:
        """Offer ``record``; raise `UnavailableError` where the server takes none of this name."""
        path = f"/routing/v1/ipns/{name}"
        with self._client.open("PUT", path, body=record, content_type=RECORD_TYPE, answers=(200, 202, 204)):
            return

    def _ask_router(self, name: IpnsName) -> bytes | None:
        path = f"/routing/v1/ipns/{name}"
        with self._client.open("GET", path, accept=RECORD_TYPE, answers=(200, *_NO_RECORD, *_NO_ROUTER)) as response:
            if response.status == 200:
                if response.media_type in _NO_RECORD_TYPES:
                    self._is_router = True
                    return None
                response.require_media_type(RECORD_TYPE)
                self._is_router = True
                return response.read_all(MAX_RECORD_SIZE)
            if response.status in _NO_ROUTER:
                self._is_router = False
            return None

    def _ask_gateway(self, name: IpnsName) -> bytes | None:
        query = (("format", "ipns-record"),)
        answers = (200, *_NO_RECORD, *_NO_ROUTER)
        with self._client.open("GET", f"/ipns/{name}", query=query, accept=RECORD_TYPE, answers=answers) as response:
            if response.status in _NO_RECORD:
                return None
            if response.status != 200:
                raise UnavailableError(f"{self.name} gives no records", why=f"it answers {response.status}")
            if self._is_router is None:
                self._is_router = False
            response.require_media_type(RECORD_TYPE)
            return response.read_all(MAX_RECORD_SIZE)
