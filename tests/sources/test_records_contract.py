"""The contract of routings over files, over HTTP to a dcat server, and over a Kubo node's two ways."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.clients.http import HttpClient
from catalog.clients.kubo import KuboClient
from catalog.home.home import open_home
from catalog.home.records import LocalRouting
from catalog.ipns.key import IpnsKey, create_key
from catalog.sources.http_records import HttpRouting
from catalog.sources.kubo import KuboRouting
from catalog.trust.ownership import follow
from tests.compat.kubo import KuboNode
from tests.contracts.routing import RoutingContract
from tests.factory.times import NOW
from tests.fakes.served_home import served_home


class TestLocalRouting(RoutingContract):
    @pytest.fixture
    def routing(self, tmp_path: Path) -> LocalRouting:
        return LocalRouting(tmp_path / "records")


class TestHttpRouting(RoutingContract):
    """A dcat server takes records of the names that its home follows."""

    @pytest.fixture
    def key(self) -> IpnsKey:
        return create_key()

    @pytest.fixture
    def routing(self, tmp_path: Path, key: IpnsKey) -> Iterator[HttpRouting]:
        with open_home(tmp_path / "home", now=NOW) as home, home.trust.write() as connection:
            follow(connection, str(key.name), "followed", home.time)
        with served_home(tmp_path / "home") as url:
            client = HttpClient(url)
            yield HttpRouting(client)
            client.close()


class TestKuboRouting(RoutingContract):
    @pytest.fixture
    def routing(self, kubo: KuboNode) -> Iterator[KuboRouting]:
        client = KuboClient(HttpClient(kubo.url))
        yield KuboRouting(client)
        client.close()


class TestKuboGateway(RoutingContract):
    """A node's gateway answers what the node knows, too, without the rights of its RPC."""

    @pytest.fixture
    def routing(self, kubo: KuboNode) -> Iterator["_ThroughBoth"]:
        rpc, gateway = KuboClient(HttpClient(kubo.url)), HttpClient(kubo.gateway)
        yield _ThroughBoth(rpc, gateway)
        rpc.close()
        gateway.close()


class _ThroughBoth(HttpRouting):
    def __init__(self, rpc: KuboClient, gateway: HttpClient) -> None:
        super().__init__(gateway)
        self.put = KuboRouting(rpc).put  # type: ignore[method-assign]
