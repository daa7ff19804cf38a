"""Where the own catalogue is kept beside this home: a Kubo node by itself, or an IPFS Cluster by one of its nodes.

What this home knows of a place is kept under its key. That of a node is its URL. That of a cluster is the ID of the first of its
peers that was ever met, since each of its peers, by any URL, is the same place: its content is found from every node of it.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from catalog.clients.kubo import KuboClient
from catalog.errors import BlockNotFoundError, SourceTimeoutError, UnavailableError
from catalog.home.home import Home
from catalog.ipld.block import Blockstore
from catalog.ipld.cid import Cid
from catalog.sources.kubo import KuboBlockstore
from catalog.trust.store import get_note, put_note

if TYPE_CHECKING:
    from catalog.clients.cluster import ClusterClient
    from catalog.sources.network import Network

_CLUSTERS = "clusters"
_FRUITLESS_SEARCHES = 2


@dataclass(frozen=True, slots=True)
class Place:
    """A node, the cluster that it belongs to if any, and the peer of that whose node it is (``near``).

    ``blocks`` are those that the node holds; with a cluster, it is asked to fetch what only others of the cluster hold.
    """

    key: str
    node: KuboClient
    blocks: Blockstore
    cluster: "ClusterClient | None" = None
    near: str = ""

    @property
    def name(self) -> str:
        """The host of the node, for messages."""
        return self.node.name


def open_place(home: Home, network: "Network") -> Place | None:
    """Return the configured place; None without a Kubo node.

    A node by itself is not asked. Raise `UnavailableError` where the cluster or its node cannot be reached, or where the node of
    the cluster's peer is not the configured one: the cluster would take pins off it.
    """
    node, cluster = network.kubo, network.cluster
    if node is None:
        return None
    if cluster is None:
        return Place(node.url, node, KuboBlockstore(node))
    identity = cluster.identity()
    if not identity.node:
        raise UnavailableError(
            f"the cluster's peer at {cluster.name} has no Kubo node now", why="it does not reach its own node", hint="start it"
        )
    if (found := node.identity()) != identity.node:
        raise UnavailableError(
            f"the cluster's peer at {cluster.name} and the Kubo node at {node.name} do not belong together",
            why=f"the peer's node is {identity.node}, the configured one is {found}",
            hint="name the RPC of the peer's own node, or the peer of this node",
        )
    node.refuse_proxy()
    key = _recognise(home, cluster.url, {identity.id, *identity.peers})
    return Place(key, node, _ClusterBlocks(node), cluster, identity.id)


def known_place(home: Home, kubo: str, cluster: str) -> str:
    """Return the key of the place at these URLs, as far as it is known without asking; empty for none."""
    if not kubo or not cluster:
        return kubo
    with home.trust.read() as connection:
        clusters = _read(get_note(connection, _CLUSTERS))
    return next((key for key, entry in clusters.items() if cluster in entry["urls"]), f"cluster at {cluster}")


def describe_place(key: str) -> str:
    """Return what a place is called in messages."""
    return f"the IPFS {key}" if key.startswith("cluster ") else f"the Kubo node at {key}"


def _recognise(home: Home, url: str, peers: set[str]) -> str:
    """Return the key of the cluster with these peers, and remember who they are now."""
    with home.trust.write() as connection:
        clusters = _read(get_note(connection, _CLUSTERS))
        before = json.dumps(clusters)
        found = [key for key, entry in clusters.items() if peers.intersection(entry["peers"])]
        key = found[0] if found else f"cluster {min(peers)}"
        for entry in clusters.values():
            entry["urls"] = [known for known in entry["urls"] if known != url]
        urls = clusters.get(key, {"urls": []})["urls"]
        clusters[key] = {"peers": sorted(peers), "urls": sorted({*urls, url})}
        if json.dumps(clusters) != before:
            put_note(connection, _CLUSTERS, json.dumps(clusters))
    return key


def _read(text: str | None) -> dict[str, dict[str, list[str]]]:
    return dict(json.loads(text)) if text else {}


class _ClusterBlocks(KuboBlockstore):
    """The blocks of a cluster, by one of its nodes: what the node lacks it fetches from the others, as far as they answer."""

    def __init__(self, client: KuboClient) -> None:
        super().__init__(client, offline=False)
        self._client = client

    def get(self, cid: Cid) -> bytes:
        try:
            return super().get(cid)
        except SourceTimeoutError as error:
            raise BlockNotFoundError(error.message, why=error.why) from error

    def missing(self, cids: Iterable[Cid]) -> list[Cid]:
        absent = super().missing(cids)
        pending = iter(absent)
        fruitless = 0
        while fruitless < _FRUITLESS_SEARCHES and (some := list(islice(pending, self.batch))):
            with suppress(UnavailableError):
                for _ in self._client.gather_blocks(some):
                    pass
            fruitless += len(super().missing(some)) == len(some)
        return super().missing(absent) if absent else []
