"""An image in versions that differ a little everywhere: what deltas are for. And homes that publish, hold and follow them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from catalog.home.home import Home, open_home
from catalog.intake.intake import Wanted
from catalog.ipns.name import parse_ipns_name
from catalog.lookup.locate import open_lookup
from catalog.model.reference import parse_reference
from catalog.model.release import Image
from catalog.operations.publish import publish
from catalog.operations.pull import Pulled, pull
from catalog.operations.subscribe import subscribe
from catalog.own.share import Shared, Sharing
from catalog.progress import Step
from catalog.sources.network import Network
from tests.factory.exports import source_of
from tests.factory.images import BASE, SampleImage, make_image, versioned_text
from tests.factory.platforms import HOST
from tests.factory.tars import make_layer
from tests.factory.times import NOW
from tests.fakes.homes import network_of

VERSIONS = ("1.0", "1.1", "1.2", "1.3")
NOBODY = Network()


@cache
def image_of(version: str) -> SampleImage:
    """An image of 13 files of text; in each version a few bytes of each file are other ones."""
    files = {f"srv/{number}.txt": versioned_text(version, 80_000, seed=number, every=16_000) for number in range(13)}
    return make_image([BASE, make_layer(files)], labels={"version": version})


def publish_version(path: Path, version: str, *, name: str = "web", deltas: bool = True) -> Shared:
    """Publish a version, each a minute after the one before, and share it."""
    with open_at(path, version) as home:
        done = publish(home, name, version, source_of(image_of(version)), Wanted(HOST), sharing=Sharing(deltas=deltas))
    assert done.shared is not None
    return done.shared


def publisher(path: Path, versions: Iterable[str] = VERSIONS, *, deltas: bool = True) -> Path:
    """Make a home that published the versions."""
    for version in versions:
        publish_version(path, version, deltas=deltas)
    return path


def open_at(path: Path, version: str = VERSIONS[-1]) -> Home:
    """Open a home at the time of a version."""
    return open_home(path, now=moment(version))


def moment(version: str) -> datetime:
    return NOW + timedelta(minutes=VERSIONS.index(version) if version in VERSIONS else 0)


def follower(path: Path, source: Home, held: Iterable[str] = ("1.0",)) -> Home:
    """Make a home that follows ``source`` as ``team`` and holds some versions."""
    home = open_at(path)
    network = network_of(source)
    name = source.own_catalogue()
    assert name is not None
    subscribe(home, network, parse_ipns_name(name), "team")
    for version in held:
        pull_here(home, network, version)
    return home


def pull_here(home: Home, network: Network, version: str, steps: list[Step] | None = None, *, dry_run: bool = False) -> Pulled:
    """Pull a version into the store."""
    told = steps if steps is not None else []
    return pull(home, f"team/web@{version}", platform=HOST, engine=None, network=network, dry_run=dry_run, progress=told.append)


def released(home: Home, version: str) -> Image:
    """Return the image of a release that is known here."""
    reference = f"web@{version}" if home.own_catalogue() else f"team/web@{version}"
    with open_lookup(home.path) as lookup:
        image = lookup.resolve(parse_reference(reference), now=home.now, platform=HOST).image
    assert image is not None
    return image


def warnings(steps: Iterable[Step]) -> list[str]:
    return [step.label for step in steps if step.kind == "warning"]
