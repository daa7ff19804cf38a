"""The REST API of an IPFS Cluster's peer, as far as dcat needs it: identity, peers, pins of one CID.

A cluster's answer to a pin says that the wish was recorded, not that any node keeps the content: only the state of each peer does
(`ClusterClient.replicas`). Not used: ``/add`` (each of its failures is a 200 with an empty body), lists of all pins (89 bytes and
more for each), ``/ipfs/gc`` (it collects on every node).
Source: ipfs-cluster 1.1.6, api/rest and api/types.go, and what was measured with that version.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from catalog import limits
from catalog.clients.http import HttpClient
from catalog.clients.proxy import Proxies, is_this_machine
from catalog.clients.timeouts import Timeouts
from catalog.clients.url import origin_of
from catalog.errors import UnavailableError
from catalog.ipld.cid import Cid

if TYPE_CHECKING:
    from catalog.clients.authorities import Authorities

PINNED: Final = "pinned"
FAILED: Final = frozenset({"pin_error", "cluster_error", "unpin_error", "error", "unexpectedly_unpinned"})
_ANSWERS: Final = (200, 201, 202, 204, 400, 401, 403, 404, 405, 409, 500, 501)
_JSON: Final = "application/json"
_MAX_WORDS: Final = 300


class ClusterRefusalError(UnavailableError):
    """The cluster answered a request with an error; ``text`` is its message."""

    def __init__(self, name: str, request: str, text: str) -> None:
        super().__init__(f"the cluster at {name} refuses {request}", why=text)
        self.text = text


@dataclass(frozen=True, slots=True)
class ClusterIdentity:
    """The peer that was asked: its ID, version, the ID of its Kubo node (empty: it has none now), and all peers that it knows."""

    id: str
    version: str
    node: str
    peers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClusterPeer:
    """A peer of the cluster and the ID of its Kubo node. ``error`` says why it, or its node, cannot be reached."""

    id: str
    name: str
    node: str
    error: str


@dataclass(frozen=True, slots=True)
class Allocation:
    """The peers that should keep a pin, and how many were asked for."""

    peers: tuple[str, ...]
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Replica:
    """What one peer says of a pin: its ``state`` in the cluster's words, the ID of its node, an error."""

    name: str
    node: str
    state: str
    error: str


@dataclass(frozen=True, slots=True)
class Replicas:
    """What all peers say of a pin, by their IDs."""

    by_peer: Mapping[str, Replica] = field(default_factory=dict)

    @property
    def pinned(self) -> int:
        """The number of nodes that keep the content; two peers of one node keep it once."""
        return len({replica.node or peer for peer, replica in self.by_peer.items() if replica.state == PINNED})

    @property
    def failures(self) -> tuple[str, ...]:
        """What the peers say that tried and failed."""
        return tuple(
            f"{replica.name}: {replica.state}" + (f" ({replica.error})" if replica.error else "")
            for replica in self.by_peer.values()
            if replica.state in FAILED
        )

    @property
    def is_settled(self) -> bool:
        """Whether no peer is still at work on it."""
        return not any(replica.state in {"pinning", "pin_queued", "queued"} for replica in self.by_peer.values())

    def keeps(self, peer: str) -> bool:
        """Return whether this peer's node keeps the content."""
        return peer in self.by_peer and self.by_peer[peer].state == PINNED


