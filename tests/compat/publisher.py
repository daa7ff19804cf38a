"""A home that shares through a node and its cluster, by the library, with short limits for waiting."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from catalog.clients.docker import Engine
from catalog.clients.timeouts import Timeouts
from catalog.errors import EngineUnavailableError
from catalog.home.home import Home, open_home
from catalog.intake.intake import Wanted
from catalog.operations.publish import publish
from catalog.operations.status import CatalogueStatus, status
from catalog.operations.verify import verify
from catalog.own.share import Shared, Sharing, share_own
from catalog.sources.network import ClusterSetting, KuboSetting, Network, open_network
from tests.compat.cluster import ClusterPeer
from tests.factory.exports import source_of
from tests.factory.images import APP, BASE, make_image
from tests.factory.platforms import HOST
from tests.factory.tars import make_layer

Peers = tuple[ClusterPeer, ...]


def pins(peer: ClusterPeer) -> set[str]:
    """Return the roots that a peer's node pins."""
    return {line.split()[0] for line in peer.kubo.run("pin", "ls", "--type", "recursive").decode().splitlines()}


class Publisher:
    """One home that shares through a peer's node and its cluster, with short limits for waiting."""

    def __init__(self, folder: Path, kubo: str, cluster: str, token_file: Path | None = None, ca_file: Path | None = None) -> None:
        self.path = folder
        self.kubo = kubo
        self.cluster = cluster
        self.token_file = token_file
        self.ca_file = ca_file
        self.patience = 60.0
        self.first_byte = 20.0

    @contextmanager
    def opened(self) -> Iterator[tuple[Home, Network]]:
        kubo = KuboSetting(self.kubo, public=True) if self.kubo else None
        cluster = ClusterSetting(self.cluster, self.token_file, self.ca_file) if self.cluster else None
        timeouts = Timeouts(replicas=self.patience, first_byte=self.first_byte, budget=self.first_byte)
        with (
            open_home(self.path, now=datetime.now(UTC)) as home,
            open_network([], kubo, cluster=cluster, timeouts=timeouts) as network,
        ):
            yield home, network

    def publish(self, version: str) -> Shared:
        """Publish an image of 3 MB that no other version, home or test has."""
        content = make_layer({"data": random.Random(f"{self.path} {version}").randbytes(3_000_000)})
        image = source_of(make_image([BASE, content, APP]))
        with self.opened() as (home, network):
            done = publish(home, "big", version, image, Wanted(HOST), sharing=Sharing(network, deltas=False))
        assert done.shared is not None, done.share_error
        return done.shared

    def sync(self) -> Shared:
        with self.opened() as (home, network):
            shared = share_own(home, network)
        assert shared is not None
        return shared

    def check(self, *, kept: bool = True) -> None:
        """Every block is here or kept by the node, whatever was let go of; by as many nodes as wanted where ``kept``."""
        with self.opened() as (home, network):
            found = verify(home, network=network)
        assert (found.damage, found.unasked, found.kept) == ((), "", kept)

    def status(self) -> CatalogueStatus:
        """Return what the home knows of its own catalogue."""
        with self.opened() as (home, _):
            return status(home, kubo=self.kubo, cluster=self.cluster).catalogues[0]


def at(folder: Path, peer: ClusterPeer) -> Publisher:
    """Return a publisher who uses a peer and its own node."""
    return Publisher(folder, peer.kubo.url, peer.rest)


def wait_until_shared(publisher: Publisher) -> Shared:
    """Share until the cluster has enough replicas; it soon must."""
    deadline = time.monotonic() + 180
    while (shared := publisher.sync()).pending:
        assert time.monotonic() < deadline, shared.pending
    assert shared.targets == ("cluster",)
    return shared


def wait_until(ready: Callable[[], bool]) -> None:
    """Wait for something that happens by itself, three minutes at most."""
    deadline = time.monotonic() + 180
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def no_engine() -> Engine:
    """There is no engine in these tests."""
    raise EngineUnavailableError("no engine")
