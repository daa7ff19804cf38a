"""What the REST API of an IPFS Cluster answers, read without trust: what is missing or of another kind counts as absent.

Pure. Source: ipfs-cluster 1.1.6, api/types.go.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

PINNED: Final = "pinned"
FAILED: Final = frozenset({"pin_error", "cluster_error", "unpin_error", "error", "unexpectedly_unpinned"})
_AT_WORK: Final = frozenset({"pinning", "pin_queued", "queued"})
_MAX_WORDS: Final = 300
_MAX_DIGITS: Final = 18


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
        return not any(replica.state in _AT_WORK for replica in self.by_peer.values())

    def keeps(self, peer: str) -> bool:
        """Return whether this peer's node keeps the content."""
        return peer in self.by_peer and self.by_peer[peer].state == PINNED


def read_values(data: bytes) -> list[Any]:
    """Return the JSON values of an answer, one a line; raise `ValueError` where a line is not JSON."""
    try:
        return [json.loads(line) for line in data.splitlines() if line.strip()]
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def read_identity(value: object) -> ClusterIdentity | None:
    """Return the identity of ``GET /id``; None where it is none of a cluster's peer."""
    if not isinstance(value, dict) or not isinstance(value.get("cluster_peers"), list):
        return None
    node = value.get("ipfs")
    return ClusterIdentity(
        id=_text(value, "id"),
        version=_text(value, "version"),
        node=_text(node, "id") if isinstance(node, dict) and not node.get("error") else "",
        peers=_texts(value["cluster_peers"]),
    )


def read_peers(values: Sequence[Any]) -> list[ClusterPeer]:
    """Return the peers of ``GET /peers``."""
    found = []
    for entry in _objects(values):
        node = entry.get("ipfs")
        node = node if isinstance(node, dict) else {}
        error = _text(entry, "error") or _text(node, "error")
        found.append(ClusterPeer(_text(entry, "id"), _text(entry, "peername"), _text(node, "id"), error))
    return found


def read_free_space(values: Sequence[Any]) -> dict[str, int]:
    """Return the bytes that each peer's node has free, of ``GET /monitor/metrics/freespace``; only those that are valid now."""
    return {
        _text(metric, "peer"): int(value)
        for metric in _objects(values)
        if metric.get("valid") is True and (value := _text(metric, "value")).isdecimal() and len(value) <= _MAX_DIGITS
    }


def read_allocation(value: object) -> Allocation | None:
    """Return the allocation of ``GET /allocations/<cid>``; None where there is none."""
    if not isinstance(value, dict):
        return None
    least, most = _number(value, "replication_factor_min"), _number(value, "replication_factor_max")
    return Allocation(_texts(value.get("allocations")), least, most)


def read_replicas(value: object) -> Replicas:
    """Return what the peers say of a pin, of ``GET /pins/<cid>``."""
    peers = value.get("peer_map") if isinstance(value, dict) else None
    return Replicas(
        {
            peer: Replica(
                _text(entry, "peername") or peer, _text(entry, "ipfs_peer_id"), _text(entry, "status"), _text(entry, "error")
            )
            for peer, entry in (peers.items() if isinstance(peers, dict) else ())
            if isinstance(entry, dict)
        }
    )


def read_error(data: bytes) -> str:
    """Return the message of an error, which is ``{"code", "message"}``, or text of a host on the way."""
    try:
        text = str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        text = data.decode(errors="replace")
    return " ".join(text[:_MAX_WORDS].split())


def _objects(values: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the objects of an answer that is one JSON array, or one object a line."""
    if len(values) == 1 and isinstance(values[0], list):
        values = values[0]
    return [value for value in values if isinstance(value, dict)]


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    return " ".join(value[:_MAX_WORDS].split()) if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(entry for entry in value if isinstance(entry, str)) if isinstance(value, list) else ()


def _number(entry: Mapping[str, Any], key: str) -> int:
    value = entry.get(key)
    return value if isinstance(value, int) else 0