class ClusterClient:
    """A peer of a cluster, by the URL of its REST API (``http://127.0.0.1:9094``). All methods raise `UnavailableError`.

    A token file with ``USER:PASSWORD`` is sent as Basic, anything else as Bearer. ``is_exposed`` says that it goes to another
    machine without encryption.
    """

    def __init__(
        self,
        url: str,
        *,
        token_file: Path | None = None,
        ca_file: Path | None = None,
        timeouts: Timeouts | None = None,
        proxies: Proxies | None = None,
        authorities: "Authorities | None" = None,
    ) -> None:
        self._http = HttpClient(
            url,
            token_file=token_file,
            ca_file=ca_file,
            timeouts=timeouts,
            proxies=proxies,
            authorities=authorities,
            basic_logins=True,
        )
        self.url = self._http.url
        self.name = self._http.name
        self.timeouts = self._http.timeouts
        origin = origin_of(self.url)
        self.is_exposed = token_file is not None and origin.scheme == "http" and not is_this_machine(origin.host)

    def identity(self) -> ClusterIdentity:
        """Return who answers; raise `UnavailableError` where that is not a cluster's REST API."""
        found = self._ask("GET", "/id", what="/id")
        if not isinstance(found, dict) or not isinstance(found.get("cluster_peers"), list):
            raise UnavailableError(
                f"{self.name} is not the REST API of an IPFS Cluster",
                why="its answer to /id does not name the peers of a cluster",
                hint="the REST API has port 9094 by default; 9095 is the proxy, 9097 the pinning service, 5001 Kubo's RPC",
            )
        node = found.get("ipfs")
        return ClusterIdentity(
            id=_text(found, "id"),
            version=_text(found, "version"),
            node=_text(node, "id") if isinstance(node, dict) and not node.get("error") else "",
            peers=tuple(peer for peer in found["cluster_peers"] if isinstance(peer, str)),
        )

    def peers(self) -> list[ClusterPeer]:
        """Return all peers; those that cannot be reached carry an error."""
        found = []
        for entry in self._list("GET", "/peers"):
            node = entry.get("ipfs")
            node = node if isinstance(node, dict) else {}
            error = _text(entry, "error") or _text(node, "error")
            found.append(ClusterPeer(_text(entry, "id"), _text(entry, "peername"), _text(node, "id"), error))
        return found

    def free_space(self) -> dict[str, int]:
        """Return the bytes that each peer's node has free, by the peer's ID; only of peers that reported lately."""
        return {
            _text(metric, "peer"): int(metric["value"])
            for metric in self._list("GET", "/monitor/metrics/freespace")
            if metric.get("valid") is True and str(metric.get("value", "")).isdecimal()
        }

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
        found = self._ask("GET", f"/allocations/{cid}", what="an allocation", absent=None)
        if not isinstance(found, dict):
            return None
        peers = found.get("allocations")
        return Allocation(
            peers=tuple(peer for peer in peers if isinstance(peer, str)) if isinstance(peers, list) else (),
            least=_number(found, "replication_factor_min"),
            most=_number(found, "replication_factor_max"),
        )

    def replicas(self, cid: Cid, *, local: bool = False) -> Replicas:
        """Return what each peer says of ``cid``, which need not be pinned; with ``local``, what the asked one says of itself.

        Raise `SourceTimeoutError` where a peer keeps the asked one waiting.
        """
        query = {"local": "true"} if local else {}
        found = self._ask("GET", f"/pins/{cid}", query, what="the state of a pin", absent={})
        peers = found.get("peer_map") if isinstance(found, dict) else None
        return Replicas(
            {
                peer: Replica(
                    _text(entry, "peername") or peer, _text(entry, "ipfs_peer_id"), _text(entry, "status"), _text(entry, "error")
                )
                for peer, entry in (peers.items() if isinstance(peers, dict) else ())
                if isinstance(entry, dict)
            }
        )

    def recover(self, cid: Cid) -> None:
        """Have peers that failed to pin ``cid`` try again."""
        self._ask("POST", f"/pins/{cid}/recover", what="a recovery", absent=None)

    def unpin(self, cid: Cid) -> None:
        """Let all peers release ``cid``; no error where it is not pinned."""
        self._ask("DELETE", f"/pins/{cid}", what="an unpin", absent=None)

    def close(self) -> None:
        """Abort all requests and close the connections."""
        self._http.close()

    def _list(self, method: str, path: str) -> list[dict[str, Any]]:
        """Return the objects of an answer that is one JSON array, or one object a line."""
        values = list(self._request(method, path, {}, what=path))
        if len(values) == 1 and isinstance(values[0], list):
            values = values[0]
        return [value for value in values if isinstance(value, dict)]

    def _ask(self, method: str, path: str, query: Mapping[str, str] | None = None, *, what: str, absent: Any = ...) -> Any:
        """Return the one JSON value of an answer. ``absent`` is returned for a 404; without it, that is an error."""
        values = list(self._request(method, path, query or {}, what=what, absent=absent))
        if not values and method != "DELETE":
            raise UnavailableError(f"the cluster at {self.name} answered {what} with nothing", why="its answer is empty")
        return values[0] if values else None

    def _request(self, method: str, path: str, query: Mapping[str, str], *, what: str, absent: Any = ...) -> Iterator[Any]:
        try:
            body = b"" if method == "POST" else None
            response = self._http.open(method, path, query=query.items(), accept=_JSON, answers=_ANSWERS, body=body)
        except UnavailableError as error:
            why = f"{error.message}: {error.why}" if error.why else error.message
            hint = "is the cluster's peer running, and is this the address of its REST API?"
            raise type(error)(f"the cluster at {self.name} cannot be used", why=why, hint=error.hint or hint) from error
        with response:
            reply = response.read_all(limits.MAX_CLUSTER_REPLY)
            if response.status in {401, 403}:
                hint = "name a file with USER:PASSWORD, or with a token from POST /token"
                raise UnavailableError(f"the cluster at {self.name} denies access", why=_read_error(reply), hint=hint)
            if response.status == 404 and absent is not ...:
                yield absent
                return
            if response.status >= 400:
                raise ClusterRefusalError(self.name, what, _read_error(reply) or f"it answered {response.status}")
            for line in reply.splitlines():
                if line.strip():
                    try:
                        yield json.loads(line)
                    except (ValueError, RecursionError) as error:
                        raise UnavailableError(
                            f"{self.name} is not the REST API of an IPFS Cluster", why=f"its answer to {what} is not JSON"
                        ) from error


def _read_error(body: bytes) -> str:
    """Return the message of an error, which is ``{"code", "message"}``, or text of a host on the way."""
    try:
        found = json.loads(body)
        text = str(found["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        text = body.decode(errors="replace")
    return " ".join(text[:_MAX_WORDS].split())


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    return " ".join(value[:_MAX_WORDS].split()) if isinstance(value, str) else ""


def _number(entry: Mapping[str, Any], key: str) -> int:
    value = entry.get(key)
    return value if isinstance(value, int) else 0
