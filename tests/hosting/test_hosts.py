"""Following a catalogue on a web server of plain files: subscribe, sync, pull and upgrade."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from catalog.errors import DcatError
from catalog.followed.target import ask_server
from catalog.home.home import Home, open_home
from catalog.operations.save import save
from catalog.operations.subscribe import subscribe
from catalog.operations.sync import sync
from tests.factory.platforms import HOST
from tests.factory.static_files import make_version
from tests.factory.times import NOW
from tests.fakes.static_host import StaticHost
from tests.hosting.conftest import Publisher, reaching

Serve = Callable[..., StaticHost]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Publisher:
    """Two versions, of which the second changed some chunks of a large layer; written twice, as a publisher would."""
    publisher = Publisher(tmp_path_factory.mktemp("published"))
    publisher.publish("web", "1.0", make_version("1.0"))
    publisher.export()
    publisher.publish("web", "1.1", make_version("1.1", changed=1))
    publisher.export()
    return publisher


@contextmanager
def following(path: Path, *hosts: StaticHost) -> Iterator[Home]:
    """Yield a home that follows the catalogue of the first host."""
    with open_home(path, now=NOW) as home:
        with reaching(*hosts) as network:
            subscribe(home, network, ask_server(network.clients[0]), "ann")
        yield home


def fetch(home: Home, version: str, *hosts: StaticHost) -> bytes:
    output = home.path / f"{version}.tar"
    with reaching(*hosts) as network:
        save(home, f"ann/web@{version}", output, platform=HOST, network=network, uncompressed=True)
    return output.read_bytes()


@pytest.fixture(scope="module")
def archives(published: Publisher) -> dict[str, bytes]:
    """What each version must come out as: read from the publisher's own home."""
    found = {}
    with published.open() as home:
        for version in ("1.0", "1.1"):
            output = published.path / f"{version}.tar"
            save(home, f"web@{version}", output, platform=HOST, uncompressed=True)
            found[version] = output.read_bytes()
    return found


def test_first_pull_and_upgrade(published: Publisher, archives: dict[str, bytes], serve: Serve, tmp_path: Path) -> None:
    """The first version comes by whole files, the second by the published delta."""
    host = serve(published.folder)
    with following(tmp_path / "home", host) as home:
        host.requests.clear()
        assert fetch(home, "1.0", host) == archives["1.0"]
        assert host.count("/blobs/") == 3
        assert len(host.requests) <= 10
        host.requests.clear()
        assert fetch(home, "1.1", host) == archives["1.1"]
        assert host.count("/deltas/") == 1
        assert host.count("/blobs/") == 0
        assert len(host.requests) <= 8


def test_a_deployment_half_done(serve: Serve, tmp_path: Path) -> None:
    """The record is new and the rest old, or the other way round: the old snapshot stays usable, the new one is not half seen."""
    publisher = Publisher(tmp_path)
    publisher.publish("web", "1.0", make_version("1.0"))
    publisher.export()
    deployed = tmp_path / "deployed"
    shutil.copytree(publisher.folder, deployed)
    host = serve(deployed)
    with following(tmp_path / "home", host) as home:
        old = fetch(home, "1.0", host)
        publisher.publish("web", "1.1", make_version("1.1", changed=1))
        publisher.export()
        (record,) = publisher.folder.glob("routing/v1/ipns/*")
        shutil.copy(record, deployed / "routing/v1/ipns" / record.name)
        with reaching(host) as network:
            (outcome,) = sync(home, network).updates
            assert outcome.error is not None
        assert fetch(home, "1.0", host) == old
        with pytest.raises(DcatError):
            fetch(home, "1.1", host)
        shutil.copytree(publisher.folder, deployed, dirs_exist_ok=True)
        with reaching(host) as network:
            (outcome,) = sync(home, network).updates
            assert outcome.error is None
        fetch(home, "1.1", host)
