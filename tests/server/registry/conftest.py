"""A home that publishes, follows another one, and is served as a registry."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from catalog.home.home import Home, open_home
from catalog.image.reader import ArchiveView, read_archive
from catalog.lookup.locate import open_lookup
from catalog.model.reference import parse_reference
from catalog.model.release import Image
from catalog.server.feeding.feeder import Feeder
from catalog.server.settings import ServerSettings
from catalog.server.site.opening import open_site
from tests.delivery.versions import follower, open_at, publish_version
from tests.factory.platforms import HOST
from tests.factory.times import NOW
from tests.server.serving import Blocks, Records, Served, running


@dataclass(kw_only=True)
class RegistryServer(Served):
    """A served home; ``home`` is the same one."""

    home: Home

    def image(self, reference: str) -> Image:
        with open_lookup(self.home.path) as lookup:
            image = lookup.resolve(parse_reference(reference), now=self.home.now, platform=HOST).image
        assert image is not None
        return image

    def view(self, reference: str) -> ArchiveView:
        return read_archive(self.image(reference).archive, self.home.blocks)


@contextlib.contextmanager
def serving_registry(home: Home, settings: ServerSettings | None = None, feeder: Feeder | None = None) -> Iterator[RegistryServer]:
    """Serve a home as a registry until the block ends."""
    with running(open_site(home, lambda: NOW, feeder=feeder), settings or ServerSettings(port=0)) as (server, log):
        yield RegistryServer(server, Blocks(), Records(), log, home=home)


@pytest.fixture(scope="session")
def registry_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with ``tool:1.0`` and ``tool:1.1`` of its own, which follows ``team`` with ``web``, of which it holds 1.0."""
    path = tmp_path_factory.mktemp("registry")
    for version in ("1.0", "1.2"):
        publish_version(path / "team", version, deltas=False)
    for version in ("1.0", "1.1"):
        publish_version(path / "home", version, name="tool", deltas=False)
    with open_at(path / "team") as team, follower(path / "home", team):
        return path / "home"


@pytest.fixture(scope="module")
def registry(registry_home: Path) -> Iterator[RegistryServer]:
    with open_home(registry_home, now=NOW) as home, serving_registry(home) as served:
        yield served
