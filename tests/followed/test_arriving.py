"""A refused snapshot leaves no block behind, and `serve` shows none of an index that was not taken over (docs/safety.md, A24)."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from catalog.blockstores.writing import BlockWriter
from catalog.errors import UnavailableError
from catalog.followed.updating import update_followed
from catalog.home.damage import find_damaged_files
from catalog.home.home import Home
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid
from catalog.operations.gc import collect_garbage
from catalog.operations.verify import verify
from catalog.own.signing import own_name, own_record, sign_snapshot
from catalog.trust.ownership import Subscription, follow, list_subscriptions
from catalog.unixfs.directory import update_directory
from catalog.unixfs.file import file_node, raw_leaf
from catalog.unixfs.hamt import Entry
from tests.factory.releases import publish_fake
from tests.fakes.homes import HomeSource, network_of, share, sign_other_tree
from tests.server.serving import serving_home

MIB = 1 << 20


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


class _BreaksOff(HomeSource):
    """Another home that is not reached any more after some blocks; an index comes node by node."""

    batch = 1

    def __init__(self, home: Home, blocks: int) -> None:
        super().__init__(home)
        self._left = blocks

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        for block in super().get_many(cids):
            self._left -= 1
            self.reachable = self._left >= 0
            self._check()
            yield block


def follow_many(home: Home, other: Home) -> list[Subscription]:
    """Follow another home, which has shared 40 releases in as many leaves."""
    for number in range(40):
        publish_fake(other, "web", str(number))
    share(other)
    sign_other_tree(other)
    with home.trust.write() as connection:
        follow(connection, str(other.own_catalogue()), "bob", home.time)
        return list_subscriptions(connection)


def test_an_index_under_way_is_not_served_and_goes_on_where_it_stopped(bob: Home, ann: Home) -> None:
    subscriptions = follow_many(ann, bob)
    network = replace(network_of(bob), sources=(_BreaksOff(bob, 12),))
    (update,) = update_followed(ann, network, subscriptions)
    assert isinstance(update.error, UnavailableError)
    came = set(ann.arriving.cids())
    assert len(came) == 12
    assert not list(ann.blocks.cids())
    with serving_home(ann) as served:
        assert {served.ask(f"/ipfs/{cid}?format=raw").status for cid in came} == {404}
        whole = network_of(bob)
        assert update_followed(ann, whole, subscriptions)[0].state == "new"
        (source,) = whole.sources
        assert isinstance(source, HomeSource)
        assert not came & set(source.given)
        assert {served.ask(f"/ipfs/{cid}?format=raw").status for cid in came} == {200}
    assert not list(ann.arriving.cids())


def test_gc_deletes_what_is_left_of_an_index(bob: Home, ann: Home) -> None:
    subscriptions = follow_many(ann, bob)
    update_followed(ann, replace(network_of(bob), sources=(_BreaksOff(bob, 12),)), subscriptions)
    assert collect_garbage(ann, delete=False).blocks == 12
    assert collect_garbage(ann, delete=True).blocks == 12
    assert not list(ann.arriving.cids())
    assert collect_garbage(ann, delete=False).blocks == 0


def test_failed_fetches_leave_a_bounded_amount(bob: Home, ann: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.followed.arriving.MAX_ARRIVING", 1)
    update_followed(ann, replace(network_of(bob), sources=(_BreaksOff(bob, 12),)), follow_many(ann, bob))
    assert not list(ann.arriving.cids())


def test_a_damaged_file_of_what_arrives_is_made_anew(bob: Home, ann: Home) -> None:
    subscriptions = follow_many(ann, bob)
    update_followed(ann, replace(network_of(bob), sources=(_BreaksOff(bob, 12),)), subscriptions)
    path = ann.arriving.file.path
    ann.close_file("arriving")
    path.write_bytes(path.read_bytes()[:20_000] + bytes(60_000))
    assert [found.path for found in find_damaged_files(ann)] == [path]
    verify(ann, repair=True)
    assert update_followed(ann, network_of(bob), subscriptions)[0].state == "new"
