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

import pytest

from tests.compat.engines import built_engines
from tests.needs import lacks

KUBO_FIXTURES = frozenset({"kubo_nodes", "kubo"})
_START_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class KuboNode:
    """A running node: its repository, its RPC's URL, its gateway's URL."""

    program: Path
    repository: Path
    url: str
    gateway: str

    def run(self, *arguments: str, data: bytes | None = None, timeout: float = 60) -> bytes:
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
        """Connect with another node."""
        addresses = json.loads(other.run("id"))["Addresses"]
        self.run("swarm", "connect", next(address for address in addresses if "/tcp/" in address and "127.0.0.1" in address))

    def disconnect_all(self) -> None:
        """Let go of all peers."""
        for peer in self.run("swarm", "peers").decode().split():
            self.run("swarm", "disconnect", peer)


def find_kubo() -> Path:
    """Return the program, or end the test."""
    folder = built_engines("kubo-*")
    if folder is None:
        lacks("kubo", "it is not built (.ci/engines builds it)")
    return folder / "ipfs"


@pytest.fixture(scope="session")
def kubo_nodes() -> Iterator[tuple[KuboNode, KuboNode]]:
    """Two nodes that know each other."""
    program = find_kubo()
    with tempfile.TemporaryDirectory(prefix="dcat-kubo-", dir="/tmp") as text:
        processes: list[subprocess.Popen[bytes]] = []
        try:
            nodes = tuple(start_kubo(program, Path(text) / name, processes) for name in ("a", "b"))
            nodes[1].connect(nodes[0])
            yield nodes[0], nodes[1]
        finally:
            for process in processes:
                stop_kubo(process)


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
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
