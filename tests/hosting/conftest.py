"""A publisher whose catalogue is written as plain files."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from catalog.clients.timeouts import Timeouts
from catalog.home.home import Home, open_home
from catalog.intake.intake import Wanted
from catalog.model.platform import parse_platform
from catalog.operations.export_static import ExportedFiles, export_static
from catalog.operations.publish import publish
from catalog.own.share import share_own
from catalog.sources.network import Network, SourceSetting, open_network
from tests.factory.exports import index_archive, source_of, stream_of
from tests.factory.images import SampleImage, make_image
from tests.factory.platforms import HOST
from tests.factory.tars import make_layer
from tests.factory.times import NOW
from tests.fakes.static_host import StaticHost


class Publisher:
    """A home that publishes, and the folder that it exports to."""

    def __init__(self, path: Path) -> None:
        self.path = path / "publisher"
        self.folder = path / "files"
        self.hours = 0

    @property
    def now(self) -> datetime:
        return NOW + timedelta(hours=self.hours)

    @contextmanager
    def open(self) -> Iterator[Home]:
        with open_home(self.path, now=self.now) as home:
            yield home

    def publish(self, name: str, version: str, image: SampleImage) -> None:
        self.hours += 1
        with self.open() as home:
            publish(home, name, version, source_of(image), Wanted(HOST))
            share_own(home, Network())

    def publish_for_all(self, name: str, version: str) -> None:
        """Publish a release for two platforms."""
        self.hours += 1
        platforms = (HOST, parse_platform("linux/s390x"))
        images = {platform: make_image([make_layer({"hello": str(platform).encode()})], platform) for platform in platforms}
        with self.open() as home:
            publish(home, name, version, stream_of(index_archive(images, "several:1")), Wanted(HOST, all_platforms=True))
            share_own(home, Network())

    def export(self, *, prune: bool = False) -> ExportedFiles:
        with self.open() as home:
            return export_static(home, self.folder, prune=prune)


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path)


@pytest.fixture
def serve() -> Iterator[Callable[..., StaticHost]]:
    with ExitStack() as stack:
        yield lambda folder, behaviour="plain", only="": stack.enter_context(StaticHost(folder, behaviour, only))


@contextmanager
def reaching(*hosts: StaticHost, timeouts: Timeouts | None = None) -> Iterator[Network]:
    with open_network([SourceSetting(host.url) for host in hosts], timeouts=timeouts or Timeouts(retry=0.01)) as network:
        yield network
