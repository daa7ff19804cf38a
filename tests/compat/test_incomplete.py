"""Images that an engine does not hold whole: another platform than those that it was asked to pull, or content that is gone."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.blockstores.provenance import find_provenances
from catalog.errors import ImageIncompleteError, PlatformNotFoundError
from catalog.home.home import Home, open_home
from catalog.intake.intake import Wanted
from catalog.intake.push import remove_left_tags
from catalog.intake.sources import EngineSource
from catalog.model.platform import Platform
from catalog.model.release import Image
from catalog.operations.publish import publish
from tests.compat.engines import PrivateEngine
from tests.compat.registry import push_compressed, push_index
from tests.compat.test_push import ctr, shown
from tests.factory.exports import containerd, index_archive, stream_of
from tests.factory.images import APP, BASE, SampleImage, make_image
from tests.factory.platforms import ARM64, HOST
from tests.factory.tars import make_layer, make_tar
from tests.factory.times import NOW

LARGE = make_layer({"data": bytes(range(255)) * 4000})
IMAGE = make_image([BASE, LARGE, APP])
IMAGES = {HOST: IMAGE, ARM64: make_image([BASE, make_layer({"arm": b"64" * 40_000})], ARM64)}
S390X = Platform("linux", "s390x")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with open_home(tmp_path / "home", now=NOW) as opened:
        yield opened


@pytest.fixture(params=["docker29", "docker29_classic", "docker20", "podman"])
def engine(request: pytest.FixtureRequest) -> PrivateEngine:
    running: PrivateEngine = request.getfixturevalue(request.param)
    running.clear()
    return running


def take(home: Home, engine: PrivateEngine, reference: str, version: str, **wanted: object) -> dict[Platform, Image]:
    """Publish an image of the engine, which afterwards shows what it showed before."""
    before = shown(engine)
    try:
        with engine.connect() as connected:
            source = EngineSource(connected, reference)
            return dict(publish(home, "held", version, source, Wanted(HOST, **wanted)).release.images)  # type: ignore[arg-type]
    finally:
        assert shown(engine) == before
        with engine.connect() as connected:
            assert remove_left_tags(connected) == []


def archives(tmp_path: Path, images: dict[Platform, SampleImage]) -> dict[Platform, object]:
    """Return the archives that publishes of exports make."""
    with open_home(tmp_path / "other", now=NOW) as home:
        return {
            at: publish(home, f"web-{at.architecture}", "1.0", stream_of(image.archive()), Wanted(at)).release.images[at].archive
            for at, image in images.items()
        }


def test_one_platform_of_several(home: Home, engine: PrivateEngine, local_registry: str, tmp_path: Path) -> None:
    """The engine was asked for one: that is published by default, by its name, and as all that are here; others are refused."""
    push_index(local_registry, "several", "1", IMAGES)
    reference = f"{local_registry}/several:1"
    insecure = ("--tls-verify=false",) if engine.name == "podman" else ()
    engine.run("pull", *insecure, "--platform", str(HOST), reference)
    expected = archives(tmp_path, IMAGES)[HOST]
    for version, wanted in (("1.0", {}), ("1.1", {"platforms": (HOST,)}), ("1.2", {"all_platforms": True})):
        images = take(home, engine, reference, version, **wanted)
        assert {at: image.archive for at, image in images.items()} == {HOST: expected}
    for absent in (ARM64, S390X):
        with pytest.raises(PlatformNotFoundError):
            take(home, engine, reference, "1.3", platforms=(HOST, absent))


def test_the_other_platform_of_several(home: Home, engine: PrivateEngine, local_registry: str, tmp_path: Path) -> None:
    """Not the host's: it is published as what it is."""
    push_index(local_registry, "several", "1", IMAGES)
    reference = f"{local_registry}/several:1"
    insecure = ("--tls-verify=false",) if engine.name == "podman" else ()
    engine.run("pull", *insecure, "--platform", str(ARM64), reference)
    images = take(home, engine, reference, "1.0")
    assert {at: image.archive for at, image in images.items()} == {ARM64: archives(tmp_path, IMAGES)[ARM64]}
    with pytest.raises(PlatformNotFoundError):
        take(home, engine, reference, "1.1", platforms=(HOST,))


