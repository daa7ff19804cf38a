"""Every network command against every way in which a source can lie (safety.md, kit 1): the right outcome or a declared error.

A publisher's home is served honestly; the only source that the follower has is a server before it that misbehaves with its answers.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from catalog.clients.timeouts import Timeouts
from catalog.errors import DcatError, RollbackError, UnavailableError
from catalog.home.home import Home, open_home
from catalog.home.records import local_records
from catalog.intake.intake import Wanted
from catalog.ipld.cid import DAG_PB, Cid, cid_of, verify_block
from catalog.ipns.name import IpnsName, parse_ipns_name
from catalog.ipns.record import create_record
from catalog.operations.pin import pin
from catalog.operations.publish import publish
from catalog.operations.pull import pull
from catalog.operations.subscribe import subscribe
from catalog.operations.sync import sync
from catalog.own.share import share_own
from catalog.sources.network import Network, SourceSetting, open_network
from catalog.trust.ownership import list_subscriptions
from tests.factory.exports import source_of
from tests.factory.images import BASE, SampleImage, make_image
from tests.factory.platforms import HOST
from tests.factory.tars import make_layer
from tests.factory.times import NOW
from tests.fakes.lying_source import BEHAVIOURS, LyingSource
from tests.fakes.served_home import served_home
from tests.fakes.timeouts import scaled

OVER_HTTP = [behaviour for behaviour in BEHAVIOURS if behaviour != "slow-tls"]
HARMLESS = {"honest", "busy-once", "skewed-date"}


@dataclass(frozen=True)
class Stage:
    """The publisher, served; what its blocks are; a follower's home from before its newest release; records to lie with."""

    name: IpnsName
    url: str
    cids: frozenset[Cid]
    follower: Path
    synced: Path
    records: list[bytes]


def make_version(version: str) -> SampleImage:
    data = b"".join(b"%d %s" % (number, version.encode()) for number in range(30_000))
    return make_image([BASE, make_layer({"app/data": data, "app/version": version.encode()})])


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    with open_home(folder / "publisher", now=NOW) as home:
        publish(home, "web", "1.0", source_of(make_version("1.0")), Wanted(HOST))
        first = share_own(home, Network())
        assert first is not None
        name = parse_ipns_name(home.own_catalogue() or "")
    with served_home(folder / "publisher") as url:
        with open_home(folder / "follower", now=NOW) as home, reaching(url) as network:
            subscribe(home, network, name, "bob")
        with open_home(folder / "publisher", now=NOW + timedelta(hours=1)) as home:
            publish(home, "web", "1.1", source_of(make_version("1.1")), Wanted(HOST))
            assert share_own(home, Network()) is not None
            record = local_records(home).get(name)
            assert record is not None
            other = create_record(
                home.read_key(), f"/ipfs/{cid_of(b'another snapshot', DAG_PB)}".encode(), sequence=2, validity=4_102_444_800 * 10**9
            )
            cids = frozenset(home.blocks.cids())
        shutil.copytree(folder / "follower", folder / "synced")
        with open_home(folder / "synced", now=NOW + timedelta(hours=2)) as home, reaching(url) as network:
            assert sync(home, network).updates[0].state == "updated"
        yield Stage(name, url, cids, folder / "follower", folder / "synced", [first.record.encoded, other.encoded])


def reaching(url: str) -> "closing[Network]":
    return closing(open_network([SourceSetting(url)]))


def run_subscribe(home: Home, network: Network, stage: Stage) -> None:
    try:
        done = subscribe(home, network, stage.name, "bob")
        assert done.update.releases in {1, 2}  # who never saw the newer record cannot know that one is old
    finally:
        with home.trust.read() as connection:
            followed = list_subscriptions(connection)
        assert [entry.alias for entry in followed] in ([], ["bob"])


def run_sync(home: Home, network: Network, stage: Stage) -> None:
    update = sync(home, network).updates[0]
    if update.error is not None:
        raise update.error
    assert update.state in {"updated", "unchanged"}


