"""`docker buildx` against `dcat serve`: builds FROM it, builds pushed into it, and the source policy that `dcat lock` writes."""

import hashlib
import json
import os
import re
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.lookup.locate import open_lookup
from catalog.model.reference import parse_reference
from catalog.model.release import Release
from cli.main import main
from tests.compat.engines import PrivateEngine
from tests.compat.runnable import OTHER
from tests.compat.tools import Tool, buildkit, find_tool, tool
from tests.factory.platforms import HOST
from tests.factory.programs import make_program
from tests.factory.times import NOW
from tests.needs import ROOT
from tests.server.registry.conftest import RegistryServer
from tests.server.registry.pushing import PushServer, serving_pushes

__all__ = ["buildkit"]

pytestmark = pytest.mark.xdist_group("engines")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PushServer]:
    with serving_pushes(tmp_path / "home") as served:
        yield served


@pytest.fixture
def builder29(docker29: PrivateEngine) -> Iterator[PrivateEngine]:
    """Docker 29 as a builder. Its cache goes with the test: a later pull would leave out the layers that the cache has unpacked."""
    yield docker29
    docker29.run("builder", "prune", "--all", "--force")


@pytest.fixture
def buildx(buildkit: str, tmp_path: Path) -> Tool:
    """buildx with a builder of the driver ``remote``, which is the private BuildKit."""
    run = tool("buildx", tmp_path)
    run("create", "--name", "private", "--driver", "remote", "--use", buildkit)
    return run


def test_from_by_both_drivers(registry: RegistryServer, builder29: PrivateEngine, buildx: Tool, tmp_path: Path) -> None:
    """A builder of its own, and the one in Docker; by tag, and by the digest of an index."""
    (tmp_path / "added").write_text("added\n")
    index = registry.ask("/v2/tool/manifests/1.0").headers["docker-content-digest"]
    layers = [str(layer.diff_id) for layer in registry.view("tool@1.0").layers]
    for image in (f"localhost:{registry.port}/tool:1.0", f"localhost:{registry.port}/tool:1.0@{index}"):
        (tmp_path / "Dockerfile").write_text(f"FROM {image}\nCOPY added /added\n")
        buildx("build", "--provenance=false", "--output", "type=docker,dest=built.tar", ".")
        shown = json.loads(subprocess.run(["tar", "-xOf", tmp_path / "built.tar", "manifest.json"], capture_output=True).stdout)
        config = subprocess.run(["tar", "-xOf", tmp_path / "built.tar", shown[0]["Config"]], capture_output=True).stdout
        assert json.loads(config)["rootfs"]["diff_ids"][:-1] == layers
    buildx("build", "--builder", "default", "--tag", "built:1", ".", DOCKER_HOST=builder29.host)
    assert json.loads(builder29.run("image", "inspect", "--format", "{{json .RootFS.Layers}}", "built:1"))[:-1] == layers


def test_imagetools_show_the_index(registry: RegistryServer, buildx: Tool) -> None:
    answer = registry.ask("/v2/tool/manifests/1.0")
    image = f"localhost:{registry.port}/tool:1.0"
    shown = buildx("imagetools", "inspect", image)
    assert f"Digest:    sha256:{hashlib.sha256(answer.body).hexdigest()}" in shown
    assert set(re.findall(r"Platform:\s+(\S+)", shown)) == {str(HOST), str(OTHER)}
    assert json.loads(buildx("imagetools", "inspect", "--raw", image)) == json.loads(answer.body)


def test_a_source_policy(
    deployed: Path, registry: RegistryServer, buildx: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Dockerfile stays as it is; what is built comes from what is locked."""
    monkeypatch.setenv("DCAT_HOME", str(deployed))
    monkeypatch.chdir(tmp_path)
    Path("Dockerfile").write_text(
        "FROM tool:1.0 AS base\nFROM scratch\nCOPY --from=base /run /one\nCOPY --from=tool:1.1 /run /two\n"
    )
    assert main(["lock", "Dockerfile", "--buildkit", "-o", "policy.json", "--registry", f"localhost:{registry.port}"]) == 0
    assert main(["lock", "--check", "Dockerfile", "--registry", f"localhost:{registry.port}"]) == 0
    buildx("build", "--output", "type=local,dest=built", ".", EXPERIMENTAL_BUILDKIT_SOURCE_POLICY="policy.json")
    for name, version in (("one", "1.0"), ("two", "1.1")):
        assert Path("built", name).read_bytes() == make_program(f"tool {version} runs")


def _released(server: PushServer, reference: str) -> Release:
    with open_lookup(server.path) as lookup:
        return lookup.resolve(parse_reference(reference), now=NOW).release


def test_pushes_of_one_and_several_platforms(server: PushServer, buildx: Tool, tmp_path: Path) -> None:
    """With what BuildKit attests, which is no image; the same build without gives the same archives."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /file\n")
    (tmp_path / "context").mkdir()
    host = f"localhost:{server.port}"
    both = ("--platform", "linux/amd64,linux/arm64")
    for version, options in (
        ("one", ("--provenance=mode=max",)),
        ("both", (*both, "--provenance=mode=max")),
        ("plain", (*both, "--provenance=false")),
    ):
        buildx("build", *options, "--push", "--tag", f"{host}/web:{version}", ".")
    one, attested, plain = (
        {str(at): image.archive for at, image in _released(server, f"web@{version}").images.items()}
        for version in ("one", "both", "plain")
    )
    assert set(attested) == {"linux/amd64", "linux/arm64"}
    assert attested == plain
    assert one.items() <= attested.items()


def test_the_lines_of_the_guides(registry: RegistryServer, server: PushServer, builder29: PrivateEngine, tmp_path: Path) -> None:
    """As they stand there, with the ports of these servers, by the builder in Docker."""
    docker = tmp_path / "docker"  # `docker buildx` runs it as a plugin
    docker.write_text(f'#!/bin/sh\nshift\nexec "{find_tool("buildx")}" "$@"\n')
    docker.chmod(0o755)
    (tmp_path / "Dockerfile").write_text(f"FROM localhost:{registry.port}/tool:1.0\nCOPY Dockerfile /srv/app\n")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DOCKER_HOST": builder29.host}
    for guide in ("pulling", "pushing"):
        text = (ROOT / f"docs/guides/{guide}.md").read_text(encoding="utf-8")
        (lines,) = re.findall(r"<!-- run: buildx -->\n\n((?:    .*\n)+)", text)
        for line in textwrap.dedent(lines).replace("localhost:5078", f"localhost:{server.port}").splitlines():
            command = [str(docker), *line.split()[1:]]
            done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=600)
            assert done.returncode == 0, f"{line}: {done.stderr[-2000:]}"
    assert {str(at) for at in _released(server, "web@1.0").images} == {"linux/amd64", "linux/arm64"}
