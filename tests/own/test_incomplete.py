"""What a node keeps of a snapshot of which blocks are lost: everything else, under one root that it can pin."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.blockstores.memory import MemoryBlockstore
from catalog.home.home import Home, open_home
from catalog.intake.intake import Wanted
from catalog.ipld.block import BlockSource
from catalog.ipld.cid import DAG_PB, Cid
from catalog.ipld.dag_pb import decode_node
from catalog.operations.publish import publish
from catalog.own.incomplete import find_incomplete, make_substitute
from catalog.own.linked import list_linked
from tests.factory.exports import source_of
from tests.factory.images import BASE, SAMPLE, make_image
from tests.factory.platforms import HOST
from tests.factory.releases import publish_fake
from tests.factory.times import NOW
from tests.fakes.homes import share


def walk(root: Cid, *sources: BlockSource) -> Iterator[Cid]:
    """Yield the CIDs under a root, as a pin of it does: every block must be in one of the sources."""
    pending, seen = [root], {root}
    while pending:
        cid = pending.pop()
        yield cid
        if cid.codec == DAG_PB:
            (data, *_) = (block.data for source in sources for block in source.get_many([cid]))
            links = [link.cid for link in decode_node(data).links]
            pending += [link for link in links if link not in seen]
            seen.update(links)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with open_home(tmp_path / "home", now=NOW) as opened:
        publish(opened, "web", "1.0", source_of(SAMPLE), Wanted(HOST))
        publish(opened, "web", "1.1", source_of(make_image([BASE])), Wanted(HOST))
        for number in range(20):
            publish_fake(opened, f"team/app{number % 3}", str(number))
        yield opened


@pytest.mark.parametrize("seed", range(8))
def test_everything_but_the_lost_blocks_is_kept(home: Home, seed: int) -> None:
    root = share(home).record.snapshot_cid
    files = list_linked(home.blocks, root, None)
    everything = list(walk(root, home.blocks))
    digests = {cid.digest for cid in everything}
    below = {cid for file in files for cid in walk(file, home.blocks)}
    chosen = random.Random(seed)
    lost = set(chosen.sample(sorted(below, key=str), seed))
    moved = {cid for cid in below - lost if chosen.random() < 0.5}
    node = MemoryBlockstore()
    node.put_many(list(home.blocks.get_many(moved)))
    home.blocks.delete([*moved, *lost])

    incomplete = find_incomplete(home.blocks, node, files)
    unreachable = {cid for entry in incomplete.values() for cid in entry.lost}
    assert unreachable <= lost
    assert bool(incomplete) == bool(lost)
    if not incomplete:
        return
    *_, top = made = make_substitute(home.blocks, root, incomplete)
    together = MemoryBlockstore()
    together.put_many(made)
    pinned = {cid.digest for cid in walk(top.cid, together, home.blocks, node)}
    held = {cid.digest for source in (home.blocks, node) for cid in source.cids()}
    assert pinned - {block.cid.digest for block in made} <= held & digests
    for file in files:
        if file not in incomplete:
            assert {cid.digest for cid in walk(file, home.blocks, node)} <= pinned
    if all(cid.codec != DAG_PB for cid in unreachable):  # what is below a lost node is not known to anybody
        assert digests - pinned == {cid.digest for cid in lost}


def test_a_node_that_has_what_the_home_lacks_lacks_nothing(home: Home) -> None:
    root = share(home).record.snapshot_cid
    files = list_linked(home.blocks, root, None)
    node = MemoryBlockstore()
    node.put_many([block for file in files for block in home.blocks.get_many(walk(file, home.blocks))])
    home.blocks.delete([cid for file in files for cid in list(walk(file, home.blocks))])
    assert find_incomplete(home.blocks, node, files) == {}
