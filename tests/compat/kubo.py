"""Private Kubo nodes for tests: each with its own repository and ports on loopback, no bootstrap, no announcement, stopped by its
process.

Two nodes are started once for each test process and connected with each other; what they hold stays between tests.
Settings: facts that were tried on Kubo 0.42 (no AutoConf, no delegated routers, no mDNS: nothing leaves the machine).
"""

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from tests.compat.engines import built_engines
from tests.needs import lacks

KUBO_FIXTURES = frozenset({"kubo_pair", "kubo_nodes", "kubo"})
_START_TIMEOUT = 300.0  # on a busy machine; one that does not start ends, and is not waited for
_CONNECT_TIMEOUT = 120.0
_EVERYBODY = "/ip4/127.0.0.1/ipcidr/8"


@dataclass(frozen=True, slots=True)
class KuboNode:
    """A running node: its repository, its RPC's URL, its gateway's URL."""

    program: Path
    repository: Path
    url: str
    gateway: str

    def run(self, *arguments: str, data: bytes | None = None, timeout: float = 300) -> bytes:
        """Run ``ipfs …`` against the node and return what it prints; it must succeed."""
        done = subprocess.run(
            [self.program, *arguments],
            env={"IPFS_PATH": str(self.repository), "HOME": str(self.repository), "IPFS_TELEMETRY": "off"},
            input=data,
            capture_output=True,
            check=False,
            timeout=timeout,
        )
        assert done.returncode == 0, f"ipfs {' '.join(arguments)}: {done.stderr.decode(errors='replace')[-2000:]}"
        return done.stdout

    def connect(self, other: "KuboNode") -> None:
        """Connect with another node, unless that is so: a node that is busy for too long loses its peers, and looks for none."""
        identity = _ask(other, "id")
        address = next(address for address in identity["Addresses"] if "/tcp/" in address and "127.0.0.1" in address)
        deadline = time.monotonic() + _CONNECT_TIMEOUT
        while identity["ID"] not in self.peers():
            assert time.monotonic() < deadline, f"no connection with {address}"
            if not _try(self, "swarm/connect", address):  # it gives up after some seconds
                time.sleep(0.1)

    def peers(self) -> set[str]:
        """Return the identities of the nodes that it is connected with."""
        return {peer["Peer"] for peer in _ask(self, "swarm/peers")["Peers"] or ()}

    def disconnect_all(self) -> None:
        """Let go of all peers."""
        while peers := self.peers():
            for peer in peers:
                _try(self, "swarm/disconnect", f"/p2p/{peer}")  # it may be gone by itself

    def cut_off(self) -> None:
        """Exchange nothing with other nodes, as one behind a line that is very slow."""
        self.run("swarm", "filters", "add", _EVERYBODY)
        self.disconnect_all()

    def join(self, *others: "KuboNode") -> None:
        """Connect with other nodes again."""
        self.run("swarm", "filters", "rm", _EVERYBODY)
        for other in others:
            self.connect(other)


def _ask(node: KuboNode, path: str, argument: str = "") -> Any:
    """Send a request to a node's RPC and return what it answers."""
    query = f"?{urlencode({'arg': argument})}" if argument else ""
    with urlopen(Request(f"{node.url}/api/v0/{path}{query}", method="POST"), timeout=_CONNECT_TIMEOUT) as answer:
        return json.load(answer)


def find_kubo() -> Path:
    """Return the program, or end the test."""
    folder = built_engines("kubo-*")
    if folder is None:
        lacks("kubo", "it is not built (.ci/engines builds it)")
    return folder / "ipfs"


def _try(node: KuboNode, path: str, argument: str) -> bool:
    """Send such a request, and return whether it was done."""
    try:
        _ask(node, path, argument)
    except HTTPError as error:
        error.close()
        return False
    return True


@pytest.fixture(scope="session")
def kubo_pair() -> Iterator[tuple[KuboNode, KuboNode]]:
    """Two nodes, of which `kubo_nodes` are the connected ones."""
    program = find_kubo()
    with tempfile.TemporaryDirectory(prefix="dcat-kubo-", dir="/tmp") as text:
        processes: list[subprocess.Popen[bytes]] = []
        try:
            first, second = (start_kubo(program, Path(text) / name, processes) for name in ("a", "b"))
            yield first, second
        finally:
            for process in processes:
                stop_kubo(process)


@pytest.fixture
def kubo_nodes(kubo_pair: tuple[KuboNode, KuboNode]) -> tuple[KuboNode, KuboNode]:
    """Two nodes that know each other."""
    kubo_pair[1].connect(kubo_pair[0])
    return kubo_pair


@pytest.fixture
def kubo(kubo_nodes: tuple[KuboNode, KuboNode]) -> KuboNode:
    """The first of the two nodes."""
    return kubo_nodes[0]


def start_kubo(program: Path, repository: Path, processes: list[subprocess.Popen[bytes]], **settings: Any) -> KuboNode:
    """Start a node; its process is appended to ``processes``. ``settings`` replace sections of its configuration."""
    environment = {"IPFS_PATH": str(repository), "HOME": str(repository.parent), "IPFS_TELEMETRY": "off", "PATH": os.defpath}
    subprocess.run([program, "init", "--profile", "server", "-e"], env=environment, check=True, capture_output=True)
    path = repository / "config"
    configuration = json.loads(path.read_text(encoding="utf-8"))
    configuration |= {
        "Bootstrap": [],
        "AutoConf": {"Enabled": False},
        "AutoTLS": {"Enabled": False},
        "DNS": {"Resolvers": {}},
        "Discovery": {"MDNS": {"Enabled": False}},
        "Routing": {"Type": "dht", "DelegatedRouters": []},
        "Ipns": {**configuration["Ipns"], "DelegatedPublishers": []},
    }
    configuration["Swarm"]["AddrFilters"] = None
    configuration["Addresses"] |= {
        "API": "/ip4/127.0.0.1/tcp/0",
        "Gateway": "/ip4/127.0.0.1/tcp/0",
        "Swarm": ["/ip4/127.0.0.1/tcp/0"],
        "NoAnnounce": [],
    }
    for section, values in settings.items():
        configuration[section] = {**configuration.get(section, {}), **values}
    path.write_text(json.dumps(configuration), encoding="utf-8")
    return run_kubo(program, repository, processes)


def run_kubo(program: Path, repository: Path, processes: list[subprocess.Popen[bytes]]) -> KuboNode:
    """Run the node of a repository that was started before; its process is appended to ``processes``."""
    environment = {"IPFS_PATH": str(repository), "HOME": str(repository.parent), "IPFS_TELEMETRY": "off", "PATH": os.defpath}
    with (repository / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "daemon"], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    processes.append(process)
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None or "Daemon is ready" in (repository / "log").read_text(errors="replace"):
            break
        time.sleep(0.05)
    log_text = (repository / "log").read_text(errors="replace")
    assert "Daemon is ready" in log_text, f"Kubo does not start: {log_text[-2000:]}"
    gateway = (repository / "gateway").read_text(encoding="utf-8").strip()
    address, port = (repository / "api").read_text(encoding="utf-8").strip().split("/")[2::2]
    return KuboNode(program, repository, f"http://{address}:{port}", gateway)


def stop_kubo(process: "subprocess.Popen[bytes]") -> None:
    """Stop a node and wait for its end."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(120)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
