"""Engines pull a release of several platforms from `dcat serve`, log in to one that wants a token, and run what they pulled."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.home.home import open_home
from catalog.intake.intake import Wanted
from catalog.operations.fetch_metadata import fetch_metadata
from catalog.operations.lock import lock_release
from catalog.operations.publish import publish
from catalog.operations.pull import pull
from catalog.own.share import Sharing
from catalog.server.settings import ServerSettings
from tests.compat.engines import PrivateEngine
from tests.compat.runnable import OTHER
from tests.compat.tools import tool
from tests.delivery.versions import follower
from tests.factory.exports import source_of
from tests.factory.images import BASE, make_image
from tests.factory.platforms import HOST
from tests.factory.tars import make_layer
from tests.factory.times import NOW
from tests.fakes.homes import network_of
from tests.server.registry.conftest import RegistryServer, serving_registry

pytestmark = pytest.mark.xdist_group("engines")

_TOKEN = "t0ken-of-the-tests"
_ENGINES = ("docker20", "docker29", "docker29_classic", "podman")


@pytest.fixture(scope="module")
def guarded(deployed: Path) -> Iterator[RegistryServer]:
    with open_home(deployed, now=NOW) as home, serving_registry(home, ServerSettings(port=0, token=_TOKEN)) as served:
        yield served


def _options(engine: PrivateEngine) -> tuple[str, ...]:
    return ("--tls-verify=false",) if engine.name == "podman" else ()


@pytest.mark.parametrize("name", _ENGINES)
def test_one_of_several_platforms(name: str, registry: RegistryServer, request: pytest.FixtureRequest) -> None:
    """This machine's by default, another one when it is asked for; the layers are those of that platform."""
    engine: PrivateEngine = request.getfixturevalue(name)
    image = f"localhost:{registry.port}/tool:1.0"
    index = json.loads(registry.ask("/v2/tool/manifests/1.0").body)
    digests = {entry["platform"]["architecture"]: entry["digest"] for entry in index["manifests"]}
    for platform in (HOST, OTHER):
        engine.run("pull", *_options(engine), *(() if platform == HOST else ("--platform", str(platform))), image)
        manifest = json.loads(registry.ask(f"/v2/tool/manifests/{digests[platform.architecture]}").body)
        shown = engine.run("image", "inspect", "--format", "{{.Id}}", image).decode().strip().removeprefix("sha256:")
        if name == "docker29":  # its images are indexes
            assert f"sha256:{shown}" == registry.ask("/v2/tool/manifests/1.0").headers["docker-content-digest"]
        else:
            assert f"sha256:{shown}" == manifest["config"]["digest"]
    engine.run("rmi", "--force", image)


def test_what_was_pulled_runs(registry: RegistryServer, docker20: PrivateEngine) -> None:
    image = f"localhost:{registry.port}/tool:1.1"
    docker20.run("pull", image)
    assert docker20.run("run", "--rm", "--network", "none", image).decode() == "tool 1.1 runs\n"


@pytest.mark.parametrize("name", _ENGINES)
def test_engines_log_in(name: str, guarded: RegistryServer, request: pytest.FixtureRequest) -> None:
    engine: PrivateEngine = request.getfixturevalue(name)
    host = f"localhost:{guarded.port}"
    with pytest.raises(AssertionError):
        engine.run("pull", *_options(engine), f"{host}/tool:1.1")
    with pytest.raises(AssertionError):
        engine.run("login", *_options(engine), "--username", "ann", "--password-stdin", host, data=b"another")
    engine.run("login", *_options(engine), "--username", "ann", "--password-stdin", host, data=_TOKEN.encode())
    try:
        engine.run("pull", *_options(engine), f"{host}/tool:1.1")
    finally:
        engine.run("logout", host)


def test_tools_log_in(guarded: RegistryServer, tmp_path: Path) -> None:
    host = f"localhost:{guarded.port}"
    digest = str(guarded.view("tool@1.1").manifest_digest)
    crane, regctl, oras, skopeo = (tool(name, tmp_path) for name in ("crane", "regctl", "oras", "skopeo"))
    with pytest.raises(AssertionError):
        crane("digest", f"{host}/tool:1.1")
    crane("auth", "login", host, "--username", "ann", "--password", _TOKEN)
    assert crane("digest", f"{host}/tool:1.1").strip() == digest
    regctl("registry", "set", "--tls=disabled", host)
    regctl("registry", "login", "--user", "ann", "--pass", _TOKEN, host)
    assert regctl("image", "digest", f"{host}/tool:1.1").strip() == digest
    oras("login", "--plain-http", "--username", "ann", "--password", _TOKEN, host)
    assert json.loads(oras("manifest", "fetch", "--plain-http", "--descriptor", f"{host}/tool:1.1"))["digest"] == digest
    source = ("--tls-verify=false", "--creds", f"ann:{_TOKEN}", f"docker://{host}/tool:1.1")
    assert skopeo("inspect", "--format", "{{.Digest}}", *source).strip() == digest


@pytest.fixture(scope="module")
def partial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """A server that holds one platform of ``team/tool:1.0``, and of the other one the metadata."""
    path = tmp_path_factory.mktemp("partial")
    with open_home(path / "team", now=NOW) as team:
        for platform in (HOST, OTHER):
            image = make_image([BASE, make_layer({"arch": platform.architecture.encode() * 30_000})], platform)
            publish(team, "tool", "1.0", source_of(image), Wanted(platform, (platform,)), sharing=Sharing(deltas=False))
        network = network_of(team)
        with follower(path / "home", team, held=()) as home:
            pull(home, "team/tool@1.0", platform=HOST, engine=None, network=network)
            fetch_metadata(home, lock_release(home, "team/tool@1.0"), network)
            with serving_registry(home) as served:
                yield served


@pytest.mark.parametrize("name", _ENGINES)
def test_an_index_of_which_one_platform_is_held(name: str, partial: RegistryServer, request: pytest.FixtureRequest) -> None:
    """As a locked reference names it: that platform is pulled, and the other one asked for once, with a clear end."""
    engine: PrivateEngine = request.getfixturevalue(name)
    engine.clear()
    digest = partial.ask("/v2/team/tool/manifests/1.0").headers["docker-content-digest"]
    image = f"localhost:{partial.port}/team/tool:1.0@{digest}"
    engine.run("pull", *_options(engine), image)
    view = partial.view("team/tool@1.0")
    shown = engine.run("image", "inspect", "--format", "{{.Id}}", image).decode().strip().removeprefix("sha256:")
    assert f"sha256:{shown}" in {str(view.config_digest), digest}
    engine.clear()
    partial.log.clear()
    with pytest.raises(AssertionError, match=r"manifest unknown|not found"):
        engine.run("pull", *_options(engine), "--platform", str(OTHER), image)
    partial.wait_for_log('" 404 ')
    assert len([line for line in partial.log if '" 404 ' in line]) == 1
