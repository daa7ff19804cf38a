"""The engine client against real engines: Docker's two stores and podman's socket. Safety rows C1, C2, C9, C11, C12 and C13."""

import io
import os
import signal
import tarfile
from collections.abc import Iterator

import pytest

from catalog.clients.docker import Engine, require_complete
from catalog.errors import (
    EngineConflictError,
    EngineLayerMissingError,
    ImageIncompleteError,
    ImageNotFoundError,
    InvalidReferenceError,
    PlatformNotFoundError,
)
from catalog.model.digest import DiffID, ManifestDigest
from catalog.model.platform import parse_platform
from tests.compat.engines import PrivateEngine
from tests.compat.registry import push_compressed
from tests.factory.exports import index_archive
from tests.factory.images import BASE, SampleImage, five_layers, make_image, many_layers, runnable, small_image
from tests.factory.platforms import AMD64, ARM64
from tests.factory.tars import make_layer

KINDS = {"docker20": "classic", "docker29": "containerd", "podman": "podman"}


@pytest.fixture(params=["docker20", "docker29", "podman"])
def private(request: pytest.FixtureRequest) -> PrivateEngine:
    engine: PrivateEngine = request.getfixturevalue(request.param)
    engine.clear()
    return engine


@pytest.fixture
def engine(private: PrivateEngine) -> Iterator[Engine]:
    with private.connect() as connected:
        yield connected


def pieces(data: bytes, size: int = 70_000) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def shown_id(private: PrivateEngine, image: SampleImage) -> str:
    """Return the ID under which an engine shows an image that was loaded in canonical form."""
    return str(ManifestDigest.of(image.manifest)) if private.name == "docker29" else str(image.config_digest)


def members_of(archive: bytes) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return set(tar.getnames())


def test_info_tells_the_kind_of_store(private: PrivateEngine, engine: Engine) -> None:
    info = engine.info()
    assert info.store == KINDS[private.name]
    assert info.platform.os == "linux"
    assert info.version
    assert (info.target, info.origin) == (private.host, "given")


@pytest.mark.parametrize("image", [five_layers(), many_layers(30)], ids=["five", "many"])
def test_an_image_is_loaded_checked_tagged_and_saved(private: PrivateEngine, engine: Engine, image: SampleImage) -> None:
    archive = image.archive()
    loaded = engine.load(pieces(archive), len(archive))
    assert loaded.id == shown_id(private, image)
    checked = engine.check_loaded(loaded, image.config_digest, ManifestDigest.of(image.manifest), image.diff_ids)
    assert checked.diff_ids == image.diff_ids
    assert checked.tags == ()
    assert engine.config_digest(checked) == image.config_digest
    engine.tag(loaded.id, "team/web", "1.0")
    found = engine.find("team/web:1.0")
    assert (found.id, found.tags, found.platform, found.complete) == (loaded.id, ("team/web:1.0",), AMD64, True)
    assert found.registry == ()  # no registry ever saw it, whatever the engine lists
    assert engine.tags() == {"team/web:1.0": loaded.id}
    assert engine.tag_owner("team/web", "1.0") == loaded.id
    with engine.save(found) as stream:
        saved = stream.read()
    with tarfile.open(fileobj=io.BytesIO(saved)) as tar:
        contents = {member.read() for entry in tar if entry.isfile() and (member := tar.extractfile(entry))}
    assert {image.config, *image.layers} <= contents
    engine.untag("team/web", "1.0")
    engine.untag("team/web", "1.0")
    assert engine.tag_owner("team/web", "1.0") is None


def test_an_image_is_found_by_id_and_by_no_other_name(private: PrivateEngine, engine: Engine) -> None:
    image_id = engine.load(pieces(small_image().archive())).id
    engine.tag(image_id, "web", "1.0")
    engine.tag(image_id, "other.example:5000/team/web", "2.0")
    for reference in (image_id, image_id.removeprefix("sha256:"), image_id[7:19], "web:1.0", "other.example:5000/team/web:2.0"):
        assert engine.find(reference).id == image_id
    assert engine.find("docker.io/library/web:1.0").id == image_id
    for reference in ("web:2.0", "team/web:2.0", "web", "we:1.0"):
        with pytest.raises(ImageNotFoundError) as caught:
            engine.find(reference)
        assert "web:1.0" in caught.value.nearest
        assert "web:1.0" in caught.value.why
    with pytest.raises(ImageNotFoundError) as caught:
        engine.find("sha256:" + "0" * 64)
    assert private.host in caught.value.message


