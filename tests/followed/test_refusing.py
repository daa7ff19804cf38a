"""A refused snapshot leaves no block behind, and `serve` shows none (docs/safety.md, A24)."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.blockstores.writing import BlockWriter
from catalog.followed.updating import update_followed
from catalog.home.home import Home
from catalog.ipld.cid import Cid
from catalog.own.signing import own_name, own_record, sign_snapshot
from catalog.trust.ownership import follow, list_subscriptions
from catalog.unixfs.directory import update_directory
from catalog.unixfs.file import file_node, raw_leaf
from catalog.unixfs.hamt import Entry
from tests.factory.releases import publish_fake
from tests.fakes.homes import network_of, open_at, share
from tests.server.site.test_opening import serving_home

MIB = 1 << 20


@pytest.fixture
def bob(tmp_path: Path) -> Iterator[Home]:
    """Who publishes."""
    with open_at(tmp_path / "bob") as home:
        yield home


@pytest.fixture
def ann(tmp_path: Path) -> Iterator[Home]:
    """Who follows."""
    with open_at(tmp_path / "ann") as home:
        yield home


def sign_garbage(home: Home, extra: Cid) -> list[Cid]:
    """Sign a snapshot whose releases are 20 MiB of noise, and that also links a block of the follower."""
    name = own_name(home)
    assert name is not None
    record = own_record(home, name)
    assert record is not None
    put: list[Cid] = []
    with BlockWriter(home.blocks) as writer:
        leaves = []
        for number in range(20):
            block, link = raw_leaf(random.Random(number).randbytes(MIB))
            writer.put_node(block)
            put.append(block.cid)
            leaves.append(link)
        block, link = file_node(leaves)
        writer.put_node(block)
        put.append(block.cid)
        changes = {"releases.ndjson": Entry("releases.ndjson", link.cid, link.dag_size), "more": Entry("more", extra, 10)}
        root = update_directory(record.snapshot_cid, changes, home.blocks, writer.put_node).cid
    sign_snapshot(home, root, record)
    return [*put, root]


@pytest.mark.parametrize("first", [True, False])
def test_twenty_megabytes_of_a_refused_snapshot_leave_nothing(bob: Home, ann: Home, first: bool) -> None:
    publish_fake(bob, "web", "1")
    publish_fake(ann, "api", "1")
    mine = share(ann).record.snapshot_cid
    share(bob)
    with ann.trust.write() as connection:
        follow(connection, str(bob.own_catalogue()), "bob", ann.time)
        subscriptions = list_subscriptions(connection)
    if not first:
        assert update_followed(ann, network_of(bob), subscriptions)[0].state == "new"
    before = set(ann.blocks.cids())
    garbage = sign_garbage(bob, mine)
    (update,) = update_followed(ann, network_of(bob), subscriptions)
    assert update.state == "failed"
    assert update.refused == garbage[-1]
    assert set(ann.blocks.cids()) == before
    assert ann.blocks.has(mine)
    with serving_home(ann) as served:
        assert {served.ask(f"/ipfs/{cid}?format=raw").status for cid in garbage} == {404}
