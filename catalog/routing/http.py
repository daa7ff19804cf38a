"""Records over HTTP: delegated routing (``/routing/v1/ipns``) and trustless gateways (``?format=ipns-record``)."""

from catalog.clients.http import HttpClient
from catalog.ipns.name import IpnsName


class HttpRouting:
    """A dcat server, a gateway or a delegated router."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self.name = client.name

    def get(self, name: IpnsName) -> bytes | None:
        """Give the record that the server has, unvalidated, or None."""
        raise NotImplementedError

    def put(self, name: IpnsName, record: bytes) -> None:
        """Offer ``record``."""
        raise NotImplementedError
