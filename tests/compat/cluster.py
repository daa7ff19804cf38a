"""Private IPFS Clusters for tests: peers with a Kubo node each, on loopback only, stopped by their processes.

Settings: facts that were tried on Cluster 1.1.6. Peers know each other by their ``peerstore``; their metrics, by which allocations
are chosen, are shortened to seconds, so that a cluster is ready and a dead peer is noticed soon.
"""

import json
import os
import secrets
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.compat.engines import built_engines
from tests.compat.kubo import KuboNode, find_kubo, start_kubo, stop_kubo
from tests.compat.ports import free_ports
from tests.needs import lacks

CLUSTER_FIXTURES = frozenset({"cluster"})
_START_TIMEOUT = 300.0  # on a busy machine; one that does not start ends, and is not waited for


@dataclass(slots=True)
class ClusterPeer:
    """A peer: its REST API, proxy and pinning service, its Kubo node, and the processes of both."""

    folder: Path
    id: str
    kubo: KuboNode
    rest: str
    proxy: str
    pinning: str
    swarm: str
    login: str = ""
    processes: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def ask(self, method: str, path: str) -> Any:
        """Send a request to the REST API and return what it answers, one JSON value a line."""
        request = urllib.request.Request(self.rest + path, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            lines = [json.loads(line) for line in answer.read().splitlines() if line.strip()]
        return lines[0] if len(lines) == 1 else lines

    def cut_off(self) -> None:
        """Let the node of this peer exchange nothing with other nodes, as one behind a line that is very slow."""
        self.kubo.cut_off()

    def join(self, *others: "ClusterPeer") -> None:
        """Connect the node with those of others again."""
        self.kubo.join(*(other.kubo for other in others))

    @contextmanager
    def hanging(self, *, node: bool) -> Iterator[None]:
        """Let this peer, or its ``node``, answer nothing, as a machine that hangs."""
        process = self.processes[0 if node else 1]
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Stop the peer, not its node."""
        stop_kubo(self.processes[1])

    def start(self, *others: "ClusterPeer") -> None:
        """Start the peer again after `stop`, and wait until ``others`` know it."""
        self.processes[1] = _run_peer(find_cluster(), self.folder)
        for peer in (self, *others):
            _wait_until_ready(peer, 1 + len(others))


def find_cluster() -> Path:
    """Return the program, or end the test."""
    folder = built_engines("ipfs-cluster-service-*")
    if folder is None:
        lacks("cluster", "it is not built (.ci/engines builds it)")
    return folder / "ipfs-cluster-service"


@pytest.fixture(scope="session")
def cluster() -> Iterator[tuple[ClusterPeer, ...]]:
    """A cluster of two peers, started once for each test process."""
    with run_cluster(2) as peers:
        yield peers


@contextmanager
def run_cluster(
    size: int, *, login: str = "", certificate: tuple[Path, Path] | None = None, batching: bool = False, **settings: Any
) -> Iterator[tuple[ClusterPeer, ...]]:
    """Run a cluster of ``size`` peers; ``login`` (USER:PASSWORD) and ``certificate`` (with its key) are those of its REST APIs.

    ``settings`` replace sections of each node's configuration.
    """
    program, kubo = find_cluster(), find_kubo()
    with tempfile.TemporaryDirectory(prefix="dcat-cluster-", dir="/tmp") as text:
        peers: list[ClusterPeer] = []
        processes: list[subprocess.Popen[bytes]] = []
        secret = secrets.token_hex(32)
        try:
            for number in range(size):
                node = start_kubo(kubo, Path(text) / f"kubo{number}", processes, **settings)
                peer = _make_peer(program, Path(text) / f"peer{number}", node, secret, login, certificate, batching=batching)
                peer.processes = [processes[-1]]
                peers.append(peer)
            for peer in peers:
                others = [other.swarm for other in peers if other is not peer]
                (peer.folder / "peerstore").write_text("".join(f"{other}\n" for other in others), encoding="utf-8")
            for peer in peers:
                for other in peers:
                    if other is not peer:
                        peer.kubo.connect(other.kubo)
                peer.processes.append(_run_peer(program, peer.folder))
            for peer in peers:
                _wait_until_ready(peer, size)
            yield tuple(peers)
        finally:
            for process in [one for peer in peers for one in peer.processes[1:]]:
                process.kill()  # nothing of theirs is looked at again
                process.wait()
            for process in processes:
                stop_kubo(process)


def _make_peer(
    program: Path,
    folder: Path,
    node: KuboNode,
    secret: str,
    login: str,
    certificate: tuple[Path, Path] | None,
    *,
    batching: bool,
) -> ClusterPeer:
    environment = _environment(folder)
    done = subprocess.run([program, "init", "--consensus", "crdt"], env=environment, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    swarm, rest, proxy, pinning = free_ports(4)
    address = "/ip4/127.0.0.1/tcp/"
    path = folder / "service.json"
    configuration = json.loads(path.read_text(encoding="utf-8"))
    configuration["cluster"] |= {
        "secret": secret,
        "peername": folder.name,
        "listen_multiaddress": [f"{address}{swarm}"],
        "enable_relay_hop": False,
        "mdns_interval": "0s",
        "monitor_ping_interval": "4s",  # a peer that says nothing for twice that time is not counted: a busy one
        "dial_peer_timeout": "2s",
        "pubsub": configuration["cluster"]["pubsub"] | {"heartbeat_interval": "500ms"},
    }
    if batching:
        configuration["consensus"]["crdt"]["batching"] = {"max_batch_size": 500, "max_batch_age": "1s"}
    connector = configuration["ipfs_connector"]["ipfshttp"]
    connector |= {"node_multiaddress": f"{address}{node.url.rpartition(':')[2]}", "connect_swarms_delay": "1s"}
    apis = configuration["api"]
    apis["ipfsproxy"] |= {"listen_multiaddress": f"{address}{proxy}", "node_multiaddress": connector["node_multiaddress"]}
    apis["pinsvcapi"]["http_listen_multiaddress"] = f"{address}{pinning}"
    apis["restapi"]["http_listen_multiaddress"] = f"{address}{rest}"
    if login:
        user, _, password = login.partition(":")
        for name in ("pinsvcapi", "restapi"):
            apis[name]["basic_auth_credentials"] = {user: password}
    if certificate is not None:
        for name in ("pinsvcapi", "restapi"):
            apis[name] |= {"ssl_cert_file": str(certificate[0]), "ssl_key_file": str(certificate[1])}
    configuration["monitor"]["pubsubmon"]["check_interval"] = "1s"
    for informer in configuration["informer"].values():
        informer["metric_ttl"] = "10s"  # shorter, and a busy machine loses peers
    pebble = configuration["datastore"]["pebble"]["pebble_options"]
    pebble |= {"cache_size_bytes": 8 << 20, "mem_table_size": 4 << 20}
    path.write_text(json.dumps(configuration), encoding="utf-8")
    identity = json.loads((folder / "identity.json").read_text(encoding="utf-8"))["id"]
    scheme = "https" if certificate is not None else "http"
    return ClusterPeer(
        folder,
        identity,
        node,
        f"{scheme}://127.0.0.1:{rest}",
        f"http://127.0.0.1:{proxy}",
        f"{scheme}://127.0.0.1:{pinning}",
        f"{address}{swarm}/p2p/{identity}",
        login,
    )


def _run_peer(program: Path, folder: Path) -> "subprocess.Popen[bytes]":
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [program, "daemon"],
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _wait_until_ready(peer: ClusterPeer, size: int) -> None:
    """Wait until a peer knows all others and has metrics of them, by which it chooses allocations."""
    if peer.login or peer.rest.startswith("https"):
        _wait(peer, lambda: b"IPFS Cluster is READY" in (peer.folder / "log").read_bytes())
        return
    _wait(peer, lambda: len(_list(peer.ask("GET", "/peers"))) == size)
    _wait(peer, lambda: len([one for one in peer.ask("GET", "/monitor/metrics/freespace") if one["valid"]]) == size)


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def _wait(peer: ClusterPeer, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline and peer.processes[1].poll() is None:
        try:
            if ready():
                return
        except (OSError, IndexError):
            pass
        time.sleep(0.1)
    lines = (peer.folder / "log").read_text(errors="replace").splitlines()
    words = "\n".join(line for line in lines if "restapilog" not in line)[-2000:]
    raise AssertionError(f"{peer.folder.name} does not start (exit {peer.processes[1].poll()}): {words}")


def _environment(folder: Path) -> dict[str, str]:
    return {"IPFS_CLUSTER_PATH": str(folder), "HOME": str(folder.parent), "PATH": os.defpath}
