"""Files that `dcat lock` wrote, given to the tools that they are for; images are pulled from `dcat serve`, which reaches nobody."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from catalog.home.home import open_home
from cli.main import main
from tests.compat.engines import PrivateEngine
from tests.compat.tools import buildkit, tool
from tests.factory.platforms import HOST
from tests.factory.programs import make_program
from tests.factory.times import NOW
from tests.server.registry.conftest import RegistryServer, serving_registry

__all__ = ["buildkit"]


@pytest.fixture
def registry(deployed: Path) -> Iterator[RegistryServer]:
    with open_home(deployed, now=NOW) as home, serving_registry(home) as served:
        yield served


@pytest.fixture
def lock(
    deployed: Path, registry: RegistryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Run `dcat lock` in the folder of the test, for the running registry; return what it prints."""
    monkeypatch.setenv("DCAT_HOME", str(deployed))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        capfd.readouterr()
        code = main(["lock", *arguments, "--registry", f"localhost:{registry.port}"])
        out, err = capfd.readouterr()
        assert code == 0, err
        return out

    return run


COMPOSE = """\
# What runs here.
services:
  tool: {image: 'tool:1.0', network_mode: none}
  web:
    image: team/web:1.0   # Ann's
    network_mode: none
    profiles: [never]
"""


@pytest.mark.parametrize("name", ["docker20", "docker29"])
def test_docker_compose(
    name: str, request: pytest.FixtureRequest, registry: RegistryServer, lock: Callable[..., str], tmp_path: Path
) -> None:
    """The override pulls exactly what is locked, an index of platforms among it, and containers start from it."""
    engine: PrivateEngine = request.getfixturevalue(name)
    Path("compose.yaml").write_text(COMPOSE)
    lock("compose.yaml", "--compose", "-o", "locked.yaml")
    assert Path("compose.yaml").read_text() == COMPOSE
    compose = tool("docker-compose", tmp_path)
    files = ("-f", "compose.yaml", "-f", "locked.yaml", "--profile", "never")
    host = {"DOCKER_HOST": engine.host}
    compose(*files, "pull", **host)
    tool_image, web_image = _images(Path("locked.yaml"))
    tool_view, web_view = registry.view("tool@1.0"), registry.view("team/web@1.0")
    assert web_image == f"localhost:{registry.port}/team/web:1.0@{web_view.manifest_digest}"
    assert tool_image.startswith(f"localhost:{registry.port}/tool:1.0@sha256:")
    for image, view in ((tool_image, tool_view), (web_image, web_view)):
        # The containerd store shows the digest that was pulled: of the index, where there are several platforms.
        shown = {str(view.config_digest), str(view.manifest_digest), image.rpartition("@")[2]}
        assert engine.run("image", "inspect", "--format", "{{.Id}}", image).decode().strip() in shown
    # What the tool itself writes as its lock is the same, but for the tags, which it leaves out.
    own = _images_of(compose(*files, "config", "--lock-image-digests", **host))
    assert own == [image.replace(":1.0@", "@") for image in (tool_image, web_image)]
    if name == "docker20":  # Debian's runc is too old for Docker 29
        started = ("-f", "compose.yaml", "-f", "locked.yaml")
        compose(*started, "up", "--no-log-prefix", "--abort-on-container-exit", **host)
        ran = compose(*started, "logs", "--no-log-prefix", **host)  # `up` may end before it shows what a short program prints
        assert "tool 1.0 runs" in ran
        compose(*started, "down", **host)


def test_docker_compose_takes_the_file_that_was_rewritten(lock: Callable[..., str], tmp_path: Path) -> None:
    Path("compose.yaml").write_text(COMPOSE)
    lock("compose.yaml", "--compose", "-o", "locked.yaml")
    lock("compose.yaml", "--in-place")
    compose = tool("docker-compose", tmp_path)
    listed = compose("-f", "compose.yaml", "--profile", "never", "config", "--images").split()
    assert sorted(listed) == sorted(_images(Path("locked.yaml")))
    assert Path("compose.yaml").read_text().replace(f"'{_images(Path('locked.yaml'))[0]}'", "'tool:1.0'").count(
        "\n"
    ) == COMPOSE.count("\n")


