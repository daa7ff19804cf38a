"""`FROM` an image of `dcat serve`: BuildKit builds on it, and its layers stay what they are."""

import json
from pathlib import Path

import pytest

from tests.compat.engines import PrivateEngine
from tests.compat.runnable import OTHER
from tests.compat.tools import buildkit, tool
from tests.factory.platforms import HOST
from tests.server.registry.conftest import RegistryServer

__all__ = ["buildkit"]

pytestmark = pytest.mark.xdist_group("engines")


def _context(folder: Path, image: str) -> None:
    (folder / "added").write_text("added\n")
    (folder / "Dockerfile").write_text(f"FROM {image}\nCOPY added /added\n", encoding="utf-8")


@pytest.mark.parametrize("name", ["team/web:1.0", "tool:1.0"])
def test_buildkit(name: str, registry: RegistryServer, buildkit: str, tmp_path: Path) -> None:
    """For each platform that the release has; by digest the result is the same."""
    buildctl = tool("buildctl", tmp_path)
    view = registry.view(name.replace(":", "@"))
    platforms = (HOST, OTHER) if name == "tool:1.0" else (HOST,)
    for image in (
        f"localhost:{registry.port}/{name}",
        f"localhost:{registry.port}/{name.partition(':')[0]}@{view.manifest_digest}",
    ):
        _context(tmp_path, image)
        wanted = platforms if image.endswith(name) else (HOST,)
        options = ("--opt", f"platform={','.join(map(str, wanted))}")
        local = ("--local", "context=.", "--local", "dockerfile=.")
        output = ("--output", "type=oci,tar=false,dest=built")
        (tmp_path / "built").mkdir(exist_ok=True)
        buildctl("--addr", buildkit, "build", "--frontend", "dockerfile.v0", *local, *options, *output)
        found = _configs(tmp_path / "built")
        assert set(found) == {platform.architecture for platform in wanted}
        assert found[HOST.architecture][:-1] == [str(layer.diff_id) for layer in view.layers]


def _configs(layout: Path) -> dict[str, list[str]]:
    """Return the diffIDs of each image that the last build put into a layout, by architecture."""

    def read(digest: str) -> dict[str, object]:
        found = json.loads((layout / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_text())
        assert isinstance(found, dict)
        return found

    found: dict[str, list[str]] = {}
    waiting = [json.loads((layout / "index.json").read_text())["manifests"][-1]["digest"]]
    while waiting:
        document: dict[str, object] = read(waiting.pop())
        if "manifests" in document:
            waiting += [entry["digest"] for entry in document["manifests"]]  # type: ignore[attr-defined]
        else:
            config = read(document["config"]["digest"])  # type: ignore[index]
            found[str(config["architecture"])] = config["rootfs"]["diff_ids"]  # type: ignore[index]
    return found


def test_the_builder_of_docker_20(registry: RegistryServer, docker20: PrivateEngine, tmp_path: Path) -> None:
    view = registry.view("tool@1.0")
    _context(tmp_path, f"localhost:{registry.port}/tool:1.0")
    built = docker20.run("build", "--quiet", "--pull", str(tmp_path)).decode().strip()
    layers = json.loads(docker20.run("image", "inspect", "--format", "{{json .RootFS.Layers}}", built))
    assert layers[:-1] == [str(layer.diff_id) for layer in view.layers]
    assert docker20.run("run", "--rm", "--network", "none", built).decode() == "tool 1.0 runs\n"
