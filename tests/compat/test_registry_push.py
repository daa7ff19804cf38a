"""Real engines and tools push into `dcat serve --push`: the CIDs of a publish, and refusals that each of them shows at once."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.home.home import open_home
from catalog.intake.intake import Wanted
from catalog.ipld.cid import Cid
from catalog.lookup.locate import open_lookup
from catalog.model.platform import Platform
from catalog.model.reference import parse_reference
from catalog.model.release import Release
from catalog.operations.publish import publish
from tests.compat.engines import PrivateEngine, built_engines
from tests.compat.publisher import wait_until
from tests.compat.tools import buildkit, find_tool
from tests.factory.exports import index_archive, stream_of
from tests.factory.images import APP, BASE, SampleImage, machine_platform, make_image
from tests.factory.platforms import ARM64, HOST
from tests.factory.tars import make_layer
from tests.factory.times import NOW
from tests.needs import lacks
from tests.server.registry.pushing import PushServer, serving_pushes

__all__ = ["buildkit"]

IMAGE = make_image([BASE, make_layer({"data": bytes(range(256)) * 4000}), APP])
OTHER = make_image([BASE, make_layer({"data": b"other" * 40_000})])
ARM = make_image([BASE, make_layer({"arm": b"64" * 40_000})], ARM64)
ENGINES = ("docker29", "docker29_classic", "docker20", "podman")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PushServer]:
    with serving_pushes(tmp_path / "home") as served:
        yield served


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> PrivateEngine:
    running: PrivateEngine = request.getfixturevalue(request.param)
    return running


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Cid:
    """The archive CID of the image, as a publish of its export makes it."""
    return published(tmp_path_factory.mktemp("expected"), IMAGE).images[HOST].archive


def published(folder: Path, image: SampleImage) -> Release:
    with open_home(folder / "home", now=NOW) as home:
        return publish(home, "web", "1.0", stream_of(image.archive()), Wanted(HOST)).release


def release_of(server: PushServer, reference: str) -> Release:
    with open_lookup(server.path) as lookup:
        return lookup.resolve(parse_reference(reference), now=NOW).release


def push(engine: PrivateEngine, target: str) -> tuple[int, str]:
    """Push by the engine's own command; return its status and what it shows."""
    secure = ("--tls-verify=false",) if engine.name == "podman" else ()
    return run(*engine.command, "push", *secure, target, environment=dict(engine.environment))


def assert_at_once(server: PushServer) -> None:
    """Assert that no tool tried again what was refused: that would take seconds, or a minute, until it shows the reason.

    What was logged is forgotten. Uploads of a name that is refused may have begun side by side, each once for a blob.
    A tool can end before the server has written the line of its last answer.
    """
    wait_until(lambda: any('" 403 ' in line for line in list(server.log)))
    refused = [line.split('"')[1] for line in server.log if '" 403 ' in line]
    server.log.clear()
    assert 1 <= len(refused) <= len(IMAGE.layers) + 1, refused
    assert len([line for line in refused if "/manifests/" in line]) <= 1, refused


def run(*command: str | Path, environment: dict[str, str] | None = None) -> tuple[int, str]:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    return done.returncode, done.stdout + done.stderr


def test_an_engine_pushes(server: PushServer, engine: PrivateEngine, expected: Cid) -> None:
    """An image, the same again, a second version of which it has most, and what is refused."""
    engine.clear()
    host = f"localhost:{server.port}"
    image_id = engine.put(IMAGE.archive(), f"{host}/web:1.0")
    for _ in range(2):
        status, shown = push(engine, f"{host}/web:1.0")
        assert status == 0, shown
        assert release_of(server, "web@1.0").images[HOST].archive == expected
    engine.run("tag", image_id, f"{host}/team/copy:2.0")
    status, shown = push(engine, f"{host}/team/copy:2.0")
    assert status == 0, shown
    assert release_of(server, "team/copy@2.0").images[HOST].archive == expected
    # Every layer was sent once: of the same again and of the copy at most the config.
    assert len([line for line in server.log if '"PUT ' in line and "/blobs/uploads/" in line]) <= len(set(IMAGE.layers)) + 3
    engine.put(OTHER.archive(), f"{host}/web:1.0")
    engine.run("tag", image_id, f"{host}/web:latest")
    for target, reason in (("web:1.0", "published with other content"), ("web:latest", "latest means the newest")):
        status, shown = push(engine, f"{host}/{target}")
        assert status != 0, shown
        assert reason in shown
        assert_at_once(server)
    engine.put(OTHER.archive(), f"{host}/mine/web:1.0")
    status, shown = push(engine, f"{host}/mine/web:1.0")
    assert status != 0
    assert "means your own catalogue" in shown
    assert_at_once(server)