def run_pull(home: Home, network: Network, stage: Stage) -> None:
    done = pull(home, "bob/web@1.1", platform=HOST, engine=None, network=network)
    assert done.need.missing > 0
    assert pull(home, "bob/web@1.1", platform=HOST, engine=None, network=Network()).need.missing == 0


def run_pin(home: Home, network: Network, stage: Stage) -> None:
    pin(home, "bob/web@1.1", platform=HOST, network=network)
    pin(home, "bob/web@1.1", platform=HOST, network=Network())


def run_mirror(home: Home, network: Network, stage: Stage) -> None:
    done = sync(home, network, mirror=True)
    if done.updates[0].error is not None:
        raise done.updates[0].error


COMMANDS: dict[str, tuple[str, Callable[[Home, Network, Stage], None]]] = {
    "subscribe": ("", run_subscribe),
    "sync": ("follower", run_sync),
    "mirror": ("follower", run_mirror),
    "pull": ("synced", run_pull),
    "pin": ("synced", run_pin),
}


def attack(stage: Stage, command: str, behaviour: str, folder: Path, *, seed: int, beside: bool = False) -> DcatError | None:
    """Run a command through a lying source; return the error that it declared."""
    template, run = COMMANDS[command]
    path = folder / f"{command}-{behaviour}-{seed}"
    if template:
        shutil.copytree(getattr(stage, template), path)
    failure: DcatError | None = None
    lying = LyingSource(behaviour=behaviour, upstream=stage.url, seed=seed, other_records={str(stage.name): stage.records})
    # Limits are scaled down only where somebody makes dcat wait: a busy machine must not look like a source that stalls.
    waits = behaviour == "stall" if beside else behaviour not in HARMLESS
    timeouts = scaled(Timeouts(), 2 if beside else 30) if waits else Timeouts(retry=0.01)
    with lying, open_home(path, now=NOW + timedelta(hours=3)) as home:
        before = set(home.blocks.cids())
        settings = [SourceSetting(lying.url)] + ([SourceSetting(stage.url)] if beside else [])
        with closing(open_network(settings, timeouts=timeouts)) as network:
            try:
                run(home, network, stage)
            except DcatError as error:
                failure = error
        stored = set(home.blocks.cids()) - before
        assert stored <= stage.cids, f"{len(stored - stage.cids)} blocks that nobody asked for were stored"
        for cid in stored:
            verify_block(cid, home.blocks.get(cid))
    shutil.rmtree(path)
    return failure


@pytest.mark.parametrize("behaviour", OVER_HTTP)
@pytest.mark.parametrize("command", ["subscribe", "sync", "pull"])  # the others fetch as these do; the long run has them all
def test_right_bytes_or_a_declared_error(stage: Stage, tmp_path: Path, command: str, behaviour: str) -> None:
    failure = attack(stage, command, behaviour, tmp_path, seed=1)
    if behaviour in HARMLESS:
        assert failure is None
    elif behaviour in {"stall", "unavailable", "page", "not-found"} and not (
        command in {"sync", "mirror"} and behaviour == "not-found"
    ):
        assert isinstance(failure, UnavailableError), failure


@pytest.mark.parametrize("behaviour", ["flip", "truncate", "wrong-root", "extra-blocks", "stall", "page", "reset", "stale-record"])
@pytest.mark.parametrize("command", ["subscribe", "mirror", "pin"])
def test_an_honest_source_beside_it_is_enough(stage: Stage, tmp_path: Path, command: str, behaviour: str) -> None:
    assert attack(stage, command, behaviour, tmp_path, seed=2, beside=True) is None


def test_two_values_for_one_sequence_are_refused_or_told(stage: Stage, tmp_path: Path) -> None:
    failure = attack(stage, "sync", "equivocate", tmp_path, seed=3)
    assert failure is None or isinstance(failure, RollbackError | UnavailableError)


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS)
def test_fifty_seeds(stage: Stage, tmp_path: Path, command: str) -> None:
    for behaviour in OVER_HTTP:
        for seed in range(50):
            failure = attack(stage, command, behaviour, tmp_path, seed=seed)
            assert failure is None or behaviour not in HARMLESS
