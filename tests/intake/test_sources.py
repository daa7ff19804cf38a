"""Images out of an engine that sends, or states, something else than it was asked for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.clients.docker import connect
from catalog.errors import AmbiguousReferenceError, DcatError, EngineConflictError
from catalog.home.home import Home, open_home
from catalog.intake.intake import Wanted
from catalog.intake.sources import EngineSource
from catalog.operations.publish import Published, publish
from tests.factory.images import SAMPLE, SampleImage, make_image
from tests.factory.platforms import AMD64, ARM64
from tests.factory.times import NOW
from tests.fakes.engine import FakeEngine, fake_engine
from tests.fakes.holding_engine import Holding


@pytest.fixture
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeEngine]:
    folder: Path = tmp_path_factory.mktemp("e")
    with fake_engine(folder) as running:
        yield running


@pytest.fixture
def holding(fake: FakeEngine) -> Holding:
    made = Holding()
    made.serve(fake)
    made.put(SAMPLE, "web:1")
    return made


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with open_home(tmp_path / "home", now=NOW) as opened:
        yield opened


def take(home: Home, fake: FakeEngine, version: str = "1.0") -> Published:
    with connect(fake.host, environment={}, idle_timeout=5) as engine:
        return publish(home, "web", version, EngineSource(engine, "web:1"), Wanted(AMD64))


@pytest.mark.parametrize(
    "sent",
    [
        make_image(SAMPLE.layers[:1]),
        make_image(SAMPLE.layers, labels={"entrypoint": "another"}),
        make_image(SAMPLE.layers[::-1]),
        make_image(SAMPLE.layers, ARM64),
        make_image([]),
    ],
    ids=["fewer layers", "another config", "another order", "another platform", "no layers"],
)
def test_an_engine_that_sends_another_image(home: Home, fake: FakeEngine, holding: Holding, sent: SampleImage) -> None:
    holding.exports = sent
    with pytest.raises(DcatError) as caught:
        take(home, fake)
    assert caught.value.code in {"engine-conflict", "platform-not-found"}
    assert home.own_catalogue() is None


def test_what_it_should_send_is_published(home: Home, fake: FakeEngine, holding: Holding) -> None:
    assert take(home, fake).release.images[AMD64].config == SAMPLE.config_digest
    assert holding.tags == {"docker.io/library/web:1": str(SAMPLE.config_digest)}


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_name_is_checked_while_an_engine_exports(home: Home, fake: FakeEngine, holding: Holding, dry_run: bool) -> None:
    with connect(fake.host, environment={}, idle_timeout=60) as engine:
        source = EngineSource(engine, "web:1")
        source.begin(Wanted(AMD64))
        with pytest.raises(AmbiguousReferenceError):
            publish(home, "mine/web", "1.0", source, Wanted(AMD64), dry_run=dry_run)
        assert home.own_catalogue() is None
        assert publish(home, "web", "1.0", source, Wanted(AMD64), dry_run=dry_run).changed
    assert (home.own_catalogue() is None) == dry_run
    assert holding.tags == {"docker.io/library/web:1": str(SAMPLE.config_digest)}


def test_layers_that_an_engine_states_wrongly(home: Home, fake: FakeEngine, holding: Holding) -> None:
    holding.described = {"RootFS": {"Layers": ["sha256:" + "3" * 64]}}
    with pytest.raises(EngineConflictError, match="sent another image"):
        take(home, fake)


@pytest.mark.parametrize(
    "reference", ["web@sha512:" + "4" * 128, "w\n\x1b[31m@sha256:" + "4" * 64, "w" * 600 + "@sha256:" + "4" * 64]
)
def test_what_an_engine_says_of_registries_never_spoils_the_catalogue(
    home: Home, fake: FakeEngine, holding: Holding, reference: str
) -> None:
    """A line that no follower reads would keep this release, and all later ones, from being signed."""
    holding.described = {"RepoDigests": [reference, *(f"r{number}.example/web@sha256:{number:064x}" for number in range(500))]}
    for version in ("1.0", "1.1"):
        done = take(home, fake, version)
        assert done.share_error is None
        assert done.shared is not None