def lose_largest(engine: PrivateEngine, manifest: str) -> None:
    layers = json.loads(ctr(engine, "content", "get", manifest))["layers"]
    ctr(engine, "content", "rm", max(layers, key=lambda layer: layer["size"])["digest"])


@pytest.mark.parametrize("held", ["nothing", "blob", "layer"])
def test_a_lost_layer(home: Home, docker29: PrivateEngine, local_registry: str, held: str) -> None:
    """Refused, unless it is held here: by the digest of its blob, or by its diffID."""
    docker29.clear()
    digest = push_compressed(local_registry, "lost", held, IMAGE)
    reference = f"{local_registry}/lost:{held}"
    docker29.run("pull", reference)
    if held == "blob":
        whole = take(home, docker29, reference, "1.0")[HOST]
    elif held == "layer":
        whole = publish(home, "file", "1.0", stream_of(IMAGE.archive()), Wanted(HOST)).release.images[HOST]
    lose_largest(docker29, digest)
    if held == "nothing":
        with pytest.raises(ImageIncompleteError):
            take(home, docker29, reference, "1.1")
        return
    image = take(home, docker29, reference, "1.1")[HOST]
    assert image.archive == whole.archive
    kept = [str(found.manifest_digest) for found in find_provenances(home.blocks, image.archive)]
    assert kept == ([digest] if held == "blob" else [])  # no layer is vouched for that was not compared with its blob


@pytest.mark.parametrize("is_held", [False, True])
def test_a_lost_layer_and_lost_manifests(home: Home, docker29: PrivateEngine, local_registry: str, is_held: bool) -> None:
    """Without all manifests of its index the engine pushes no image that lacks a layer: refused, also where the layer is held."""
    docker29.clear()
    manifests = push_index(local_registry, "lacking", str(is_held).lower(), IMAGES)
    reference = f"{local_registry}/lacking:{str(is_held).lower()}"
    docker29.run("pull", "--platform", str(HOST), reference)
    if is_held:
        publish(home, "file", "1.0", stream_of(IMAGE.archive()), Wanted(HOST))
    lose_largest(docker29, manifests[HOST])
    with pytest.raises(ImageIncompleteError, match="cannot export it"):
        take(home, docker29, reference, "1.0")


def test_a_lost_layer_of_one_platform(home: Home, docker29: PrivateEngine) -> None:
    """Of several platforms the whole ones are published where all are asked for; the other where its layer is held."""
    docker29.clear()
    docker29.load(index_archive(IMAGES, "docker.io/library/lost:2"))
    whole = take(home, docker29, "lost:2", "1.0", all_platforms=True)
    ctr(docker29, "content", "rm", str(IMAGE.diff_ids[1]))
    images = take(home, docker29, "lost:2", "1.1", all_platforms=True)
    assert {at: image.archive for at, image in images.items()} == {ARM64: whole[ARM64].archive}
    for version, wanted in (("1.2", {}), ("1.3", {"platforms": (HOST, ARM64)})):
        images = take(home, docker29, "lost:2", version, **wanted)
        assert {at: image.archive for at, image in images.items()} == {at: whole[at].archive for at in images}
        assert HOST in images


def test_a_lost_config_or_manifest_is_refused(home: Home, docker29: PrivateEngine) -> None:
    docker29.clear()
    docker29.load(make_tar(containerd(IMAGE)))
    take(home, docker29, "sample:1", "1.0")
    ctr(docker29, "content", "rm", str(IMAGE.config_digest))
    with pytest.raises((ImageIncompleteError, PlatformNotFoundError)):
        take(home, docker29, "sample:1", "1.1")
