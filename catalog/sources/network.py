"""What a command may reach beyond its home: the configured sources and the Kubo node, for blocks and records.

There are no default sources: without a setting nobody is asked and nothing leaves this machine.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from catalog.clients.timeouts import Timeouts

if TYPE_CHECKING:  # most commands have no network, and these take as long to import as a small publish takes to read its image
    from catalog.clients.authorities import Authorities
    from catalog.clients.cluster import ClusterClient
    from catalog.clients.http import HttpClient
    from catalog.clients.kubo import KuboClient
    from catalog.clients.pinning import PinningClient
    from catalog.clients.proxy import Proxies
    from catalog.ipns.name import IpnsName
    from catalog.sources.bundle import BundleSource
    from catalog.sources.records import Answer, NamedRouting
    from catalog.sources.store import RemoteSource


@dataclass(frozen=True, slots=True)
class SourceSetting:
    """The URL of a source and its credentials; ``catalogue`` is the IPNS name of the one that it was named for, if any."""

    url: str
    token_file: Path | None = None
    ca_file: Path | None = None
    catalogue: str | None = None


@dataclass(frozen=True, slots=True)
class KuboSetting:
    """The RPC of a Kubo node. ``public``: the user confirmed what becomes public through it (docs/safety.md, A16)."""

    url: str
    token_file: Path | None = None
    public: bool = False


@dataclass(frozen=True, slots=True)
class ReplicaRule:
    """In how many nodes of a cluster the own catalogue is kept: at least, and at most."""

    least: int = 2
    most: int = 3


@dataclass(frozen=True, slots=True)
class ClusterSetting:
    """The REST API of an IPFS Cluster's peer, its credentials, and how many replicas are wanted."""

    url: str
    token_file: Path | None = None
    ca_file: Path | None = None
    rule: ReplicaRule = ReplicaRule()


@dataclass(frozen=True, slots=True)
class PinningSetting:
    """A pinning service, by the name that the user gave it, and its credentials."""

    name: str
    url: str
    token_file: Path | None = None
    ca_file: Path | None = None


@dataclass(frozen=True)
class Network:
    """All sources that may be asked. Use it as a context manager: leaving it aborts requests and closes connections.

    ``kubo`` is the node through which the own catalogue is shared, ``kubo_public`` whether that was confirmed. ``offline`` means
    that the network was forbidden, which messages distinguish from having no source.

    ``cluster`` keeps what is put into ``kubo`` in several nodes, as ``rule`` says, and pinning ``services`` a copy of it each.

    ``tied`` are the catalogues of sources that were named for one, by the name of the source. Such a source learns names and CIDs
    of another catalogue only where the other sources cannot help (docs/safety.md, A22).
    """

    sources: "tuple[RemoteSource, ...]" = ()
    routings: "tuple[NamedRouting, ...]" = ()
    kubo: "KuboClient | None" = None
    kubo_public: bool = False
    cluster: "ClusterClient | None" = None
    rule: ReplicaRule = ReplicaRule()
    services: "tuple[PinningClient, ...]" = ()
    offline: bool = False
    clients: "tuple[HttpClient, ...]" = ()
    bundles: "tuple[BundleSource, ...]" = ()
    timeouts: Timeouts = field(default_factory=Timeouts)
    tied: Mapping[str, str] = field(default_factory=dict)

    def is_foreign(self, source: str, catalogue: str | None) -> bool:
        """Return whether the source of this name was named for another catalogue than ``catalogue``."""
        return catalogue is not None and self.tied.get(source, catalogue) != catalogue

    def ask_records(self, name: "IpnsName", now: datetime, *, budget: float | None = None) -> "list[Answer]":
        """Ask for the record of a name, as `ask_routings` does; sources of other catalogues only where no one else has it."""
        from catalog.sources.records import ask_routings

        seconds = self.timeouts.budget if budget is None else budget
        near = [routing for routing in self.routings if not self.is_foreign(routing.name, str(name))]
        answers = ask_routings(near, name, now, budget=seconds)
        if any(answer.record is not None for answer in answers):
            return answers
        far = [routing for routing in self.routings if routing not in near]
        return answers + (ask_routings(far, name, now, budget=seconds) if far else [])

    def close(self) -> None:
        """Abort all requests, and close all connections and files."""
        for source in self.sources:
            source.close()
        for client in self.clients:
            client.close()
        if self.kubo is not None:
            self.kubo.close()
        if self.cluster is not None:
            self.cluster.close()
        for service in self.services:
            service.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def open_network(
    sources: Iterable[SourceSetting],
    kubo: KuboSetting | None = None,
    *,
    cluster: ClusterSetting | None = None,
    services: Iterable[PinningSetting] = (),
    timeouts: Timeouts | None = None,
    proxies: "Proxies | None" = None,
    authorities: "Authorities | None" = None,
) -> Network:
    """Create the clients, without a request. Two settings with one URL are one source."""
    by_url = {source.url: source for source in reversed(list(sources))}
    limits = timeouts or Timeouts()
    pinned_by = list(services)
    if not by_url and kubo is None and cluster is None and not pinned_by:
        return Network(timeouts=limits)
    from catalog.clients.cluster import ClusterClient
    from catalog.clients.http import HttpClient
    from catalog.clients.kubo import KuboClient
    from catalog.clients.pinning import PinningClient, service_timeouts
    from catalog.sources.http import HttpBlockSource
    from catalog.sources.http_records import HttpRouting
    from catalog.sources.kubo import KuboBlockstore, KuboRouting

    connect = partial(HttpClient, timeouts=limits, proxies=proxies, authorities=authorities)
    clients = tuple(
        connect(source.url, token_file=source.token_file, ca_file=source.ca_file) for source in reversed(by_url.values())
    )
    block_sources: list[RemoteSource] = [HttpBlockSource(client) for client in clients]
    routings: list[NamedRouting] = [HttpRouting(client) for client in clients]
    node = peer = None
    if kubo is not None:
        node = KuboClient(connect(kubo.url, token_file=kubo.token_file))
        block_sources.append(KuboBlockstore(node, offline=False))
        routings.append(KuboRouting(node))
    connect = partial(connect, basic_logins=True)
    if cluster is not None:
        peer = ClusterClient(connect(cluster.url, token_file=cluster.token_file, ca_file=cluster.ca_file))
    connect = partial(connect, timeouts=service_timeouts(limits))
    return Network(
        tuple(block_sources),
        tuple(routings),
        node,
        kubo is not None and kubo.public,
        peer,
        cluster.rule if cluster is not None else ReplicaRule(),
        tuple(
            PinningClient(service.name, connect(service.url, token_file=service.token_file, ca_file=service.ca_file))
            for service in pinned_by
        ),
        clients=clients,
        timeouts=limits,
        tied={client.name: by_url[client.url].catalogue or "" for client in clients if by_url[client.url].catalogue},
    )


def with_bundle(network: Network, bundle: "BundleSource") -> Network:
    """Return the network with a bundle as its first source; it is closed with the network."""
    from catalog.sources.bundle import BundleRouting

    return replace(
        network,
        sources=(bundle, *network.sources),
        routings=(BundleRouting(bundle), *network.routings),
        bundles=(bundle, *network.bundles),
    )


NO_NETWORK = Network(offline=True)
"""The network of commands that were told to stay offline."""