def test_names_are_never_another_request(engine: Engine) -> None:
    """C12: what people type stays a name, whatever it looks like."""
    odd = [
        "-rm:1",
        "--all",
        "../info",
        "a/../../info",
        "a//b",
        "/web:1",
        "web:1/",
        "we b:1",
        "",
        "a\n",
        "ä:1",
        "web?x=1",
        ".",
        "a/.",
    ]
    for reference in odd:
        with pytest.raises(InvalidReferenceError):
            engine.find(reference)
    image_id = engine.load(pieces(small_image().archive())).id
    for name, version in [("-web", "1"), ("Web", "1"), ("web", "-1"), ("web", "1 2"), ("web", "1&force=1")]:
        with pytest.raises(InvalidReferenceError):
            engine.tag(image_id, name, version)
    assert engine.tags() == {}


def test_another_platform_is_not_given_silently(engine: Engine) -> None:
    arm = make_image([make_layer({"arm": b"arm"})], ARM64)
    image_id = engine.load(pieces(arm.archive())).id
    assert engine.find(image_id).platform == ARM64
    assert engine.find(image_id, ARM64).id == image_id
    with pytest.raises(PlatformNotFoundError) as caught:
        engine.find(image_id, AMD64)
    assert "linux/arm64" in caught.value.why


def test_foreign_layers_and_ids_are_noticed(private: PrivateEngine, engine: Engine) -> None:
    """C9: what the engine shows must be what was asked for, by ID and by layers; else it is removed, unless it was there before."""
    image, other = small_image("one"), small_image("two")
    manifest = ManifestDigest.of(image.manifest)
    for config, canonical, diff_ids in (
        (other.config_digest, ManifestDigest.of(other.manifest), other.diff_ids),
        (image.config_digest, manifest, other.diff_ids),
        (image.config_digest, manifest, image.diff_ids[:1]),
    ):
        loaded = engine.load(pieces(image.archive()))
        with pytest.raises(EngineConflictError):
            engine.check_loaded(loaded, config, canonical, diff_ids)
        assert private.images() == {}
    private.put(image.archive(), "web:1")
    before = private.images()
    loaded = engine.load(pieces(image.archive()))
    with pytest.raises(EngineConflictError):
        engine.check_loaded(loaded, image.config_digest, manifest, other.diff_ids)
    assert private.images() == before


def test_a_layer_that_lies_is_refused_and_leaves_nothing(private: PrivateEngine, engine: Engine) -> None:
    image = small_image()
    lie = image.archive().replace(b"one" * 50, b"two" * 50)
    with pytest.raises((EngineConflictError,)):
        engine.load(pieces(lie))
    assert private.images() == {}


def test_bytes_that_are_no_archive_are_an_error(private: PrivateEngine, engine: Engine) -> None:
    for junk in (b"", b"junk" * 1000, small_image().archive()[:4000]):
        with pytest.raises(EngineConflictError):
            engine.load(iter([junk]))
    assert private.images() == {}


def test_layers_that_are_there_may_be_left_out(private: PrivateEngine, engine: Engine) -> None:
    first, second = small_image("one"), small_image("two")
    canonical = [ManifestDigest.of(first.manifest)]
    assert engine.spare_layers(second.diff_ids, canonical) == frozenset()
    first_id = engine.load(pieces(first.archive())).id
    spare = engine.spare_layers(second.diff_ids, canonical)
    assert spare == (frozenset() if private.name == "podman" else {DiffID.of(BASE)})
    loaded = engine.load(pieces(second.archive(without=list(spare))))
    engine.check_loaded(loaded, second.config_digest, ManifestDigest.of(second.manifest), second.diff_ids)
    image = engine.find(loaded.id)
    assert image.complete
    private.run("rmi", "--force", first_id)
    with engine.save(image) as stream:
        assert len(members_of(stream.read())) > 4


@pytest.mark.parametrize("private", ["docker20", "docker29"], indirect=True)
def test_a_layer_that_is_gone_is_told_and_nothing_is_left(private: PrivateEngine, engine: Engine) -> None:
    image = small_image("gone")
    with pytest.raises(EngineLayerMissingError):
        engine.load(pieces(image.archive(without=[DiffID.of(BASE)])))
    assert private.images() == {}
    assert engine.load(pieces(image.archive())).id == shown_id(private, image)


def test_a_layer_above_other_parents_is_not_spared(docker20: PrivateEngine) -> None:
    docker20.clear()
    top, low = make_layer({"top": b"top"}), make_layer({"low": b"low"})
    with docker20.connect() as engine:
        engine.load(pieces(make_image([BASE, top]).archive()))
        assert engine.spare_layers([DiffID.of(low), DiffID.of(top)]) == frozenset()
        assert engine.spare_layers([DiffID.of(top), DiffID.of(BASE)]) == frozenset()
        # BASE is there as the first layer, but comes again on top, where the engine needs its bytes.
        assert engine.spare_layers([DiffID.of(content) for content in (BASE, low, BASE)]) == frozenset()
        assert engine.spare_layers([DiffID.of(content) for content in (BASE, top, low)]) == {DiffID.of(BASE), DiffID.of(top)}


