"""What sources learn: names and CIDs of their own catalogue only (docs/safety.md, A22)."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from catalog.delivery import open_store
from catalog.home.home import Home
from catalog.image.walk import walk
from catalog.intake.intake import Wanted
from catalog.intake.release import ReleaseSource
from catalog.ipld.cid import Cid
from catalog.ipns.name import parse_ipns_name
from catalog.lookup.locate import open_lookup
from catalog.operations.export import export_catalogue, export_releases
from catalog.operations.pin import pin
from catalog.operations.publish import publish
from catalog.operations.pull import pull
from catalog.operations.save import save
from catalog.operations.subscribe import subscribe
from catalog.operations.sync import sync
from catalog.operations.verify import verify
from catalog.sources.network import Network
from catalog.sources.source import OfferedDelta
from tests.delivery.versions import image_of, open_at, publish_version
from tests.factory.exports import source_of
from tests.factory.platforms import HOST
from tests.fakes.homes import HomeRouting, HomeSource

TEAMS = ("ann", "bob", "eve")


class DeltaHomeSource(HomeSource):
    """A home's blocks from a server that makes deltas; what it is asked for is recorded."""

    def delta_bases(self, target: Cid) -> None:
        return None

    @contextmanager
    def open_delta(self, base: Cid, target: Cid) -> Iterator[OfferedDelta | None]:
        self.asked |= {base, target}
        yield None

    def find_delta_size(self, base: Cid, target: Cid) -> int | None:
        self.asked |= {base, target}
        return None


class World:
    """Three teammates who each publish another ``web``, in versions, and a home that follows all and publishes a ``web`` itself."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.homes: dict[str, Home] = {}
        for number, team in enumerate(TEAMS):
            for version in ("1.0", "1.1")[: 2 if number < 2 else 1]:
                publish_version(path / team, version, deltas=False)
            self.homes[team] = stack.enter_context(open_at(path / team))
        self.home = stack.enter_context(open_at(path / "home"))
        self.names = {team: str(home.own_catalogue()) for team, home in self.homes.items()}
        self.sources = {team: DeltaHomeSource(home) for team, home in self.homes.items()}
        self.routings = {team: HomeRouting(home) for team, home in self.homes.items()}
        self.network = Network(tuple(self.sources.values()), tuple(self.routings.values()), tied=self.names)

    def blocks_of(self, home: Home) -> set[Cid]:
        return set(home.blocks.cids())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(tmp_path, stack)


def test_no_source_learns_of_another_catalogue(world: World, tmp_path: Path) -> None:
    home, network = world.home, world.network
    publish(home, "web", "1.2", source_of(image_of("1.2")), Wanted(HOST))
    private = {block.cid for block in walk(_own_archive(home), home.blocks)}
    for team, name in world.names.items():
        subscribe(home, network, parse_ipns_name(name), team)
    assert sync(home, network).first_error is None
    for reference in ("ann/web@1.0", "ann/web@1.1", "bob/web@1.1"):
        pull(home, reference, platform=HOST, engine=None, network=network)
    pin(home, "eve/web@1.0", platform=HOST, network=network)
    save(home, "bob/web@1.0", tmp_path / "saved.tar.zst", platform=HOST, network=network)
    export_releases(home, ["eve/web@1.0", "ann/web@1.0"], tmp_path / "some.car", network=network)
    assert sync(home, network, mirror=True).first_error is None
    export_catalogue(home, "bob", tmp_path / "all.car", network=network)
    lost = world.blocks_of(world.homes["ann"]) - world.blocks_of(world.homes["eve"])
    home.blocks.delete(lost)
    assert verify(home, network=network, repair=True).damage == ()
    home.blocks.delete(lost)
    with open_lookup(home.path) as lookup:
        release = lookup.resolve("ann/web@1.1", now=home.now).release
    copied = ReleaseSource(home, "ann/web@1.1", release, open_store(home, network, world.names["ann"]), world.names["ann"])
    publish(home, "copy", "1.1", copied, Wanted(HOST))
    own = {str(home.own_catalogue())}
    for team in TEAMS:
        assert world.routings[team].asked <= {world.names[team]} | own
        assert world.sources[team].asked <= world.blocks_of(world.homes[team])
        assert not world.sources[team].asked & (private - world.blocks_of(world.homes[team]))


def test_another_teams_source_helps_where_no_other_does(world: World) -> None:
    home = world.home
    with open_at(world.homes["bob"].path) as mirror:
        subscribe(mirror, Network((world.sources["ann"],), (world.routings["ann"],)), parse_ipns_name(world.names["ann"]), "ann")
        pull(mirror, "ann/web@1.1", platform=HOST, engine=None, network=Network((world.sources["ann"],)))
    world.sources["ann"].reachable = world.routings["ann"].reachable = False
    subscribe(home, world.network, parse_ipns_name(world.names["ann"]), "ann")
    pull(home, "ann/web@1.1", platform=HOST, engine=None, network=world.network)


def _own_archive(home: Home) -> Cid:
    from catalog.index.releases import get_release

    with home.index.read() as connection:
        return get_release(connection, str(home.own_catalogue()), "web", "1.2").images[HOST].archive
