"""Names in an engine mean one image, whatever look-alikes it holds: docs/safety.md C16.

podman resolves a short name to any local image. A pull of ``web@1.0`` moved the user's own ``localhost/web:1.0``, without --force.
"""

from collections.abc import Iterator

import pytest

from catalog.clients.docker import Engine
from catalog.errors import EngineConflictError, ImageNotFoundError
from catalog.model.digest import ManifestDigest
from tests.compat.engines import PrivateEngine
from tests.factory.images import SampleImage, small_image
from tests.fakes.engine import FakeEngine

LOOK_ALIKES = ["localhost/web:1.0", "quay.io/library/web:1.0", "localhost/library/web:1.0", "registry.example:5000/web:1.0"]
MINE, THEIRS = small_image("mine"), small_image("theirs")


@pytest.fixture(params=["docker20", "docker29", "podman"])
def private(request: pytest.FixtureRequest) -> Iterator[PrivateEngine]:
    """An engine in which the user has an image of each look-alike name."""
    engine: PrivateEngine = request.getfixturevalue(request.param)
    engine.clear()
    engine.put(MINE.archive(), LOOK_ALIKES[0])
    for name in LOOK_ALIKES[1:]:
        engine.run("tag", LOOK_ALIKES[0], name)
    yield engine
    engine.clear()


def load(engine: Engine, image: SampleImage) -> str:
    loaded = engine.load(iter([image.archive()]))
    return engine.check_loaded(loaded, image.config_digest, ManifestDigest.of(image.manifest), image.diff_ids).id


def test_no_call_takes_a_look_alike_for_the_name(private: PrivateEngine) -> None:
    with private.connect() as engine:
        before = engine.tags()
        assert set(before) == set(LOOK_ALIKES)
        assert engine.tag_owner("web", "1.0") is None
        engine.untag("web", "1.0")  # there is none to be removed
        assert engine.tags() == before
        theirs = load(engine, THEIRS)
        engine.tag(theirs, "web", "1.0")
        assert engine.tags() == {**before, "web:1.0": theirs}
        assert engine.tag_owner("web", "1.0") == theirs
        assert engine.find("docker.io/library/web:1.0").id == theirs
        for name in LOOK_ALIKES:
            assert engine.find(name).id == before[name]
            repository, _, version = name.rpartition(":")
            assert engine.tag_owner(repository, version) == before[name]
        with engine.save(engine.find("docker.io/library/web:1.0")) as stream:
            assert THEIRS.config in stream.read()
        engine.untag("web", "1.0")
        assert engine.tags() == before


def test_a_name_of_two_parts_is_no_look_alike_either(private: PrivateEngine) -> None:
    with private.connect() as engine:
        private.run("tag", LOOK_ALIKES[0], "quay.io/team/web:1.0")
        before = engine.tags()
        theirs = load(engine, THEIRS)
        engine.tag(theirs, "team/web", "1.0")
        assert engine.tags() == {**before, "team/web:1.0": theirs}
        engine.untag("team/web", "1.0")
        assert engine.tags() == before
        with pytest.raises(ImageNotFoundError):
            engine.find("team/web:1.0")


def test_podman_finds_what_it_built_by_its_short_name(podman: PrivateEngine) -> None:
    podman.clear()
    image_id = podman.put(MINE.archive(), "localhost/built:1.0")
    with podman.connect() as engine:
        assert engine.find("built:1.0").id == image_id
        with pytest.raises(ImageNotFoundError):
            engine.find("other/built:1.0")
    podman.clear()


def test_a_tag_that_the_engine_did_not_set_is_an_error(fake: FakeEngine, engine: Engine) -> None:
    fake.behaviours["/tag"] = lambda request: request.json({}, 201)
    with pytest.raises(EngineConflictError, match='did not set the tag "web:1"'):
        engine.tag("sha256:" + "1" * 64, "web", "1")
