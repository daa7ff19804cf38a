"""The main job on real engines: publish from one, pull into another; what changes there is one tag."""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from catalog.clients.docker import Engine
from catalog.errors import EngineConflictError, ImageIncompleteError, ReleaseConflictError
from catalog.home.home import Home, open_home
from catalog.intake.intake import Wanted
from catalog.intake.sources import EngineSource
from catalog.model.digest import DiffID, ManifestDigest
from catalog.model.platform import parse_platform
from catalog.operations.publish import Published, publish
from catalog.operations.pull import Pulled, pull
from catalog.sources.network import NO_NETWORK
from tests.compat.engines import PrivateEngine
from tests.compat.images import build
from tests.compat.registry import push_compressed
from tests.factory.images import BASE, make_image, small_image
from tests.factory.tars import make_layer

HOST = parse_platform("linux/amd64")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with open_home(tmp_path / "home", now=datetime(2026, 11, 24, 8, 0, tzinfo=UTC)) as opened:
        yield opened


def publish_from(home: Home, engine: PrivateEngine, name: str, version: str, image: str | None = None) -> Published:
    with engine.connect() as connected:
        return publish(home, name, version, EngineSource(connected, image or f"{name}:{version}"), Wanted(HOST))


def pull_into(home: Home, engine: PrivateEngine, reference: str, *, force: bool = False) -> Pulled:
    with engine.connect() as connected:
        return pull(home, reference, platform=HOST, engine=connected, network=NO_NETWORK, force=force)


def test_a_pull_changes_exactly_one_tag(
    docker20: PrivateEngine, docker29: PrivateEngine, podman: PrivateEngine, home: Home, tmp_path: Path
) -> None:
    docker20.clear()
    build(docker20, tmp_path / "context", "team/web:1.0")
    docker20.run("tag", "team/web:1.0", "team/web:also")
    docker20.put(small_image("1.1").archive(), "team/web:1.1")
    first = publish_from(home, docker20, "team/web", "1.0")
    publish_from(home, docker20, "team/web", "1.1")
    image = first.release.images[HOST]
    for engine in (docker29, podman, docker20):
        if engine is not docker20:
            engine.clear()
            engine.put(small_image("mine").archive(), "mine:1")
        else:
            engine.run("rmi", "team/web:1.0")
        with engine.connect() as connected:
            before = connected.tags()
            done = pull_into(home, engine, "team/web@1.0")
            assert done.image_id == str(image.manifest if engine is docker29 else image.config)
            assert connected.tags() == {**before, "team/web:1.0": done.image_id}
            again = pull_into(home, engine, "team/web@1.0")
            assert (again.was_loaded, again.image_id) == (False, done.image_id)
            assert connected.tags() == {**before, "team/web:1.0": done.image_id}
    assert docker20.run("run", "--rm", "--net", "none", "team/web:1.0") == b"team/web:1.0 runs\n"


def test_a_tag_with_other_content_is_moved_by_force_only(docker20: PrivateEngine, docker29: PrivateEngine, home: Home) -> None:
    for engine in (docker20, docker29):
        engine.clear()
        engine.put(small_image("published").archive(), "web:1.0")
    publish_from(home, docker20, "web", "1.0")
    for engine in (docker20, docker29):
        engine.clear()
        engine.put(small_image("somebody's").archive(), "web:1.0")
        before = engine.images()
        with pytest.raises(EngineConflictError):
            pull_into(home, engine, "web@1.0")
        assert engine.images() == before
        moved = pull_into(home, engine, "web@1.0", force=True)
        with engine.connect() as connected:
            assert connected.tags() == {"web:1.0": moved.image_id}
        assert set(engine.images()) == {*before, moved.image_id}  # the old one stays, without a name


def test_the_same_version_with_other_content_is_refused(docker20: PrivateEngine, home: Home) -> None:
    docker20.clear()
    docker20.put(small_image("one").archive(), "web:1.0")
    assert publish_from(home, docker20, "web", "1.0").changed
    assert not publish_from(home, docker20, "web", "1.0").changed
    docker20.put(small_image("two").archive(), "web:1.0")
    with pytest.raises(ReleaseConflictError):
        publish_from(home, docker20, "web", "1.0")


def test_a_layer_that_vanishes_is_sent_again(
    docker20: PrivateEngine, docker29: PrivateEngine, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the engine had when it was asked may be gone when it is needed."""
    docker20.clear()
    docker29.clear()
    image = make_image([BASE, make_layer({"vanished": b"vanished"})])
    docker20.put(image.archive(), "web:1.0")
    published = publish_from(home, docker20, "web", "1.0").release.images[HOST]
    docker20.clear()

    def claim_all(_: Engine, diff_ids: Sequence[DiffID], __: Collection[ManifestDigest] = ()) -> frozenset[DiffID]:
        return frozenset(diff_ids)

    monkeypatch.setattr(Engine, "spare_layers", claim_all)
    assert pull_into(home, docker20, "web@1.0").image_id == str(published.config)
    assert pull_into(home, docker29, "web@1.0").image_id == str(published.manifest)


def test_an_image_that_cannot_be_exported_is_refused_before_anything_is_stored(
    docker29: PrivateEngine, local_registry: str, home: Home
) -> None:
    docker29.clear()
    push_compressed(local_registry, "stuck", "1", small_image("stuck"))
    docker29.load(small_image("base").archive())
    docker29.run("pull", "--quiet", f"{local_registry}/stuck:1")
    with pytest.raises(ImageIncompleteError) as caught:
        publish_from(home, docker29, "stuck", "1", f"{local_registry}/stuck:1")
    assert str(DiffID.of(BASE)) in caught.value.why
    assert not list(home.blocks.cids())


def test_a_registry_is_remembered(docker29: PrivateEngine, docker20: PrivateEngine, local_registry: str, home: Home) -> None:
    digest = push_compressed(local_registry, "known", "1", small_image("known"))
    for engine in (docker29, docker20):
        engine.clear()
        engine.run("pull", "--quiet", f"{local_registry}/known:1")
        release = publish_from(home, engine, "known", "1", f"{local_registry}/known:1").release
        assert release.images[HOST].registry == (f"{local_registry}/known@{digest}",)
        assert release.images[HOST].config == small_image("known").config_digest
