"""Pull into an engine that changes, or lies, while the image is fetched."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.clients.docker import connect
from catalog.errors import EngineConflictError
from catalog.home.home import Home
from catalog.operations.pull import pull
from tests.factory.images import SAMPLE, small_image
from tests.factory.platforms import HOST
from tests.fakes.engine import FakeEngine, Request, fake_engine
from tests.fakes.holding_engine import Holding
from tests.operations.conftest import Publish

WEB = "docker.io/library/web:1.0"
OTHER = small_image("other")


@pytest.fixture
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeEngine]:
    folder: Path = tmp_path_factory.mktemp("e")
    with fake_engine(folder) as running:
        yield running


@pytest.fixture
def holding(fake: FakeEngine) -> Holding:
    made = Holding(brings=SAMPLE)
    made.serve(fake)
    return made


def pull_web(home: Home, fake: FakeEngine, *, force: bool = False) -> str | None:
    with connect(fake.host, environment={}, idle_timeout=5) as engine:
        return pull(home, "web@1.0", platform=HOST, engine=engine, force=force).image_id


def test_a_pull_sets_its_tag(home: Home, put: Publish, fake: FakeEngine, holding: Holding) -> None:
    put("web", "1.0")
    assert pull_web(home, fake) == str(SAMPLE.config_digest)
    assert holding.tags == {WEB: str(SAMPLE.config_digest)}
    assert pull_web(home, fake) == str(SAMPLE.config_digest)


@pytest.mark.parametrize("force", [False, True])
def test_a_tag_that_was_set_while_the_image_was_fetched(
    home: Home, put: Publish, fake: FakeEngine, holding: Holding, force: bool
) -> None:
    """Another command builds web:1.0 meanwhile: the tag was free when the pull began, and is not moved without --force."""
    put("web", "1.0")
    load = fake.behaviours["/images/load"]

    def build_meanwhile(request: Request) -> None:
        load(request)
        holding.put(OTHER, "web:1.0")

    fake.behaviours["/images/load"] = build_meanwhile
    if force:
        assert pull_web(home, fake, force=True) == holding.tags[WEB] == str(SAMPLE.config_digest)
        return
    with pytest.raises(EngineConflictError, match="with other content"):
        pull_web(home, fake)
    assert holding.tags == {WEB: str(OTHER.config_digest)}


def test_a_tag_that_vanished_while_the_image_was_fetched(home: Home, put: Publish, fake: FakeEngine, holding: Holding) -> None:
    """The engine had the image under its tag when the pull began: the answer must not say that it has it still."""
    put("web", "1.0")
    holding.put(SAMPLE, "web:1.0")
    inspect = fake.behaviours["/json"]

    def drop_after(request: Request) -> None:
        inspect(request)
        holding.tags.clear()

    fake.behaviours["/json"] = drop_after
    with pytest.raises(EngineConflictError, match="was changed in the engine"):
        pull_web(home, fake)


@pytest.mark.parametrize("was_there", [False, True])
def test_another_image_that_the_engine_loaded_is_removed(
    home: Home, put: Publish, fake: FakeEngine, holding: Holding, was_there: bool
) -> None:
    put("web", "1.0")
    holding.brings = OTHER
    if was_there:
        holding.put(OTHER, "mine:1")
    with pytest.raises(EngineConflictError, match="loaded another image"):
        pull_web(home, fake)
    assert holding.removed == ([] if was_there else [str(OTHER.config_digest)])
    assert WEB not in holding.tags


def test_layers_that_the_engine_shows_otherwise(home: Home, put: Publish, fake: FakeEngine, holding: Holding) -> None:
    put("web", "1.0")
    load = fake.behaviours["/images/load"]

    def lie_afterwards(request: Request) -> None:
        load(request)
        holding.described = {"RootFS": {"Layers": ["sha256:" + "3" * 64]}}

    fake.behaviours["/images/load"] = lie_afterwards
    with pytest.raises(EngineConflictError, match="shows other layers"):
        pull_web(home, fake)
    assert holding.tags == {}
    assert holding.removed == [str(SAMPLE.config_digest)]
