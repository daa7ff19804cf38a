"""What a Kubo node, and the cluster that it belongs to, say of themselves and of the own catalogue, for a diagnosis."""

from dataclasses import dataclass
from typing import Final

from catalog.clients.cluster_reply import ClusterPeer, Replicas
from catalog.clients.kubo import KuboClient, parse_version
from catalog.clients.kubo_config import announces_nothing, list_third_parties
from catalog.errors import UnavailableError
from catalog.home.home import Home
from catalog.ipld.cid import parse_cid
from catalog.own.nodes import kubo_state, pin_name, replica_state
from catalog.own.places import open_place
from catalog.own.signing import own_name
from catalog.sources.network import Network

LISTS_PINS_BLOCKING: Final = (0, 42, 0)  # before it, `pin ls` waits for every other pin operation


@dataclass(frozen=True, slots=True)
class NodeReport:
    """A Kubo node: its version, and whether that is so old that it lists pins slowly.

    ``root`` is what it was given of the own catalogue, empty for nothing; ``pinned`` says whether it still pins that, ``partial``
    that archives of it lost blocks. ``third_parties`` are hosts of others that the node uses, None if it hides its configuration.
    ``silent`` says that it announces no blocks.
    """

    version: str
    slow: bool
    root: str
    pinned: bool
    partial: bool
    third_parties: tuple[str, ...] | None
    silent: bool


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """A cluster by its near peer: that one's ID and version, its node's ID, all peers, and the bytes that live peers have free.

    ``root`` is what it was given of the own catalogue, empty for nothing, ``replicas`` what its peers say of that. ``batching``
    says whether pins are recorded in batches, None where that was not seen yet.
    """

    id: str
    version: str
    node: str
    peers: tuple[ClusterPeer, ...]
    free: tuple[int, ...]
    root: str
    replicas: Replicas
    batching: bool | None


def inspect_node(home: Home, client: KuboClient, place: str) -> NodeReport:
    """Ask the node; ``place`` is the key under which its state is known.

    Raise `UnavailableError` where it is down, closed, too old, or the proxy of a cluster.
    """
    version = client.version()
    state = kubo_state(home, place)
    root = state.substitute or state.root
    name = own_name(home)
    pins = client.find_pins(pin_name(name) if name is not None else "dcat")  # refused by the proxy of a cluster
    try:
        config = client.read_config()
    except UnavailableError:
        config = None
    return NodeReport(
        version=version,
        slow=parse_version(version) < LISTS_PINS_BLOCKING,
        root=root,
        pinned=bool(root) and (root in pins or client.is_pinned(parse_cid(root))),
        partial=bool(state.substitute),
        third_parties=None if config is None else tuple(list_third_parties(config)),
        silent=config is not None and announces_nothing(config),
    )


def inspect_cluster(home: Home, network: Network) -> ClusterReport:
    """Ask the near peer of the configured cluster.

    Raise `UnavailableError` where it is down, denies access, is no cluster, or does not belong to the configured node.
    """
    place = open_place(home, network)
    if place is None or place.cluster is None:
        raise UnavailableError("no Kubo node is configured", why="a cluster is fed by the node of one of its peers")
    identity = place.cluster.identity()
    state = kubo_state(home, place.key)
    known = replica_state(home, place.key)
    root = state.substitute or state.root
    return ClusterReport(
        id=identity.id,
        version=identity.version,
        node=identity.node,
        peers=tuple(place.cluster.peers()),
        free=tuple(place.cluster.free_space().values()),
        root=root,
        replicas=place.cluster.replicas(parse_cid(root)) if root else Replicas(),
        batching=known.batching,
    )
