"""A publisher, a bundle and a user's own hands against a home with a real Kubo node, which holds files of its user too."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from catalog.errors import CatalogueNotFoundError
from catalog.home.home import Home, open_home
from catalog.home.records import local_records
from catalog.intake.intake import Wanted
from catalog.ipld.block import Block
from catalog.ipld.cid import RAW, Cid, cid_of
from catalog.ipns.name import parse_ipns_name
from catalog.ipns.record import check_record
from catalog.model.release import DeltaLink, Image
from catalog.operations.import_ import import_bundle
from catalog.operations.publish import publish
from catalog.operations.remove import remove
from catalog.operations.subscribe import subscribe
from catalog.operations.sync import sync
from catalog.operations.verify import verify
from catalog.own.share import Sharing, share_own
from catalog.server.site.opening import open_site
from catalog.sources.bundle import BundleSource, write_bundle
from catalog.sources.kubo import KuboBlockstore
from catalog.sources.network import KuboSetting, Network, SourceSetting, open_network
from catalog.unixfs.file import FileLink, decode_file_node, file_node
from tests.attacks.publisher import Attacker, list_image
from tests.compat.kubo import KuboNode
from tests.factory.archives import MemoryBlocks, store_image
from tests.factory.exports import source_of
from tests.factory.images import BASE, make_image
from tests.factory.platforms import AMD64
from tests.factory.releases import listed_image


@dataclass(frozen=True, slots=True)
class Person:
    """A home with a node, and sources beside it; each call opens it now, since records of real nodes expire."""

    path: Path
    node: KuboNode
    others: tuple[Attacker, ...] = ()

    @contextmanager
    def opened(self) -> Iterator[tuple[Home, Network]]:
        sources = [SourceSetting(attacker.url) for attacker in self.others]
        with (
            open_home(self.path, now=datetime.now(UTC)) as home,
            open_network(sources, KuboSetting(self.node.url, public=True)) as network,
        ):
            yield home, network

    def publish(self, version: str, content: str) -> tuple[Cid, Cid]:
        """Publish and share an image; return its archive and the snapshot."""
        with self.opened() as (home, network):
            image = source_of(make_image([BASE], labels={"content": content}))
            done = publish(home, "web", version, image, Wanted(AMD64), sharing=Sharing(network, deltas=False))
            assert done.shared is not None, done.share_error
            assert not done.shared.pending, done.shared.pending
            return done.release.images[AMD64].archive, done.shared.record.snapshot_cid


def private_file(node: KuboNode) -> Block:
    """Add a private file to the node's own repository; a publisher has heard of its CID."""
    data = b"a private file"
    cid = cid_of(data, RAW)
    assert node.run("block", "put", data=data).decode().strip() == str(cid)
    return Block(cid, data)


@pytest.mark.parametrize("way", ["root", "index", "listed"])
def test_no_private_file_of_the_node_is_served(kubo: KuboNode, tmp_path: Path, way: str) -> None:
    """A24: whatever a publisher calls it, and although a sync asks the node for it: a snapshot, its index, a part of its images."""
    private = private_file(kubo)
    with Attacker(f"mallory {way}".encode()) as mallory:  # the node keeps records from test to test
        image = mallory.store(make_image([BASE]))
        mallory.publish(list_image("web", "1.0", image, AMD64))
        ann = Person(tmp_path / "ann", kubo, (mallory,))
        with ann.opened() as (home, network):
            subscribe(home, network, mallory.name, "bob")
        if way == "root":
            mallory.sign(f"/ipfs/{private.cid}")
        elif way == "index":
            mallory.call("publish_index", private.cid)
        else:
            list_everywhere(mallory, image, private)
        with ann.opened() as (home, network):
            done = sync(home, network, mirror=True)
            assert (done.updates[0].state, len(done.mirrored[0].failures) if done.mirrored else 0) == (
                ("updated", 2) if way == "listed" else ("failed", 0)
            )
            assert not home.blocks.has(private.cid)
            assert not home.arriving.has(private.cid)
            assert network.kubo is not None
            site = open_site(home, lambda: home.now, KuboBlockstore(network.kubo))
            for chore in site.chores:
                chore.run()
            assert KuboBlockstore(network.kubo).has(private.cid)
            assert not site.blocks.has(private.cid)
            assert site.blocks.missing([private.cid]) == [private.cid]


