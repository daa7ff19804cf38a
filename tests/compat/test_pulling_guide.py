"""The command lines of docs/guides/pulling.md, as they stand there, against `dcat serve --fetch` of a home that follows Ann."""

import os
import re
import shlex
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.home.home import open_home
from catalog.server.feeding.feeder import Feeder
from catalog.server.settings import ServerSettings
from catalog.sources.network import Network
from tests.compat.containerd import run_node
from tests.compat.engines import PrivateEngine, program
from tests.compat.tools import buildkit, find_tool
from tests.delivery.versions import follower, open_at, publish_version
from tests.factory.times import NOW
from tests.fakes.homes import HomeRouting, HomeSource
from tests.needs import ROOT, lacks
from tests.server.feeding.world import ending
from tests.server.registry.conftest import RegistryServer, serving_registry

__all__ = ["buildkit"]

pytestmark = pytest.mark.xdist_group("engines")

_GUIDE = ROOT / "docs/guides/pulling.md"
_PART = re.compile(r"<!-- (run|file): (\S+) -->\n\n((?:    .*\n|\n(?=    ))+)")


def _parts(kind: str) -> dict[str, str]:
    return {name: textwrap.dedent(text) for found, name, text in _PART.findall(_GUIDE.read_text(encoding="utf-8")) if found == kind}


@pytest.fixture(scope="module")
def feeder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """A server that fetches: of ``team``, here ``ann``, its home holds nothing yet."""
    path = tmp_path_factory.mktemp("pulling")
    publish_version(path / "team", "1.0", deltas=False)
    with open_at(path / "team") as team:
        with follower(path / "home", team, held=()):
            pass
        network = Network((HomeSource(team),), (HomeRouting(team),))
        feeding = Feeder(lambda: open_home(path / "home", now=NOW), lambda _: network, lambda text, error: None)
        with (
            ending(feeding),
            open_home(path / "home", now=NOW) as home,
            serving_registry(home, ServerSettings(port=0), feeding) as served,
        ):
            yield served


def _run(name: str, feeder: RegistryServer, folder: Path, replaced: dict[str, list[str]], **variables: str) -> None:
    """Run the lines of a part in a folder, with this server's port and alias, and programs of the tests."""
    for file, text in _parts("file").items():
        (folder / file).write_text(_here(text, feeder), encoding="utf-8")
    for line in _here(_parts("run")[name], feeder).splitlines():
        words = shlex.split(line)
        command = [*replaced.get(words[0], [words[0]]), *words[1:]]
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **variables}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, f"{line}: {done.stderr[-2000:]}"


def _here(text: str, feeder: RegistryServer) -> str:
    return text.replace("localhost:5078", f"localhost:{feeder.port}").replace("ann/web", "team/web")


def test_every_line_is_run() -> None:
    assert set(_parts("run")) == {
        *("docker", "docker-compose", "podman", "crictl", "buildctl", "buildx"),
        *("skopeo", "skopeo-archive", "crane", "oras", "regctl"),
    }
    assert set(_parts("file")) == {"compose.yaml", "Dockerfile", "dcat.conf"}


@pytest.mark.parametrize("name", ["docker20", "docker29", "docker29_classic"])
def test_docker(name: str, feeder: RegistryServer, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    engine: PrivateEngine = request.getfixturevalue(name)
    _run("docker", feeder, tmp_path, {"docker": list(engine.command)}, **engine.environment)
    assert engine.run("image", "inspect", f"localhost:{feeder.port}/team/web:1.0")


def test_compose(feeder: RegistryServer, tmp_path: Path, docker29: PrivateEngine) -> None:
    compose = tmp_path / "docker"  # `docker compose` runs it as a plugin
    compose.write_text(f'#!/bin/sh\nshift\nexec "{find_tool("docker-compose")}" "$@"\n')
    compose.chmod(0o755)
    _run("docker-compose", feeder, tmp_path, {"docker": [str(compose)]}, DOCKER_HOST=docker29.host)
    assert docker29.run("image", "inspect", f"localhost:{feeder.port}/team/web:1.0")


def test_podman(feeder: RegistryServer, tmp_path: Path, podman: PrivateEngine) -> None:
    _run("podman", feeder, tmp_path, {"podman": list(podman.command)}, **podman.environment)
    assert podman.run("image", "inspect", f"localhost:{feeder.port}/team/web:1.0")


def test_the_settings_of_cri_o(feeder: RegistryServer, podman: PrivateEngine) -> None:
    """They are podman's: with the file that the guide shows, it needs no option."""
    folder = Path(podman.environment["HOME"], ".config/containers/registries.conf.d")
    folder.mkdir(parents=True)
    image = f"localhost:{feeder.port}/team/web:1.0"
    try:
        (folder / "dcat.conf").write_text(_here(_parts("file")["dcat.conf"], feeder), encoding="utf-8")
        podman.run("pull", image)
    finally:
        shutil.rmtree(folder)
    with pytest.raises(AssertionError, match="HTTPS"):
        podman.run("pull", image)


def test_kubernetes(feeder: RegistryServer, tmp_path: Path) -> None:
    with run_node() as node:
        _run("crictl", feeder, tmp_path, {"crictl": list(node.command)})
        assert node.image(f"localhost:{feeder.port}/team/web:1.0")["id"] == str(feeder.view("team/web@1.0").config_digest)


def test_an_archive_for_a_node_without_network(feeder: RegistryServer, tmp_path: Path) -> None:
    """Containerd imports it as k3s does, every platform and by the names inside; of what has no name it makes no image."""
    ctr = program("ctr")
    if ctr is None:
        lacks("docker20", "ctr is not installed (.ci/packages installs Debian's containerd)")
    _run("skopeo-archive", feeder, tmp_path, {"skopeo": [find_tool("skopeo"), "--insecure-policy"]})
    with run_node() as node:
        done = subprocess.run(
            [
                ctr,
                "--address",
                node.socket,
                "--namespace",
                "k8s.io",
                "images",
                "import",
                "--all-platforms",
                "--snapshotter",
                "native",
                str(tmp_path / "web.tar"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        assert node.image(f"localhost:{feeder.port}/team/web:1.0")["id"] == str(feeder.view("team/web@1.0").config_digest)


def test_buildkit(feeder: RegistryServer, tmp_path: Path, buildkit: str) -> None:
    _run("buildctl", feeder, tmp_path, {"buildctl": [find_tool("buildctl"), "--addr", buildkit]})
    assert (tmp_path / "built.tar").exists()


@pytest.mark.parametrize("name", ["skopeo", "crane", "oras", "regctl"])
def test_tools(name: str, feeder: RegistryServer, tmp_path: Path) -> None:
    options = ["--insecure-policy"] if name == "skopeo" else []
    shutil.rmtree(tmp_path / "web", ignore_errors=True)
    _run(name, feeder, tmp_path, {name: [find_tool(name), *options]})
    digest = str(feeder.view("team/web@1.0").config_digest).removeprefix("sha256:")
    assert (tmp_path / "web" / "blobs" / "sha256" / digest).exists()
