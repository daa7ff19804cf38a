"""A private containerd as a Kubernetes node has it: its CRI plugin, asked by crictl as kubelet asks."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.compat.engines import built_engines, program, start_process, stop_process, wait_for
from tests.compat.tools import find_tool
from tests.needs import lacks

_SETTINGS = """\
version = 3
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.nri.v1.nri"]

[grpc]
address = "{folder}/socket"

[plugins."io.containerd.cri.v1.images"]
snapshotter = "{snapshotter}"

[plugins."io.containerd.cri.v1.images".registry]
config_path = "{hosts}"

[plugins."io.containerd.transfer.v1.local"]
max_concurrent_downloads = 3
concurrent_layer_fetch_buffer = {chunk}

[[plugins."io.containerd.transfer.v1.local".unpack_config]]
platform = "linux"
snapshotter = "{snapshotter}"
"""


class Node:
    """A running containerd; ``crictl`` speaks to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._crictl = find_tool("crictl")

    @property
    def socket(self) -> Path:
        return self._folder / "socket"

    @property
    def command(self) -> tuple[str, ...]:
        """crictl, and what makes it speak to this containerd."""
        endpoint = f"unix://{self.socket}"
        return (self._crictl, "--runtime-endpoint", endpoint, "--image-endpoint", endpoint, "--timeout", "300s")

    def crictl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run crictl, which may fail."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self._folder)}
        return subprocess.run([*self.command, *arguments], env=environment, capture_output=True, text=True, check=False)

    def pull(self, *arguments: str) -> None:
        """Pull an image, which must succeed."""
        done = self.crictl("pull", *arguments)
        assert done.returncode == 0, done.stderr[-2000:]

    def image(self, reference: str) -> dict[str, Any]:
        """Return what is known of an image: ``id`` is its config's digest."""
        done = self.crictl("inspecti", "--output", "json", reference)
        assert done.returncode == 0, done.stderr[-2000:]
        found = json.loads(done.stdout)["status"]
        assert isinstance(found, dict)
        return found


@contextmanager
def run_node(
    *,
    chunk: int = 0,
    hosts: Path | None = None,
    within: Sequence[str] = (),
    snapshotter: str = "native",
    plain: Sequence[str] = (),
) -> Iterator[Node]:
    """Run a containerd 2; with ``chunk`` it fetches a layer in several parts of that size at once.

    ``hosts`` is its folder of ``hosts.toml`` files; without, it has its own, by which it speaks HTTP with the registries ``plain``.
    ``within`` stands before its command, as for a network.
    """
    built = built_engines("docker-v*")
    if built is None:
        lacks("docker29", "its containerd is not built (.ci/engines builds it)")
    if program("runc") is None:
        lacks("docker20", "runc is not installed (.ci/packages installs Debian's docker.io)")
    with tempfile.TemporaryDirectory(prefix="dcat-node-", dir="/tmp", ignore_cleanup_errors=True) as text:
        folder = Path(text)
        for registry in plain:
            (folder / "certs.d" / registry).mkdir(parents=True)
            (folder / "certs.d" / registry / "hosts.toml").write_text(f'server = "http://{registry}"\n', encoding="utf-8")
        settings = folder / "config.toml"
        settings.write_text(
            _SETTINGS.format(folder=text, chunk=chunk, hosts=hosts or folder / "certs.d", snapshotter=snapshotter), encoding="utf-8"
        )
        environment = {"PATH": f"{built}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": text}
        process = start_process([*within, str(built / "containerd"), "--config", str(settings)], folder / "log", environment)
        node = Node(folder)
        try:
            up = wait_for(lambda: node.socket.exists() and node.crictl("images").returncode == 0, process)
            assert up, (folder / "log").read_text(errors="replace")[-3000:]
            yield node
        finally:
            stop_process(process)
