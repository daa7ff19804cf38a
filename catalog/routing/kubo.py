"""Records through a Kubo node: its DHT and what else it is set up to ask."""

from catalog.clients.kubo import KuboClient
from catalog.ipns.name import IpnsName


class KuboRouting:
    """A Kubo node's routing; slow by nature (a full look-up), so each call has its own time limit in seconds.

    ``allow_offline`` lets a node without peers keep a record for itself.
    """

    def __init__(self, client: KuboClient, *, timeout: float = 60.0, allow_offline: bool = True, name: str = "kubo") -> None:
        self._client = client
        self._timeout = timeout
        self._allow_offline = allow_offline
        self.name = name

    def get(self, name: IpnsName) -> bytes | None:
        """Give the record that the node finds, unvalidated, or None; raise `UnavailableError` where it cannot be asked."""
        return self._client.get_record(str(name), timeout=self._timeout)

    def put(self, name: IpnsName, record: bytes) -> None:
        """Have the node offer ``record``; where it knows a better one nothing is said."""
        self._client.put_record(str(name), record, allow_offline=self._allow_offline, timeout=self._timeout)
