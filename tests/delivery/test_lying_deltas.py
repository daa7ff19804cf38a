"""Sources that lie in deltas: whatever they send, the pull succeeds by blocks, and a warning names who it was."""

import hashlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from catalog.blockstores.writing import BlockWriter
from catalog.clients.timeouts import Timeouts
from catalog.delivery import Delivered
from catalog.delta.header import BlockRange, DeltaHeader, DeltaSection, encode_header
from catalog.delta.writer import write_delta
from catalog.home.home import Home
from catalog.image.walk import walk
from catalog.index.releases import get_release
from catalog.ipld.cid import Cid
from catalog.limits import MIB
from catalog.model.release import DeltaLink
from catalog.operations.sync import sync
from catalog.own.deltas import _name
from catalog.own.share import share_own
from catalog.progress import Step
from catalog.sources.network import Network, SourceSetting, open_network
from catalog.unixfs.file_writer import import_file
from tests.delivery.versions import NOBODY, follower, open_at, publisher, pull_here, released, warnings
from tests.factory.platforms import HOST
from tests.fakes.homes import network_of
from tests.fakes.lying_source import BEHAVIOURS, LyingSource

PATIENT = Timeouts(retry=0.01)
FAST = Timeouts(connect=2, first_byte=1, rate_window=1, min_rate=16384, hedge=1, retry=0.01, budget=10)
SLOW = {"stall", "stall-inside", "drip", "drip-headers"}  # which keep dcat waiting
# What a client takes although the server misbehaves, and what is no delta at all: neither is worth a warning.
HARMLESS = {
    "honest",
    "busy-once",
    "skewed-date",
    "poison",
    "wrong-root",
    "extra-blocks",
    "reorder",
    "duplicate",
    "stale-record",
    "equivocate",
}
UNTAKEN = {
    "stall",
    "drip-headers",
    "page",
    "busy",
    "unavailable",
    "redirect-private",
    "redirect-loop",
    "realm",
    "wrong-type",
    "not-found",
    "truncate-silently",  # states no size
    "endless",  # states no size
    "gzip-bomb",
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publisher(tmp_path_factory.mktemp("plain") / "home", ("1.0", "1.1"), deltas=False)


@pytest.fixture(scope="module")
def team(plain: Path) -> Iterator[Home]:
    with open_at(plain) as home:
        yield home


@pytest.fixture(scope="module")
def honest(team: Home) -> bytes:
    frames = BytesIO()
    written = write_delta(*pair(team), team.blocks, frames)
    return written.head + frames.getvalue()


def pair(team: Home) -> tuple[Cid, Cid]:
    return released(team, "1.0").archive, released(team, "1.1").archive


def pull_from(home: Home, team: Home, delta: bytes, behaviour: str | None = None) -> tuple[Delivered, list[str], LyingSource]:
    """Pull where a server's blocks are right, and its delta is this one, sent so."""
    base, target = pair(team)
    cids = [block.cid for block in walk(target, team.blocks)]
    source = LyingSource(team.blocks.get_many(cids), deltas={(str(base), str(target)): delta}, delta_behaviour=behaviour)
    steps = list[Step]()
    with source, open_network([SourceSetting(source.url)], timeouts=FAST if behaviour in SLOW else PATIENT) as network:
        done = pull_here(home, network, "1.1", steps)
    assert done.fetched is not None
    assert not home.blocks.missing(cids)
    return done.fetched, warnings(steps), source


@pytest.mark.parametrize("behaviour", [behaviour for behaviour in BEHAVIOURS if behaviour != "slow-tls"])
def test_a_server_that_lies_in_its_delta_does_not_keep_from_pulling(behaviour: str, home: Home, team: Home, honest: bytes) -> None:
    fetched, told, source = pull_from(home, team, honest, behaviour)
    assert source.count("/dcat/v1/delta/") >= 1
    if behaviour in UNTAKEN:
        assert (fetched.delta, told) == (None, [])
    elif behaviour in HARMLESS:
        assert fetched.delta is not None
        assert (fetched.delta.complete, fetched.blocks, told) == (True, fetched.blocks, [])
    else:
        assert fetched.delta is not None
        assert not fetched.delta.complete
        (warning,) = told
        assert f"127.0.0.1:{source.port}" in warning
        assert "the rest comes as blocks" in warning


def other_pair(team: Home) -> bytes:
    frames = BytesIO()
    base, target = pair(team)
    written = write_delta(target, base, team.blocks, frames)
    return written.head + frames.getvalue()


def header_of(team: Home, sections: tuple[DeltaSection, ...]) -> bytes:
    return encode_header(DeltaHeader(*pair(team), sections))


@pytest.mark.parametrize("name", ["noise", "empty", "other pair", "large sections", "far ranges", "cut", "flipped", "longer"])
def test_a_delta_that_is_none_costs_its_bytes_and_a_warning(name: str, home: Home, team: Home, honest: bytes) -> None:
    flipped = bytearray(honest)
    flipped[-len(honest) // 3] ^= 8
    delta = {
        "noise": hashlib.shake_256(b"noise").digest(5000),
        "empty": b"",
        "other pair": other_pair(team),
        "large sections": header_of(team, (DeltaSection(32 * MIB, 1000, ()),) * 1000),
        "far ranges": header_of(team, (DeltaSection(1000, 100, (BlockRange(10**9, 8000),)),)) + bytes(100),
        "cut": honest[: len(honest) * 2 // 3],
        "flipped": bytes(flipped),
        "longer": honest + b"\0",
    }[name]
    fetched, told, source = pull_from(home, team, delta)
    assert fetched.delta is not None
    assert not fetched.delta.complete
    assert fetched.delta.size <= len(delta)
    (warning,) = told
    assert f"127.0.0.1:{source.port}" in warning


def test_a_delta_that_is_as_large_as_the_blocks_is_not_read(home: Home, team: Home) -> None:
    fetched, told, _ = pull_from(home, team, bytes(4 * MIB))
    assert (fetched.delta, told) == (None, [])


def test_a_catalogue_that_names_something_else_as_its_delta_is_told(tmp_path: Path, honest: bytes) -> None:
    publisher(tmp_path / "team", ("1.0", "1.1"), deltas=False)
    with open_at(tmp_path / "team") as team, follower(tmp_path / "home", team) as home:
        flipped = bytearray(honest)
        flipped[len(honest) // 2] ^= 1
        with BlockWriter(team.blocks) as writer:
            link = import_file(BytesIO(bytes(flipped)), writer.put_node)
        catalogue, base = team.own_catalogue(), pair(team)[0]
        assert catalogue is not None
        with team.index.read() as connection:
            release = get_release(connection, catalogue, "web", "1.1")
        assert _name(team, catalogue, release, HOST, base, DeltaLink(link.cid, link.file_size))
        assert share_own(team, NOBODY) is not None
        network: Network = network_of(team)
        assert sync(home, network, ["team"]).first_error is None
        steps = list[Step]()
        done = pull_here(home, network, "1.1", steps)
        assert done.fetched is not None
        assert done.fetched.delta is not None
        assert not done.fetched.delta.complete
        (warning,) = warnings(steps)
        assert "its publisher" in warning
        assert not home.blocks.missing([block.cid for block in walk(pair(team)[1], home.blocks)])