@pytest.mark.parametrize("name", ["crane", "regctl", "oras", "skopeo"])
def test_a_tool_pushes(server: PushServer, name: str, tmp_path: Path, expected: Cid) -> None:
    host = f"localhost:{server.port}"
    path = find_tool(name)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    for label, image in (("image", IMAGE), ("other", OTHER)):
        (tmp_path / f"{label}.tar").write_bytes(image.archive(f"{label}:1"))
        layout = tmp_path / label
        layout.mkdir()
        subprocess.run(["tar", "-xf", tmp_path / f"{label}.tar", "-C", layout], check=True)
        index = json.loads((layout / "index.json").read_text())
        index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "1"}
        (layout / "index.json").write_text(json.dumps(index))
    if name == "regctl":
        run(path, "registry", "set", "--tls=disabled", host, environment=environment)

    def copy(label: str, target: str) -> tuple[int, str]:
        layout = f"{tmp_path}/{label}"
        command = {
            "crane": ("push", "--insecure", layout, target),
            "regctl": ("image", "copy", f"ocidir://{layout}:1", target),
            "oras": ("copy", "--from-oci-layout", "--to-plain-http", f"{layout}:1", target),
            "skopeo": ("copy", "--insecure-policy", "--dest-tls-verify=false", f"oci:{layout}:1", f"docker://{target}"),
        }[name]
        return run(path, *command, environment=environment)

    for _ in range(2):
        status, shown = copy("image", f"{host}/web:1.0")
        assert status == 0, shown
        assert release_of(server, "web@1.0").images[HOST].archive == expected
    for label, target, reason in (
        ("other", "web:1.0", "published with other content"),
        ("image", "web:latest", "latest means the newest"),
        ("other", "mine/web:1.0", "means your own catalogue"),  # the image is there already, as web:1.0
    ):
        status, shown = copy(label, f"{host}/{target}")
        assert status != 0, shown
        assert reason in shown, f"{name} {target}: {shown}"
        assert_at_once(server)


def test_oras_pushes_no_artifact(server: PushServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    target = f"localhost:{server.port}/web:1.0"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = (find_tool("oras"), "push", "--plain-http", "--disable-path-validation", target, f"{tmp_path}/file:text/plain")
    status, shown = run(*command, environment=environment)
    assert status != 0
    assert "publishes container images only" in shown
    assert_at_once(server)


def test_several_platforms_with_attestations(server: PushServer, docker29: PrivateEngine) -> None:
    docker29.clear()
    host = f"localhost:{server.port}"
    images = {HOST: IMAGE, ARM64: ARM, Platform("unknown", "unknown"): make_image([APP])}
    docker29.load(index_archive(images, f"{host}/several:1.0"))
    status, shown = push(docker29, f"{host}/several:1.0")
    assert status == 0, shown
    assert set(release_of(server, "several@1.0").images) == {HOST, ARM64}


def test_buildkit_pushes_what_it_builds(server: PushServer, buildkit: str, tmp_path: Path) -> None:
    folder = built_engines("buildctl-v*")
    if folder is None:
        lacks("buildkit", "buildctl is not built (.ci/engines builds it)")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY file /file\n")
    (tmp_path / "file").write_text("text")
    for compression in ("gzip", "zstd", "uncompressed"):
        target = f"localhost:{server.port}/built:{compression}"
        output = f"type=image,name={target},push=true,registry.insecure=true,compression={compression},force-compression=true"
        places = ("--local", f"context={tmp_path}", "--local", f"dockerfile={tmp_path}")
        command = (folder / "buildctl", "--addr", buildkit, "build", "--frontend", "dockerfile.v0", *places)
        attest = ("--opt", "attest:provenance=mode=max", "--opt", "platform=linux/amd64,linux/arm64")
        status, shown = run(*command, *attest, "--output", output, environment=dict(os.environ))
        assert status == 0, shown
        assert {str(at) for at in release_of(server, f"built@{compression}").images} == {"linux/amd64", "linux/arm64"}
    archives = {
        tuple(image.archive for image in release_of(server, f"built@{compression}").images.values())
        for compression in ("gzip", "zstd", "uncompressed")
    }
    assert len(archives) == 1


def test_ko_pushes_what_it_builds(server: PushServer, tmp_path: Path) -> None:
    host = f"localhost:{server.port}"
    assert server.connect().push("base", "1", make_image([BASE], machine_platform())).status == 201
    (tmp_path / "go.mod").write_text("module example.com/hello\n\ngo 1.20\n")
    (tmp_path / "main.go").write_text('package main\n\nfunc main() { println("hello") }\n')
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "KO_DOCKER_REPO": f"{host}/hello",
        "KO_DEFAULTBASEIMAGE": f"{host}/base:1",
        "SOURCE_DATE_EPOCH": "1700000000",
        "GOFLAGS": "-buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOCACHE": str(Path.home() / ".cache" / "go-build"),
    }
    options = ("--bare", "--sbom=none", "--tags=1.0", f"--platform={machine_platform()}")
    done = subprocess.run([find_tool("ko"), "build", ".", *options], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert set(release_of(server, "hello@1.0").images) == {machine_platform()}
