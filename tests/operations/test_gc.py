"""``gc`` deletes what nothing keeps, and no more."""

from datetime import timedelta

import pytest

from catalog.errors import LockedError
from catalog.home.home import Home, open_home
from catalog.image.walk import walk
from catalog.ipld.cid import Cid, cid_of
from catalog.model.release import Release
from catalog.operations.gc import collect_garbage
from catalog.operations.pull import pull
from catalog.operations.remove import remove
from catalog.operations.unpin import unpin_older
from catalog.operations.verify import verify
from catalog.sources.network import Network
from tests.factory.images import APP, make_image
from tests.factory.platforms import HOST
from tests.factory.tars import make_layer
from tests.factory.times import NOW
from tests.operations.conftest import OTHER, Publish


def blocks_of(home: Home, release: Release) -> set[Cid]:
    """Return the blocks of the release's images."""
    return {block.cid for image in release.images.values() for block in walk(image.archive, home.blocks)}


def test_gc_shows_first_and_deletes_only_what_nothing_keeps(home: Home, put: Publish) -> None:
    stays = blocks_of(home, put("web", "1.0").release)
    goes = blocks_of(home, put("web", "1.1", OTHER).release) - stays
    collect_garbage(home, delete=True)  # the snapshot before
    assert set(home.blocks.cids()) >= stays | goes
    remove(home, "web@1.1")
    before = home.blocks.size().blocks
    shown = collect_garbage(home, delete=False)
    assert (shown.deleted, home.blocks.size().blocks) == (False, before)
    swept = collect_garbage(home, delete=True)
    assert (swept.blocks, swept.bytes, swept.deleted) == (shown.blocks, shown.bytes, True)
    left = set(home.blocks.cids())
    assert stays <= left
    assert not goes & left
    assert len(left) == before - shown.blocks
    assert verify(home).damage == ()
    assert sum(kept.blocks for kept in swept.kept) == len(left), "a block that two images share counts once"


def test_gc_keeps_what_was_pulled_until_it_is_let_go(home: Home, put: Publish) -> None:
    held = blocks_of(home, put("web", "1.0").release)
    pull(home, "web@1.0", platform=HOST, engine=None, network=Network())
    remove(home, "web@1.0")
    collect_garbage(home, delete=True)
    assert held <= set(home.blocks.cids())
    later = NOW + timedelta(days=91)
    with open_home(home.path, now=later) as opened:
        assert len(unpin_older(opened, timedelta(days=90)).pins) == 1
        assert collect_garbage(opened, delete=True).blocks == len(held)
        assert not held & set(opened.blocks.cids())


def test_gc_waits_for_no_running_command(home: Home, put: Publish) -> None:
    put("web", "1.0")
    remove(home, "web@1.0")
    with home.lease("publish other@1"), pytest.raises(LockedError, match="publish other@1 is running"):
        collect_garbage(home, delete=True)
    assert home.blocks.size().blocks > 0


def test_gc_gives_space_back(home: Home, put: Publish) -> None:
    noise = make_layer({"data": b"".join(cid_of(b"%d" % n).digest for n in range(200_000))})
    put("big", "1", make_image([noise]))
    put("small", "1", make_image([APP]))
    remove(home, "big@1")
    swept = collect_garbage(home, delete=True)
    assert swept.file_before > 6_000_000
    assert swept.file_after < 1_000_000
