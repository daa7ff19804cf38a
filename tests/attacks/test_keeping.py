"""A25: a publisher decides what of its own catalogue is kept here, and nothing else."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.blockstores.holding import is_whole
from catalog.clients.http import HttpClient
from catalog.clients.kubo import KuboClient
from catalog.errors import BlockNotFoundError
from catalog.image.dag import StoredArchive
from catalog.image.walk import walk
from catalog.intake.intake import Wanted
from catalog.ipld.block import Block
from catalog.ipld.cid import RAW, Cid, cid_of
from catalog.model.release import DeltaLink, Image
from catalog.operations.gc import collect_garbage
from catalog.operations.import_ import import_bundle
from catalog.operations.pin import pin
from catalog.operations.publish import publish
from catalog.operations.remove import remove
from catalog.operations.sync import sync
from catalog.sources.bundle import BundleSource, write_bundle
from catalog.sources.kubo import KuboBlockstore
from catalog.unixfs.file import FileLink, decode_file_node, file_node
from tests.attacks.publisher import Attacker, list_image
from tests.attacks.victim import Victim
from tests.factory.archives import MemoryBlocks, store_image
from tests.factory.exports import source_of
from tests.factory.images import BASE, make_image
from tests.factory.platforms import AMD64, ARM64
from tests.factory.releases import listed_image


def blocks_here(ann: Victim, archive_cid: Cid) -> set[Cid]:
    with ann.home() as home:
        return {block.cid for block in walk(archive_cid, home.blocks)}


@pytest.mark.parametrize("way", ["extra", "inside", "delta", "base"])
def test_what_the_user_removed_goes_whoever_links_it(mallory: Attacker, ann: Victim, way: str) -> None:
    """An entry of the snapshot or of its images, or a delta of a pinned archive, that is an image which the user removed."""
    with ann.home() as home:
        published = publish(home, "secret", "1.0", source_of(make_image([BASE], labels={"secret": "key"})), Wanted(AMD64))
    removed = published.release.images[AMD64].archive
    blocks = blocks_here(ann, removed)
    assert len(blocks) > 2
    image = mallory.store(make_image([BASE]))
    if way == "delta":
        image = replace(image, deltas={listed_image("base").archive: DeltaLink(removed, 100)})
    if way == "base":
        image = replace(image, deltas={removed: DeltaLink(removed, 100)})
    links = {way: {"secret": removed}} if way in ("extra", "inside") else {}
    mallory.publish(list_image("web", "1.0", image, AMD64), **links)
    ann.subscribe(mallory, "bob")
    with ann.home() as home, ann.network(mallory) as network:
        if way == "inside":
            assert [
                failures for failures in (entry.failures for entry in sync(home, network, mirror=True).mirrored) if failures
            ] == []
        pin(home, "bob/web@1.0", platform=AMD64, network=network)
        remove(home, "secret@1.0")
        collect_garbage(home, delete=True)
        shared = {block.cid for block in walk(image.archive, home.blocks)}
        assert {cid for cid in blocks if home.blocks.has(cid)} <= shared


PRIVATE = Block(cid_of(b"a file in the user's node", RAW), b"a file in the user's node")


class Node(KuboBlockstore):
    """The user's Kubo node, as far as it is asked for blocks; it holds a private file."""

    def __init__(self) -> None:
        super().__init__(KuboClient(HttpClient("http://127.0.0.1:9")), offline=False)

    def get(self, cid: Cid) -> bytes:
        if cid == PRIVATE.cid:
            return PRIVATE.data
        raise BlockNotFoundError(f"block {cid} is not here")

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        return (PRIVATE for cid in cids if cid == PRIVATE.cid)


@pytest.mark.parametrize("way", ["extra", "inside", "archive", "layer", "format", "delta"])
def test_mirroring_hands_no_private_file_of_the_node_on(mallory: Attacker, ann: Victim, way: str) -> None:
    """A24: whatever a publisher, who knows its CID, calls it."""
    blocks = MemoryBlocks()
    stored = store_image(make_image([BASE]), blocks)
    for cid, data in blocks.blocks.items():
        mallory.call("put", Block(cid, data))
    links = list(decode_file_node(stored.archive, blocks.get(stored.archive)).links)
    links[1] = FileLink(PRIVATE.cid, len(PRIVATE.data), len(PRIVATE.data))
    forged, _ = file_node(links)
    mallory.call("put", forged)
    image = replace(image_of(stored), size=5000)
    lied = {
        "archive": replace(image, archive=PRIVATE.cid),
        "layer": replace(image, archive=forged.cid),
        "format": replace(image, archive=PRIVATE.cid, format="dcat-image/9"),
        "delta": replace(image, deltas={listed_image("base").archive: DeltaLink(PRIVATE.cid, len(PRIVATE.data))}),
    }.get(way, image)
    mallory.publish(list_image("web", "1.0", lied, AMD64), **({way: {"web": PRIVATE.cid}} if way in ("extra", "inside") else {}))
    ann.subscribe(mallory, "bob")
    with ann.home() as home, ann.network(mallory) as network:
        (mirrored,) = sync(home, replace(network, sources=(*network.sources, Node())), mirror=True).mirrored
        assert len(mirrored.failures) == (way in ("archive", "layer", "format"))
        assert not home.blocks.has(PRIVATE.cid)


def image_of(stored: StoredArchive) -> Image:
    return Image(stored.archive, stored.config, stored.manifest, len(stored.layers), stored.size, stored.unpacked, stored.created)


def bundle_of(path: Path) -> Image:
    """Write a bundle of one image, without records."""
    blocks = MemoryBlocks()
    stored = store_image(make_image([BASE]), blocks)
    with path.open("wb") as file:
        write_bundle(file, [stored.archive], [Block(cid, data) for cid, data in blocks.blocks.items()], records={})
    return image_of(stored)


@pytest.mark.parametrize("lie", ["config", "manifest", "platform", "format", "alone"])
def test_a_false_line_keeps_no_bundle_out(mallory: Attacker, carol: Attacker, ann: Victim, tmp_path: Path, lie: str) -> None:
    """B17: mallory lists carol's archive as something else, many times; carol's bundle is imported as carol's alone."""
    true = bundle_of(tmp_path / "bundle.car")
    lied = {
        "config": replace(true, config=listed_image("x").config),
        "manifest": replace(true, manifest=listed_image("x").manifest),
        "platform": true,
        "format": replace(true, format="dcat-image/9", size=1),
        "alone": replace(true, size=1),
    }[lie]
    mallory.publish(*(list_image("aaa", str(number), lied, ARM64 if lie == "platform" else AMD64) for number in range(100)))
    ann.subscribe(mallory, "bob")
    carol.publish(list_image("web", "1.0", true, AMD64))
    ann.subscribe(carol, "carol")
    with ann.home() as home, BundleSource(tmp_path / "bundle.car") as bundle:
        done = import_bundle(home, bundle)
        imported = {entry.reference for entry in done.images}
        assert is_whole(true.archive, home.blocks)
        assert "carol/web@1.0" in imported
        assert len(imported) == (101 if lie == "alone" else 1)  # a line that lies about the size alone means the same image
        with home.trust.read() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM pins").scalar_one() == 1
