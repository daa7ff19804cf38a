"""The REST API of an IPFS Cluster's peer, as far as dcat needs it: identity, peers, pins of one CID.

A cluster's answer to a pin says that the wish was recorded, not that any node keeps the content: only the state of each peer does
(`ClusterClient.replicas`). Not used: ``/add`` (each of its failures is a 200 with an empty body), lists of all pins (89 bytes and
more for each), ``/ipfs/gc`` (it collects on every node).
Source: ipfs-cluster 1.1.6, api/rest and api/types.go, and what was measured with that version.
"""

from collections.abc import Mapping
from typing import Any, Final

from catalog import limits
from catalog.clients import cluster_reply as reply
from catalog.clients.cluster_reply import Allocation, ClusterIdentity, ClusterPeer, Replicas
from catalog.clients.http import HttpClient
from catalog.errors import UnavailableError
from catalog.ipld.cid import Cid

_ANSWERS: Final = (200, 201, 202, 204, 400, 401, 403, 404, 405, 409, 500, 501)
_JSON: Final = "application/json"


class ClusterRefusalError(UnavailableError):
    """The cluster answered a request with an error; ``text`` is its message."""

    def __init__(self, name: str, request: str, text: str) -> None:
        super().__init__(f"the cluster at {name} refuses {request}", why=text)
        self.text = text


class ClusterClient:
    """A peer of a cluster, by a client of its REST API (``http://127.0.0.1:9094``), with ``basic_logins``.

    ``is_exposed`` says that the login goes to another machine without encryption. All methods raise `UnavailableError`.
    """

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self.url = http.url
        self.name = http.name
        self.timeouts = http.timeouts
        self.is_exposed = http.exposes_login

    def identity(self) -> ClusterIdentity:
        """Return who answers; raise `UnavailableError` where that is not a cluster's REST API."""
        found = reply.read_identity(self._ask("GET", "/id", what="/id"))
        if found is None:
            raise UnavailableError(
                f"{self.name} is not the REST API of an IPFS Cluster",
                why="its answer to /id does not name the peers of a cluster",
                hint="the REST API has port 9094 by default; 9095 is the proxy, 9097 the pinning service, 5001 Kubo's RPC",
            )
        return found

    def peers(self) -> list[ClusterPeer]:
        """Return all peers; those that cannot be reached carry an error."""
        return reply.read_peers(self._request("GET", "/peers", {}, what="/peers"))

    def free_space(self) -> dict[str, int]:
        """Return the bytes that each peer's node has free, by the peer's ID; only of peers that reported lately."""
        path = "/monitor/metrics/freespace"
        return reply.read_free_space(self._request("GET", path, {}, what=path))

    def pin(self, cid: Cid, name: str, *, least: int, most: int, near: str) -> None:
        """Have ``least`` to ``most`` peers keep the DAG under ``cid``, the peer ``near`` among them.

        Pinning again is no error and allocates anew where replicas are missing. Raise `ClusterRefusalError` where too few peers
        are alive.
        """
        query = {"name": name, "replication-min": str(least), "replication-max": str(most), "user-allocations": near}
        self._ask("POST", f"/pins/{cid}", query, what="the pin")

    def move_pin(self, old: Cid, new: Cid, name: str) -> None:
        """Have the peers of ``old`` keep ``new`` too: they fetch only what differs. ``old`` stays pinned."""
        self._ask("POST", f"/pins/{new}", {"name": name, "pin-update": str(old)}, what="the pin")

    def allocation(self, cid: Cid) -> Allocation | None:
        """Return the peers that should keep ``cid``; None where it is not pinned (with batching: for about 1 s after a pin)."""
        return reply.read_allocation(self._ask("GET", f"/allocations/{cid}", what="an allocation", absent=None))

    def replicas(self, cid: Cid, *, local: bool = False) -> Replicas:
        """Return what each peer says of ``cid``, which need not be pinned; with ``local``, what the asked one says of itself.

        Raise `SourceTimeoutError` where a peer keeps the asked one waiting.
        """
        query = {"local": "true"} if local else {}
        return reply.read_replicas(self._ask("GET", f"/pins/{cid}", query, what="the state of a pin", absent={}))

    def recover(self, cid: Cid) -> None:
        """Have peers that failed to pin ``cid`` try again."""
        self._ask("POST", f"/pins/{cid}/recover", what="a recovery", absent=None)

    def unpin(self, cid: Cid) -> None:
        """Let all peers release ``cid``; no error where it is not pinned."""
        self._ask("DELETE", f"/pins/{cid}", what="an unpin", absent=None)

    def close(self) -> None:
        """Abort all requests and close the connections."""
        self._http.close()

    def _ask(self, method: str, path: str, query: Mapping[str, str] | None = None, *, what: str, absent: Any = ...) -> Any:
        """Return the one JSON value of an answer. ``absent`` is returned for a 404; without it, that is an error."""
        values = self._request(method, path, query or {}, what=what, absent=absent)
        if not values and method != "DELETE":
            raise UnavailableError(f"the cluster at {self.name} answered {what} with nothing", why="its answer is empty")
        return values[0] if values else None

    def _request(self, method: str, path: str, query: Mapping[str, str], *, what: str, absent: Any = ...) -> list[Any]:
        """Return the JSON values of an answer, one a line."""
        try:
            body = b"" if method == "POST" else None
            response = self._http.open(method, path, query=query.items(), accept=_JSON, answers=_ANSWERS, body=body)
        except UnavailableError as error:
            why = f"{error.message}: {error.why}" if error.why else error.message
            hint = "is the cluster's peer running, and is this the address of its REST API?"
            raise type(error)(f"the cluster at {self.name} cannot be used", why=why, hint=error.hint or hint) from error
        with response:
            data = response.read_all(limits.MAX_CLUSTER_REPLY)
            if response.status in {401, 403}:
                hint = "name a file with USER:PASSWORD, or with a token from POST /token"
                raise UnavailableError(f"the cluster at {self.name} denies access", why=reply.read_error(data), hint=hint)
            if response.status == 404 and absent is not ...:
                return [absent]
            if response.status >= 400:
                raise ClusterRefusalError(self.name, what, reply.read_error(data) or f"it answered {response.status}")
        try:
            return reply.read_values(data)
        except ValueError as error:
            raise UnavailableError(
                f"{self.name} is not the REST API of an IPFS Cluster", why=f"its answer to {what} is not JSON"
            ) from error
