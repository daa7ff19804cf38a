"""A home that serves with `--fetch`, and follows a team that has more than it holds."""

import hashlib
import json
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from catalog.home.home import Home, open_home
from catalog.intake.intake import Wanted
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid
from catalog.model.platform import Platform
from catalog.operations.publish import publish
from catalog.operations.sync import sync
from catalog.own.share import share_own
from catalog.server.feeding.feeder import Feeder
from catalog.server.settings import ServerSettings
from catalog.sources.network import Network
from tests.delivery.versions import follower, open_at, publish_version
from tests.factory.exports import source_of
from tests.factory.images import make_image
from tests.factory.platforms import AMD64, ARM64
from tests.factory.tars import make_layer
from tests.factory.times import NOW
from tests.fakes.homes import HomeRouting, HomeSource
from tests.server.registry.conftest import RegistryServer, serving_registry


class GatedSource(HomeSource):
    """A home's blocks; after ``free`` of them it waits for the gate."""

    def __init__(self, home: Home) -> None:
        super().__init__(home)
        self.free = 1 << 30
        self.gate = threading.Event()
        self.gate.set()

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        for block in super().get_many(list(cids)):
            if len(self.given) > self.free:
                assert self.gate.wait(60)
            yield block


class World:
    """A team with ``web`` in two versions, and a home that follows it, holds 1.0, and serves with ``--fetch``."""

    def __init__(self, path: Path, *, deltas: bool) -> None:
        self.path = path
        for version in ("1.0", "1.1"):
            publish_version(path / "team", version, deltas=deltas)
        publish_version(path / "home", "1.3", name="mine", deltas=False)
        self.team = open_at(path / "team")
        with follower(path / "home", self.team):
            pass
        self.source = GatedSource(self.team)
        self.log: list[str] = []

    def wait_for_log(self) -> None:
        """Wait for the end of a job: its last layer may have been read before."""
        deadline = time.monotonic() + 60
        while not self.log and time.monotonic() < deadline:
            time.sleep(0.01)

    @contextmanager
    def serving(self) -> Iterator[RegistryServer]:
        network = Network((self.source,), (HomeRouting(self.team),))
        feeder = Feeder(
            lambda: open_home(self.path / "home", now=NOW),
            lambda _: network,
            lambda text, error: self.log.append(f"{text} {error or ''}"),
        )
        with (
            ending(feeder),
            open_home(self.path / "home", now=NOW) as home,
            serving_registry(home, ServerSettings(port=0), feeder) as served,
        ):
            self.feeder = feeder
            try:
                yield served
            finally:
                self.source.gate.set()


class WorldMaker(Protocol):
    """The fixture ``make_world``."""

    def __call__(self, path: Path, *, deltas: bool) -> World: ...


@contextmanager
def ending(feeder: Feeder) -> Iterator[None]:
    """Close ``feeder`` at the end, and wait for its threads, which read from homes that are closed next."""
    try:
        yield
    finally:
        feeder.close()
        for thread in threading.enumerate():
            if thread.name in ("dcat-feed", "dcat-unpin", "dcat-warm-up"):
                thread.join(60)


def pull(served: RegistryServer, name: str, tag: str) -> list[bytes]:
    """Pull an image as a client does; return its blobs, each of which has its digest."""
    answer = served.ask(f"/v2/{name}/manifests/{tag}")
    assert answer.status == 200, answer.body
    manifest = json.loads(answer.body)
    blobs = []
    for blob in (manifest["config"], *manifest["layers"]):
        body = served.ask(f"/v2/{name}/blobs/{blob['digest']}").body
        assert f"sha256:{hashlib.sha256(body).hexdigest()}" == blob["digest"]
        blobs.append(body)
    return blobs


def publish_for_two(world: World) -> dict[Platform, bytes]:
    """Publish ``app:1.0`` for two platforms, and let the home know of it; return its layers."""
    layers = {platform: make_layer({"a": platform.architecture.encode() * 50_000}) for platform in (AMD64, ARM64)}
    for platform, layer in layers.items():
        publish(world.team, "app", "1.0", source_of(make_image([layer], platform=platform)), Wanted(platform, (platform,)))
    assert share_own(world.team, Network(), deltas=False) is not None
    with open_home(world.path / "home", now=NOW) as home:
        assert sync(home, Network((world.source,), (HomeRouting(world.team),))).first_error is None
    world.source.given.clear()
    return layers
