"""Real clients pull from `dcat serve`: by tag and by digest, with the image IDs that the catalogue states, and few bytes."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from catalog.home.home import open_home
from catalog.image.reader import ArchiveView
from catalog.server.feeding.feeder import Feeder
from catalog.server.settings import ServerSettings
from catalog.sources.network import Network
from tests.compat.engines import PrivateEngine, built_engines, program
from tests.compat.registry import sent_of
from tests.delivery.versions import follower, open_at, publish_version
from tests.factory.times import NOW
from tests.fakes.homes import HomeRouting, HomeSource
from tests.needs import lacks
from tests.server.feeding.world import ending
from tests.server.registry.conftest import RegistryServer, registry_home, serving_registry

__all__ = ["registry_home"]


@pytest.fixture
def registry(registry_home: Path) -> Iterator[RegistryServer]:
    with open_home(registry_home, now=NOW) as home, serving_registry(home) as served:
        yield served


@pytest.fixture
def far(registry_home: Path) -> Iterator[RegistryServer]:
    """A registry that compresses for clients of this machine too, as it does for those of others."""
    with open_home(registry_home, now=NOW) as home, serving_registry(home, ServerSettings(port=0, compress="always")) as served:
        yield served


@pytest.fixture(params=["team/web:1.0", "tool:1.1"])
def reference(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def view_of(registry: RegistryServer, reference: str) -> ArchiveView:
    return registry.view(reference.replace(":", "@"))


def image_id(engine: PrivateEngine, image: str) -> str:
    found = engine.run("image", "inspect", "--format", "{{.Id}}", image).decode().strip()
    return found if found.startswith("sha256:") else f"sha256:{found}"


def built(name: str, program_name: str) -> Path:
    folder = built_engines(f"{name}-v*")
    if folder is None:
        lacks(name, "it is not built (.ci/engines builds it)")
    return folder / program_name


def run(*command: str | Path, home: Path) -> str:
    done = subprocess.run(command, env={"PATH": os.environ["PATH"], "HOME": str(home)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"
    return done.stdout


def test_docker_20(registry: RegistryServer, reference: str, docker20: PrivateEngine) -> None:
    view = view_of(registry, reference)
    host = f"localhost:{registry.port}"
    docker20.run("pull", f"{host}/{reference}")
    assert image_id(docker20, f"{host}/{reference}") == str(view.config_digest)
    by_digest = f"{host}/{reference.rpartition(':')[0]}@{view.manifest_digest}"
    docker20.run("pull", by_digest)
    assert image_id(docker20, by_digest) == str(view.config_digest)


def test_docker_29_takes_the_stored_frames(registry: RegistryServer, reference: str, docker29: PrivateEngine) -> None:
    view = view_of(registry, reference)
    host = f"localhost:{registry.port}"
    docker29.run("pull", f"{host}/{reference}")
    assert image_id(docker29, f"{host}/{reference}") == str(view.manifest_digest)
    sizes = sent_of(registry)
    for layer in view.layers:
        assert sizes.get(str(layer.diff_id), 0) in (0, layer.stored_size)  # 0: another test's image brought it
    docker29.run("pull", f"{host}/{reference.rpartition(':')[0]}@{view.manifest_digest}")


def test_docker_29_with_the_classic_store(registry: RegistryServer, reference: str, docker29_classic: PrivateEngine) -> None:
    view = view_of(registry, reference)
    host = f"localhost:{registry.port}"
    docker29_classic.run("pull", f"{host}/{reference}")
    assert image_id(docker29_classic, f"{host}/{reference}") == str(view.config_digest)
    by_digest = f"{host}/{reference.rpartition(':')[0]}@{view.manifest_digest}"
    docker29_classic.run("pull", by_digest)
    assert image_id(docker29_classic, by_digest) == str(view.config_digest)


def test_gzip_to_docker_20(far: RegistryServer, docker20: PrivateEngine) -> None:
    view = far.view("tool@1.0")
    docker20.run("pull", f"localhost:{far.port}/tool:1.0")
    assert image_id(docker20, f"localhost:{far.port}/tool:1.0") == str(view.config_digest)
    sizes = sent_of(far)
    assert all(sizes[str(layer.diff_id)] < layer.size for layer in view.layers if sizes.get(str(layer.diff_id)))


def test_podman(registry: RegistryServer, reference: str, podman: PrivateEngine) -> None:
    view = view_of(registry, reference)
    host = f"localhost:{registry.port}"
    podman.run("pull", "--tls-verify=false", f"{host}/{reference}")
    assert image_id(podman, f"{host}/{reference}") == str(view.config_digest)


def test_podman_with_gzip(far: RegistryServer, podman: PrivateEngine) -> None:
    podman.run("pull", "--tls-verify=false", f"localhost:{far.port}/tool:1.0")
    assert image_id(podman, f"localhost:{far.port}/tool:1.0") == str(far.view("tool@1.0").config_digest)


def test_skopeo(registry: RegistryServer, reference: str, skopeo: Callable[..., bytes], tmp_path: Path) -> None:
    view = view_of(registry, reference)
    source = f"docker://localhost:{registry.port}/{reference}"
    skopeo("copy", "--src-tls-verify=false", "--preserve-digests", source, f"oci:{tmp_path}/image:here")
    (entry,) = json.loads((tmp_path / "image" / "index.json").read_text())["manifests"]
    assert entry["digest"] == str(view.manifest_digest)
    tags = json.loads(skopeo("list-tags", "--tls-verify=false", source.rpartition(":")[0]))
    assert reference.rpartition(":")[2] in tags["Tags"]


def test_crane(registry: RegistryServer, reference: str, tmp_path: Path) -> None:
    crane, view = built("crane", "crane"), view_of(registry, reference)
    target = f"localhost:{registry.port}/{reference}"
    assert run(crane, "digest", target, home=tmp_path).strip() == str(view.manifest_digest)
    assert json.loads(run(crane, "config", target, home=tmp_path)) == json.loads(view.config)
    run(crane, "pull", "--format", "oci", target, tmp_path / "image", home=tmp_path)
    (entry,) = json.loads((tmp_path / "image" / "index.json").read_text())["manifests"]
    assert entry["digest"] == str(view.manifest_digest)
    assert "tool" in run(crane, "catalog", f"localhost:{registry.port}", home=tmp_path).split()


def test_regctl(registry: RegistryServer, reference: str, tmp_path: Path) -> None:
    regctl, view = built("regctl", "regctl"), view_of(registry, reference)
    run(regctl, "registry", "set", "--tls=disabled", f"localhost:{registry.port}", home=tmp_path)
    target = f"localhost:{registry.port}/{reference}"
    assert run(regctl, "image", "digest", target, home=tmp_path).strip() == str(view.manifest_digest)
    run(regctl, "image", "copy", target, f"ocidir://{tmp_path}/copy:here", home=tmp_path)
    (entry,) = json.loads((tmp_path / "copy" / "index.json").read_text())["manifests"]
    assert entry["digest"] == str(view.manifest_digest)


def test_oras(registry: RegistryServer, reference: str, tmp_path: Path) -> None:
    oras, view = built("oras", "oras"), view_of(registry, reference)
    target = f"localhost:{registry.port}/{reference}"
    run(oras, "copy", "--from-plain-http", "--to-oci-layout", target, f"{tmp_path}/copy:here", home=tmp_path)
    (entry,) = json.loads((tmp_path / "copy" / "index.json").read_text())["manifests"]
    assert entry["digest"] == str(view.manifest_digest)
    assert json.loads(run(oras, "discover", "--plain-http", "--format", "json", target, home=tmp_path)).get("referrers", []) == []


@pytest.mark.parametrize("engine", ["docker20", "docker29"])
def test_ctr(engine: str, registry: RegistryServer, reference: str, request: pytest.FixtureRequest) -> None:
    """Debian's ctr (1.6), against the containerd that each engine runs."""
    running: PrivateEngine = request.getfixturevalue(engine)
    ctr = program("ctr")
    if ctr is None:
        lacks(engine, "ctr is not installed (.ci/packages installs Debian's containerd)")
    view = view_of(registry, reference)
    target = f"localhost:{registry.port}/{reference}"
    command = (ctr, "--address", str(running.containerd), "--namespace", "dcat-test", "images")
    run(*command, "pull", "--plain-http", target, home=running.socket.parent)
    listed = run(*command, "list", f"name=={target}", home=running.socket.parent)
    assert str(view.manifest_digest) in listed


def test_docker_upgrades_by_delta_through_the_feeder(tmp_path: Path, docker20: PrivateEngine, docker29: PrivateEngine) -> None:
    """`docker pull` of a version that the server does not hold: it fetches the delta, and the engine gets the right image."""
    for version in ("1.0", "1.1"):
        publish_version(tmp_path / "team", version)
    with open_at(tmp_path / "team") as team:
        for engine in (docker20, docker29):
            with follower(tmp_path / engine.name, team):
                pass
            source = HomeSource(team)
            feeder = Feeder(
                lambda path=tmp_path / engine.name: open_home(path, now=NOW),  # type: ignore[misc]
                lambda _, source=source: Network((source,), (HomeRouting(team),)),  # type: ignore[misc]
                lambda text, error: None,
            )
            with (
                ending(feeder),
                open_home(tmp_path / engine.name, now=NOW) as home,
                serving_registry(home, None, feeder) as served,
            ):
                image = f"localhost:{served.port}/team/web:1.1"
                engine.run("pull", image)
                view = view_of(served, "team/web:1.1")
                assert image_id(engine, image) in {str(view.config_digest), str(view.manifest_digest)}
            assert sum(len(team.blocks.get(cid)) for cid in source.given) < view.size / 4
