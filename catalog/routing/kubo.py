"""Records through a Kubo node: its DHT and what else it is set up to ask."""

from catalog.clients.kubo import KuboClient
from catalog.ipns.name import IpnsName


class KuboRouting:
    """A Kubo node's routing; slow by nature (a full look-up), so each call has its own time limit."""

    def __init__(self, client: KuboClient, *, timeout: float = 60.0, allow_offline: bool = True, name: str = "kubo") -> None:
        self._client = client
        self._timeout = timeout
        self._allow_offline = allow_offline
        self.name = name

    def get(self, name: IpnsName) -> bytes | None:
        """Give the record that the node finds, unvalidated, or None."""
        raise NotImplementedError

    def put(self, name: IpnsName, record: bytes) -> None:
        """Have the node offer ``record``."""
        raise NotImplementedError