def test_an_image_that_the_engine_cannot_export_is_known_before(docker29: PrivateEngine, local_registry: str) -> None:
    """The containerd store leaves out of a pull what another image has unpacked, and then exports neither config nor layers."""
    docker29.clear()
    first, second = small_image("one"), small_image("two")
    with docker29.connect() as engine:
        push_compressed(local_registry, "trap", "1", second)
        first_id = engine.load(pieces(first.archive())).id
        engine.pull(f"{local_registry}/trap:1")
        trapped = engine.find(f"{local_registry}/trap:1")
        assert not trapped.complete
        assert trapped.missing == (DiffID.of(BASE),)
        assert engine.config_digest(trapped) == second.config_digest
        assert trapped.platforms == {AMD64: False}
        assert [image.id for image in engine.incomplete()] == [trapped.id]
        assert engine.incomplete()[0].missing == trapped.missing
        assert engine.find(first_id).complete
        with pytest.raises(ImageIncompleteError) as caught:
            require_complete(trapped, "trap:1")
        assert str(DiffID.of(BASE)) in caught.value.why
        assert "skopeo" in caught.value.hint
        # Nor may its layers be left out of a load: their uncompressed blobs are not there.
        assert engine.spare_layers(trapped.diff_ids, [ManifestDigest.of(second.manifest)]) == frozenset()


@pytest.mark.parametrize("private", ["docker20", "docker29"], indirect=True)
def test_registries_are_named_where_one_was_asked(engine: Engine, local_registry: str) -> None:
    image = small_image("pulled")
    reference = f"{local_registry}/pulled:1"
    digest = push_compressed(local_registry, "pulled", "1", image)
    engine.pull(reference)
    found = engine.find(reference)
    assert found.registry == (f"{local_registry}/pulled@{digest}",)
    assert engine.config_digest(found) == image.config_digest
    engine.tag(found.id, "renamed", "1")
    assert engine.find("renamed:1").registry == found.registry
    with pytest.raises(ImageNotFoundError):
        engine.pull(f"{local_registry}/pulled:2")


def test_one_load_changes_no_tag(private: PrivateEngine, engine: Engine) -> None:
    """C1: dcat's archives carry no tags, so an engine's tags stay as they are until dcat sets its one."""
    mine = engine.load(pieces(small_image("mine").archive())).id
    engine.tag(mine, "web", "1.0")
    before = engine.tags()
    other = engine.load(pieces(small_image("other").archive())).id
    assert engine.tags() == before
    engine.tag(other, "api", "2.0")
    assert engine.tags() == {**before, "api:2.0": other}


def test_an_interrupted_load_leaves_nothing_and_can_be_run_again(private: PrivateEngine, engine: Engine) -> None:
    """C10: cut off in a blob, an engine may hang at the next load of it; so feeding stops between blobs."""
    image = make_image([make_layer({"data": bytes([place]) * 3_000_000}) for place in range(4)])
    archive = image.archive()

    def interrupted() -> Iterator[bytes]:
        for place, piece in enumerate(pieces(archive)):
            if place == len(archive) // 70_000 // 2:
                os.kill(os.getpid(), signal.SIGINT)
            yield piece

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            engine.load(interrupted())
    finally:
        signal.signal(signal.SIGINT, before)
    assert private.images() == {}
    assert engine.load(pieces(archive)).id == shown_id(private, image)


def test_what_was_loaded_runs(docker20: PrivateEngine) -> None:
    with docker20.connect() as engine:
        engine.tag(engine.load(pieces(runnable("it ran").archive())).id, "runs", "1")
        assert docker20.run("run", "--rm", "--net", "none", "runs:1") == b"it ran\n"


def test_an_engine_names_the_platforms_of_an_index(docker29: PrivateEngine) -> None:
    docker29.clear()
    images = {AMD64: small_image("amd"), ARM64: make_image([make_layer({"arm": b"arm" * 100})], ARM64)}
    docker29.load(index_archive(images, "docker.io/library/multi:1"))
    with docker29.connect() as engine:
        for platform, image in images.items():
            found = engine.find("multi:1", platform)
            assert (found.platform, found.diff_ids, found.complete) == (platform, image.diff_ids, True)
            assert found.platforms == {AMD64: True, ARM64: True}
            assert engine.config_digest(found) == image.config_digest
            with engine.save(found) as stream:
                assert f"blobs/sha256/{image.config_digest.hex}" in members_of(stream.read())
        assert engine.find("multi:1").platform == AMD64
        with pytest.raises(PlatformNotFoundError) as caught:
            engine.find("multi:1", parse_platform("linux/arm/v7"))
        assert "linux/amd64, linux/arm64" in caught.value.why
