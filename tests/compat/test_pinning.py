"""Copies at pinning services: that of an IPFS Cluster, which fetches from the node, and the mock of the IPFS project."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.clients.http import HttpClient
from catalog.clients.kubo import KuboClient
from catalog.clients.pinning import PinningClient, service_timeouts
from catalog.clients.timeouts import Timeouts
from catalog.errors import UnavailableError
from catalog.ipld.cid import DAG_PB, cid_of
from catalog.own.pinning import share_to_services
from catalog.progress import silent
from tests.cli.conftest import dcat, home
from tests.compat.cluster import ClusterPeer
from tests.compat.engines import built_engines
from tests.compat.kubo import KuboNode
from tests.compat.ports import free_port
from tests.compat.publisher import pins, wait_until
from tests.compat.test_cluster import GUIDE
from tests.compat.test_sharing import Dcat, ok
from tests.factory.exports import write_image
from tests.factory.releases import publish_fake
from tests.fakes.homes import open_at, share
from tests.fakes.rest import scripted_api
from tests.needs import lacks

__all__ = ["dcat", "home"]


def use_service(dcat: Dcat, url: str, token: Path | None = None) -> None:
    """Name a pinning service, with the commands of the guide."""
    given = {"https://pinning.example/psa": url, "~/one-token": str(token) if token is not None else ""}
    for line in GUIDE.read_text(encoding="utf-8").splitlines():
        words = line.removeprefix("    dcat ").split()
        if line.startswith("    dcat config set pinning.") and given.get(words[-1]):
            ok(dcat(*words[:-1], given[words[-1]]))


def service_of(dcat: Dcat) -> dict[str, object]:
    (found,) = json.loads(ok(dcat("status", "--json")))["services"]
    assert isinstance(found, dict)
    return found


def share_until_pinned(dcat: Dcat, snapshot: str) -> None:
    """Wait until the service has pinned a snapshot; one share waits for that for 10 s only."""

    def is_pinned() -> bool:
        found = service_of(dcat)
        if (found["state"], found["problem"], found["pinned"]) == ("pinned", None, snapshot):
            return True
        ok(dcat("sync"))
        return False

    wait_until(is_pinned)


def test_a_service_fetches_from_the_node(kubo: KuboNode, cluster: tuple[ClusterPeer, ...], dcat: Dcat, tmp_path: Path) -> None:
    """The node is no part of the cluster: its addresses are what the service finds it by."""
    bob = dcat
    ok(bob("config", "set", "kubo", kubo.url, "--yes"))
    use_service(bob, cluster[0].pinning)
    first = json.loads(ok(bob("publish", "web", "1.0", "--from", write_image(tmp_path / "one.tar", "at a service"), "--json")))
    assert first["shared"]["targets"] == ["kubo"]
    (found,) = first["shared"]["services"]
    assert found["problem"] is None
    share_until_pinned(bob, first["shared"]["snapshot"])
    wait_until(lambda: any(first["shared"]["snapshot"] in pins(peer) for peer in cluster))
    second = json.loads(ok(bob("publish", "web", "1.1", "--from", write_image(tmp_path / "two.tar", "at a service 2"), "--json")))
    new = second["shared"]["snapshot"]
    share_until_pinned(bob, new)
    wait_until(lambda: all({first["shared"]["snapshot"], new} & pins(peer) == {new} for peer in cluster))
    assert "pinned, checked " in ok(bob("status"))
    wait_until(lambda: "pinned" in bob("doctor", "--network").out)

    # One that is down is a warning, and the release is shared nevertheless.
    ok(bob("config", "set", "pinning.one.url", "http://127.0.0.1:9/psa"))
    ran = bob("publish", "web", "1.2", "--from", write_image(tmp_path / "one.tar", "at a service 3"))
    assert "Shared (kubo)" in ran.out + ran.err
    assert "pinning service one: " in ran.err
    assert ran.code == 0


@pytest.fixture
def mock_service(tmp_path: Path) -> Iterator[str]:
    """The mock of the IPFS project, which takes the token "secret"; nothing is fetched, and its delegates are nobody."""
    folder = built_engines("mock-ipfs-pinning-service-*")
    node = shutil.which("node")
    if folder is None or node is None:
        lacks("pinning", "the mock of a pinning service is not installed (.ci/engines installs it)")
    port = free_port()
    program = folder / "node_modules" / "mock-ipfs-pinning-service" / "cli.js"
    delegate = "/ip4/127.0.0.1/tcp/9/p2p/12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq"
    command = [node, str(program), "--port", str(port), "--token", "secret", "--delegates", delegate, "--loglevel", "error"]
    with (tmp_path / "service.log").open("wb") as log:
        process = subprocess.Popen(command, env={"PATH": os.defpath}, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, (tmp_path / "service.log").read_text()
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def test_the_mock_of_the_ipfs_project(mock_service: str, tmp_path: Path) -> None:
    """It derives the state of a pin from its name."""
    token = tmp_path / "token"
    token.write_text("wrong\n", encoding="ascii")
    client = PinningClient(
        "mock", HttpClient(mock_service, token_file=token, timeouts=service_timeouts(Timeouts(service=0.2)), basic_logins=True)
    )
    root, other = cid_of(b"a snapshot", DAG_PB), cid_of(b"another snapshot", DAG_PB)
    with pytest.raises(UnavailableError, match="refuses") as caught:
        client.add(root, "pinned-dcat", [])
    assert "401" in caught.value.why
    token.write_text("secret\n", encoding="ascii")
    assert client.find(root) is None
    made = client.add(root, "pinned-dcat", ["/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq"])
    assert (made.state, made.cid, len(made.delegates)) == ("pinned", str(root), 1)
    assert client.look(made.request) == made
    assert client.find(root) == made
    client.delete(made.request)
    client.delete(made.request)
    assert client.look(made.request) is None

    with scripted_api() as node, open_at(tmp_path / "home") as home:
        node.set("POST /api/v0/id", {"ID": "Q", "Addresses": ["/ip4/127.0.0.1/tcp/4001"]})
        node.set("POST /api/v0/swarm/connect", {"Strings": []})
        publish_fake(home, "web", "1.0")
        record, kubo = share(home).record, KuboClient(HttpClient(node.url))
        (queued,) = share_to_services(home, [client], kubo, root, record, silent)
        assert (queued.state, queued.problem) == ("queued", "")
        (again,) = share_to_services(home, [client], kubo, root, record, silent)
        assert again.request == queued.request
        (newer,) = share_to_services(home, [client], kubo, other, record, silent)
        assert newer.left == (queued.request,)
        assert client.look(queued.request) is not None
        assert "swarm/connect" in " ".join(asked.what for asked in node.asked)