def list_everywhere(mallory: Attacker, image: Image, private: Block) -> None:
    """Publish a snapshot that links a block as an entry, among its images, as an archive, as a part of one, and as a delta."""
    blocks = MemoryBlocks()
    stored = store_image(make_image([BASE]), blocks)
    links = list(decode_file_node(stored.archive, blocks.get(stored.archive)).links)
    links[1] = FileLink(private.cid, len(private.data), len(private.data))
    forged, _ = file_node(links)
    mallory.call("put", forged)
    mallory.publish(
        list_image("web", "1.1", replace(image, archive=private.cid), AMD64),
        list_image("web", "1.2", replace(image, archive=forged.cid), AMD64),
        list_image(
            "web",
            "1.3",
            replace(image, deltas={listed_image("base").archive: DeltaLink(private.cid, len(private.data))}),
            AMD64,
        ),
        extra={"web": private.cid},
        inside={"web": private.cid},
    )


def test_a_replayed_record_in_a_bundle_does_not_reach_the_node(mallory: Attacker, kubo: KuboNode, tmp_path: Path) -> None:
    """A2: an older own record, and one of a stranger, imported by a home that shares through its node."""
    bob = Person(tmp_path / "bob", kubo)
    bob.publish("1.0", "replayed")
    with bob.opened() as (home, _):
        name = parse_ipns_name(str(home.own_catalogue()))
        old = local_records(home).get(name)
        assert old is not None
    _, newest = bob.publish("1.1", "newer")
    stranger = mallory.publish(list_image("web", "1.0", mallory.store(make_image([BASE])), AMD64))
    with (tmp_path / "old.car").open("wb") as file:
        write_bundle(file, [], [], records={str(name): old, str(mallory.name): stranger.encoded})
    with bob.opened() as (home, network), BundleSource(tmp_path / "old.car") as bundle:
        with pytest.raises(CatalogueNotFoundError):
            import_bundle(home, bundle)
        share_own(home, network)
        kept = local_records(home).get(name)
        assert kept is not None
        assert check_record(name, kept).snapshot_cid == newest
        assert local_records(home).get(mallory.name) is None
    assert kubo.run("name", "resolve", str(name)).decode().strip() == f"/ipfs/{newest}"


def test_ones_own_pins_of_a_node_stay(kubo: KuboNode, tmp_path: Path) -> None:
    """What the user pinned by hand outlives its removal, also a snapshot whose pin got another name so, and files of others."""
    private = private_file(kubo)
    kubo.run("pin", "add", str(private.cid))
    bob = Person(tmp_path / "bob", kubo)
    archive, snapshot = bob.publish("1.0", "pinned by hand")
    for cid in (archive, snapshot):
        kubo.run("pin", "add", "--name", "by hand", str(cid))
    with bob.opened() as (home, network):
        remove(home, "web@1.0", sharing=Sharing(network))
    kubo.run("repo", "gc")
    pins = kubo.run("pin", "ls", "--names", "--type", "recursive").decode().splitlines()
    assert sum(line.endswith("by hand") for line in pins) == 2
    for cid in (archive, snapshot, private.cid):
        kubo.run("block", "stat", "--offline", str(cid))
        kubo.run("pin", "rm", str(cid))


def test_a_node_that_was_swapped_is_not_counted_on(kubo_nodes: tuple[KuboNode, KuboNode], tmp_path: Path) -> None:
    """Archives that live in one node only are named as not here where another one is configured, and come back with the first."""
    first, second = kubo_nodes
    second.cut_off()
    try:
        Person(tmp_path / "bob", first).publish("1.0", "swapped")
        with Person(tmp_path / "bob", second).opened() as (home, network):
            shared = share_own(home, network)
            assert shared is not None
            assert "lacks some" in shared.pending
            assert shared.targets == ()
            assert first.url in verify(home, network=network).unasked
        with Person(tmp_path / "bob", first).opened() as (home, network):
            shared = share_own(home, network)
            assert shared is not None
            assert (shared.targets, shared.pending) == (("kubo",), "")
            found = verify(home, network=network)
            assert (found.damage, found.unasked, found.kept) == ((), "", True)
    finally:
        second.join(first)
