"""A pull from `dcat serve` is cut at 40 % of a layer: each client ends with the right image or a plain error, and then again."""

import random
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from catalog.home.home import open_home
from catalog.intake.intake import Wanted
from catalog.operations.publish import publish
from tests.compat.containerd import run_node
from tests.compat.engines import PrivateEngine
from tests.compat.tools import find_tool
from tests.factory.exports import source_of
from tests.factory.images import BASE, make_image
from tests.factory.platforms import HOST
from tests.factory.tars import make_layer
from tests.factory.times import NOW
from tests.fakes.relay import relaying
from tests.server.registry.conftest import RegistryServer, serving_registry

pytestmark = pytest.mark.xdist_group("engines")

_LAYER = 2_000_000
_ENGINES = ("docker20", "docker29", "docker29_classic", "podman")
_TOOLS = ("skopeo", "crane", "regctl", "oras")
_PLAIN = re.compile(r"EOF|reset|unexpected|short read|closed|size|broken")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """For each client an image of its own, of noise, so that none has a layer of another."""
    with open_home(tmp_path_factory.mktemp("cut"), now=NOW) as home:
        for client in (*_ENGINES, *_TOOLS, "crictl"):
            noise = random.Random(client).randbytes(_LAYER)
            image = source_of(make_image([BASE, make_layer({"noise": noise})]))
            publish(home, client.replace("_", "-"), "1.0", image, Wanted(HOST))
        with serving_registry(home) as served:
            yield served


@dataclass
class Cutting:
    """A relay that runs, and how often it cut."""

    port: int = 0
    cuts: int = 0


@contextmanager
def cutting_proxy(port: int, after: int) -> Iterator[Cutting]:
    """Relay to ``port``; the first connection that brings more than ``after`` bytes is cut there, once."""
    cutting = Cutting()
    lock = threading.Lock()

    def answer(server: socket.socket, client: socket.socket) -> None:
        sent = 0
        while data := server.recv(4096):
            sent += len(data)
            client.sendall(data)
            with lock:
                if sent > after and not cutting.cuts:
                    cutting.cuts += 1
                    break

    with relaying(lambda: port, answer) as cutting.port:
        yield cutting


def _run_twice(registry: RegistryServer, run: Callable[[str], "subprocess.CompletedProcess[str]"], client: str) -> None:
    """Pull through a relay that cuts once; a client that gives up does so plainly, and the next try brings the image."""
    with cutting_proxy(registry.port, _LAYER * 2 // 5) as cutting:
        image = f"localhost:{cutting.port}/{client.replace('_', '-')}:1.0"
        first = run(image)
        assert cutting.cuts == 1, "nothing was cut"
        if first.returncode:
            assert _PLAIN.search(first.stderr), first.stderr[-2000:]
            again = run(image)
            assert again.returncode == 0, again.stderr[-2000:]


def _call(command: Sequence[str], **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=600)


@pytest.mark.parametrize("name", _ENGINES)
def test_engines(name: str, registry: RegistryServer, request: pytest.FixtureRequest) -> None:
    engine: PrivateEngine = request.getfixturevalue(name)
    flags = ("--tls-verify=false",) if name == "podman" else ()
    pulled: list[str] = []

    def pull(image: str) -> "subprocess.CompletedProcess[str]":
        pulled.append(image)
        return _call([*engine.command, "pull", *flags, image], **engine.environment)

    _run_twice(registry, pull, name)
    view = registry.view(f"{name.replace('_', '-')}@1.0")
    shown = engine.run("image", "inspect", "--format", "{{.Id}}", pulled[0]).decode().strip().removeprefix("sha256:")
    assert f"sha256:{shown}" == str(view.manifest_digest if name == "docker29" else view.config_digest)


@pytest.mark.parametrize("chunk", [0, 65536], ids=["one stream", "parallel"])
def test_containerd(chunk: int, registry: RegistryServer) -> None:
    with run_node(chunk=chunk) as node:
        pulled: list[str] = []

        def pull(image: str) -> "subprocess.CompletedProcess[str]":
            pulled.append(image)
            return node.crictl("pull", image)

        _run_twice(registry, pull, "crictl")
        assert node.image(pulled[0])["id"] == str(registry.view("crictl@1.0").config_digest)


@pytest.mark.parametrize("name", _TOOLS)
def test_tools(name: str, registry: RegistryServer, tmp_path: Path) -> None:
    path = find_tool(name)
    layout = tmp_path / "layout"
    commands: dict[str, Callable[[str], list[list[str]]]] = {
        "skopeo": lambda image: [
            ["--insecure-policy", "copy", "--src-tls-verify=false", "--preserve-digests", f"docker://{image}", f"oci:{layout}:here"]
        ],
        "crane": lambda image: [["pull", "--format", "oci", image, str(layout)]],
        "regctl": lambda image: [
            ["registry", "set", "--tls=disabled", image.partition("/")[0]],
            ["image", "copy", image, f"ocidir://{layout}:here"],
        ],
        "oras": lambda image: [["copy", "--from-plain-http", "--to-oci-layout", image, f"{layout}:here"]],
    }

    def pull(image: str) -> "subprocess.CompletedProcess[str]":
        shutil.rmtree(layout, ignore_errors=True)
        *before, last = commands[name](image)
        for command in before:
            assert _call([path, *command], HOME=str(tmp_path)).returncode == 0
        return _call([path, *last], HOME=str(tmp_path))

    _run_twice(registry, pull, name)
    view = registry.view(f"{name}@1.0")
    blobs = layout / "blobs" / "sha256"
    for digest in (view.manifest_digest, view.config_digest, *(layer.diff_id for layer in view.layers)):
        assert (blobs / str(digest).removeprefix("sha256:")).exists()
