"""`dcat mirror install` on real engines: what a catalogue has is pulled from `dcat serve` under the names of Docker Hub.

No engine here reaches Docker Hub, so what it gets came from this server.
"""

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import yaml

from catalog.home.home import open_home
from cli.main import main
from tests.compat.containerd import run_node
from tests.compat.engines import PrivateEngine, program, run_docker20, run_docker29
from tests.compat.publisher import wait_until
from tests.compat.registry import push_compressed
from tests.factory.images import make_image
from tests.factory.tars import make_layer
from tests.factory.times import NOW
from tests.needs import lacks
from tests.server.registry.conftest import RegistryServer, registry_home, serving_registry

__all__ = ["registry_home"]

Mirror = Callable[..., str]


@pytest.fixture
def registry(registry_home: Path) -> Iterator[RegistryServer]:
    with open_home(registry_home, now=NOW) as home, serving_registry(home) as served:
        yield served


@pytest.fixture
def mirror(registry: RegistryServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Mirror:
    """Run `dcat mirror` for the running registry, on a system below the folder of the test."""

    def run(verb: str, *arguments: str) -> str:
        capfd.readouterr()
        port = () if verb == "remove" else ("--port", str(registry.port))
        code = main(["mirror", verb, *arguments, *port, "--root", str(tmp_path), "--yes"])
        out, err = capfd.readouterr()
        assert code == 0, err
        return out

    return run


@pytest.mark.parametrize("name", ["docker20", "docker29"])
def test_containerd(
    name: str, registry: RegistryServer, mirror: Mirror, local_registry: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Containerd 1.6 and 2.4, by Debian's ctr: what is here, what only the registry has; then by digest only, then not at all."""
    running: PrivateEngine = request.getfixturevalue(name)
    ctr = program("ctr")
    if ctr is None:
        lacks(name, "ctr is not installed (.ci/packages installs Debian's containerd)")
    address = running.containerd
    hosts = tmp_path / "etc/containerd/certs.d"
    client = PrivateEngine(
        name, address, (ctr, "--address", str(address), "--namespace", "dcat-mirror"), {"PATH": os.environ["PATH"]}
    )

    def pull(image: str) -> None:
        client.run("images", "pull", "--hosts-dir", str(hosts), image)

    mirror("install", "containerd")
    view = registry.view("tool@1.0")
    pull("docker.io/library/tool:1.0")
    pull("docker.io/team/web:1.0")
    assert str(view.manifest_digest) in client.run("images", "list", "name==docker.io/library/tool:1.0").decode()
    only = local_registry.replace("127.0.0.1", "localhost")
    push_compressed(local_registry, "only/there", "1.0", make_image([make_layer({"only": name.encode()})]))
    mirror("install", "containerd", "--registry", only)
    pull(f"{only}/only/there:1.0")
    pull(f"{only}/team/web:1.0")
    (seen,) = json.loads(mirror("status", "--json"))["pulls"]["clients"]
    assert (seen["program"], seen["hits"], seen["misses"]) == ("containerd", 3, 1)
    mirror("install", "containerd", "--pull-only")
    with pytest.raises(AssertionError, match="resolve"):
        pull("docker.io/library/tool:1.1")
    mirror("remove", "containerd")
    assert not (hosts / "docker.io/hosts.toml").exists()
    with pytest.raises(AssertionError):
        pull("docker.io/team/web:1.0")


@pytest.mark.parametrize("run", [run_docker20, run_docker29])
def test_docker(
    run: Callable[..., AbstractContextManager[PrivateEngine]], registry: RegistryServer, mirror: Mirror, tmp_path: Path
) -> None:
    """The settings are read when the daemon is reloaded, as `systemctl reload docker` does."""
    settings = tmp_path / "etc/docker/daemon.json"
    settings.parent.mkdir(parents=True)
    settings.write_text('{\n    "log-level": "warn"\n}\n')
    with run(flags=("--config-file", str(settings))) as engine:
        mirror("install", "docker")
        os.kill(int((engine.socket.parent / "pid").read_text()), signal.SIGHUP)
        url = f"http://[::ffff:127.0.0.1]:{registry.port}/"
        wait_until(lambda: json.loads(engine.run("info", "--format", "{{json .RegistryConfig.Mirrors}}")) == [url])
        for image, reference in (("tool:1.0", "tool@1.0"), ("team/web:1.0", "team/web@1.0")):
            view = registry.view(reference)
            engine.run("pull", image)
            shown = engine.run("image", "inspect", "--format", "{{.Id}}", image).decode().strip()
            assert shown in (str(view.config_digest), str(view.manifest_digest))
        with pytest.raises(AssertionError):
            engine.run("pull", "unknown:1.0")
    document = json.loads(mirror("status", "--json"))
    assert document["engines"]["docker"] == [str(settings)]
    (client,) = document["pulls"]["clients"]
    assert (client["program"], client["hits"], client["misses"]) == ("docker", 2, 1)
    sizes = sum(layer.stored_size for layer in registry.view("tool@1.0").layers)
    wait_until(lambda: json.loads(mirror("status", "--json"))["pulls"]["clients"][0]["delivered"] >= sizes)
    mirror("remove")
    assert settings.read_text() == '{\n    "log-level": "warn"\n}\n'


def test_k3s(registry: RegistryServer, mirror: Mirror, tmp_path: Path) -> None:
    """Containerd 2 through its CRI plugin, with the hosts.toml that k3s makes of registries.yaml when it starts.

    The form is that of its pkg/agent/containerd and pkg/agent/templates: the endpoint gets the path /v2.
    """
    mirror("install", "k3s", "--registry", "docker.io", "--registry", "ghcr.io")
    mirrors = yaml.safe_load((tmp_path / "etc/rancher/k3s/registries.yaml").read_text())["mirrors"]
    hosts = tmp_path / "certs.d"
    for name, default in (("docker.io", "registry-1.docker.io"), ("ghcr.io", "ghcr.io")):
        (endpoint,) = mirrors[name]["endpoint"]
        (hosts / name).mkdir(parents=True)
        (hosts / name / "hosts.toml").write_text(
            f'server = "https://{default}/v2"\ncapabilities = ["pull", "resolve", "push"]\n\n'
            f'[host]\n\n[host."{endpoint}/v2"]\n  capabilities = ["pull", "resolve"]\n'
        )
    with run_node(hosts=hosts) as node:
        for image, reference in (("docker.io/library/tool:1.0", "tool@1.0"), ("ghcr.io/team/web:1.0", "team/web@1.0")):
            node.pull(image)
            assert node.image(image)["id"] == str(registry.view(reference).config_digest)
    (client,) = json.loads(mirror("status", "--json"))["pulls"]["clients"]
    assert (client["program"], client["hits"], client["misses"]) == ("containerd", 2, 0)


def test_podman(registry: RegistryServer, mirror: Mirror, tmp_path: Path, podman: PrivateEngine) -> None:
    own = Path(podman.environment["HOME"], ".config/containers/registries.conf.d")
    mirror("install", "podman")
    shutil.copytree(tmp_path / "etc/containers/registries.conf.d", own)  # what stands for the system's: the user's
    try:
        for image, reference in (("library/tool:1.0", "tool@1.0"), ("team/web:1.0", "team/web@1.0")):
            podman.run("pull", f"docker.io/{image}")
            shown = podman.run("image", "inspect", "--format", "{{.Id}}", f"docker.io/{image}").decode().strip()
            assert f"sha256:{shown}" == str(registry.view(reference).config_digest)
        (client,) = json.loads(mirror("status", "--json"))["pulls"]["clients"]
        assert (client["program"], client["hits"]) == ("podman", 2)
    finally:
        shutil.rmtree(own)