@pytest.mark.parametrize("name", ["docker20", "docker29", "podman"])
def test_engines_pull_the_references(
    name: str, request: pytest.FixtureRequest, registry: RegistryServer, lock: Callable[..., str]
) -> None:
    engine: PrivateEngine = request.getfixturevalue(name)
    Path("compose.yaml").write_text(COMPOSE)
    view = registry.view("tool@1.0")
    for arguments in ([], ["--platform", str(HOST)]):
        reference = _images_of(lock("compose.yaml", "--compose", *arguments))[0]
        engine.run("pull", *(("--tls-verify=false",) if name == "podman" else ()), reference)
        shown = {str(view.config_digest), str(view.manifest_digest), reference.rpartition("@")[2]}
        found = engine.run("image", "inspect", "--format", "{{.Id}}", reference).decode().strip()
        assert f"sha256:{found.removeprefix('sha256:')}" in shown


DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: tool}
spec:
  template:
    spec:
      initContainers:
      - {name: first, image: team/web:1.0}
      containers:
      - name: tool
        image: tool:1.0
"""


def test_kustomize(lock: Callable[..., str], tmp_path: Path) -> None:
    Path("base").mkdir()
    Path("base/deployment.yaml").write_text(DEPLOYMENT)
    Path("base/kustomization.yaml").write_text("resources:\n- deployment.yaml\ncomponents:\n- ../locked\n")
    Path("locked").mkdir()
    lock("base/deployment.yaml", "--kustomize", "-o", "locked/kustomization.yaml")
    kustomize = tool("kustomize", tmp_path)
    built = kustomize("build", "base")
    lock("base/deployment.yaml", "--in-place")
    Path("base/kustomization.yaml").write_text("resources:\n- deployment.yaml\n")
    assert kustomize("build", "base") == built
    assert len(set(re.findall(r"image: (localhost:\d+/(?:tool|team/web):1.0@sha256:[0-9a-f]{64})\n", built))) == 2


KUSTOMIZATION = """\
resources: [deployment.yaml]   # one
images:
- name: app    # what the deployment says
  newName: tool
  newTag: "1.0"
- {name: site, newName: team/web, newTag: '1.0'}
"""


def test_a_kustomization_that_sets_images(lock: Callable[..., str], tmp_path: Path) -> None:
    Path("deployment.yaml").write_text(DEPLOYMENT.replace("tool:1.0", "app").replace("team/web:1.0", "site:old"))
    Path("kustomization.yaml").write_text(KUSTOMIZATION)
    lock("kustomization.yaml", "--in-place")
    kustomize = tool("kustomize", tmp_path)
    built = kustomize("build", ".")
    images = sorted(set(re.findall(r"image: (\S+)", built)))
    assert [image.rpartition("@")[0].partition("/")[2] for image in images] == ["team/web:1.0", "tool:1.0"]
    rewritten = Path("kustomization.yaml").read_text()
    assert rewritten.splitlines()[:3] == [*KUSTOMIZATION.splitlines()[:2], "- name: app    # what the deployment says"]
    lock("kustomization.yaml", "--in-place")
    assert Path("kustomization.yaml").read_text() == rewritten


def test_buildkit(registry: RegistryServer, lock: Callable[..., str], buildkit: str, tmp_path: Path) -> None:
    """By a source policy, which leaves the Dockerfile as it is, and by a Dockerfile that was rewritten."""
    dockerfile = (
        "ARG VERSION=1.0\nFROM tool:${VERSION} AS base\nFROM scratch\nCOPY --from=base /run /one\nCOPY --from=tool:1.1 /run /two\n"
    )
    Path("Dockerfile").write_text(dockerfile)
    Path("policy.json").write_text(lock("Dockerfile", "--buildkit"))
    buildctl = tool("buildctl", tmp_path)
    command = ("--addr", buildkit, "build", "--frontend", "dockerfile.v0", "--local", "context=.", "--local", "dockerfile=.")
    buildctl(*command, "--source-policy-file", "policy.json", "--output", "type=local,dest=by-policy")
    lock("Dockerfile", "--in-place")
    buildctl(*command, "--output", "type=local,dest=in-place")
    for folder in ("by-policy", "in-place"):
        for name, version in (("one", "1.0"), ("two", "1.1")):
            assert Path(folder, name).read_bytes() == make_program(f"tool {version} runs")


def _images(path: Path) -> list[str]:
    return _images_of(path.read_text())


def _images_of(text: str) -> list[str]:
    return [body["image"] for body in yaml.safe_load(text)["services"].values()]
