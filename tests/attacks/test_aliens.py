"""A DAG that is no archive, listed as one: all of its blocks may be here for another reason, and it still counts as no image."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.blockstores.holding import is_whole
from catalog.errors import VerificationError
from catalog.intake.intake import Wanted
from catalog.ipld.cid import Cid
from catalog.ipns.record import check_record
from catalog.model.release import Image
from catalog.operations.check_lock import check_locked
from catalog.operations.gc import collect_garbage
from catalog.operations.lock import lock_release
from catalog.operations.publish import publish
from catalog.operations.sync import sync
from catalog.operations.verify import verify
from catalog.snapshot.reader import open_snapshot
from catalog.trust.store import list_pins
from tests.attacks.publisher import Attacker, list_image
from tests.attacks.victim import Victim, readers_of
from tests.factory.exports import source_of
from tests.factory.images import BASE, make_image
from tests.factory.platforms import AMD64
from tests.server.serving import serving_home


@pytest.fixture
def alien(mallory: Attacker, ann: Victim) -> Image:
    """The index of mallory's first snapshot, all of which ann holds, listed as an archive with a true image's digests."""
    true = mallory.store(make_image([BASE]))
    record = mallory.publish(list_image("web", "0.9", true, AMD64))
    ann.subscribe(mallory, "bob")
    with ann.home() as home:
        index = open_snapshot(check_record(record.name, record.encoded).snapshot_cid, home.blocks).releases.cid
        assert is_whole(index, home.blocks)
    lied = replace(true, archive=index, size=1000)
    mallory.publish(list_image("web", "1.0", lied, AMD64))
    ann.sync(mallory)
    return lied


def pinned(ann: Victim) -> set[str]:
    with ann.home() as home, home.trust.read() as connection:
        return {entry.archive for entry in list_pins(connection)}


def test_every_command_refuses_it(mallory: Attacker, ann: Victim, alien: Image, tmp_path: Path) -> None:
    with ann.home() as home, ann.network(mallory) as network:
        for run in readers_of(home, network, "bob/web@1.0", AMD64, tmp_path).values():
            with pytest.raises(VerificationError):
                run()
        (mirrored,) = sync(home, network, mirror=True).mirrored
        assert [reference for reference, _ in mirrored.failures] == ["bob/web@1.0"]
        problem = check_locked(home, lock_release(home, "bob/web@1.0"))
        assert problem is not None
        assert isinstance(problem.error, VerificationError)
    assert str(alien.archive) not in pinned(ann)
    assert not (tmp_path / "image").exists()


def test_no_server_shows_it_as_an_image(mallory: Attacker, ann: Victim, alien: Image) -> None:
    with ann.home() as home, serving_home(home) as served:
        for path in ("bob/web/manifests/1.0", f"bob/web/manifests/{alien.manifest}", f"bob/web/blobs/{alien.config}"):
            assert served.ask(f"/v2/{path}").status == 404
        shown = json.loads(served.ask("/r/bob/web@1.0.json").body)
        assert (shown["whole"], shown["begun"], shown["layer_list"]) == (False, False, None)


def test_it_is_garbage_once_its_snapshot_is(mallory: Attacker, ann: Victim, alien: Image) -> None:
    with ann.home() as home:
        collect_garbage(home, delete=True)
        assert not is_whole(alien.archive, home.blocks)


def test_ones_own_version_cannot_become_it(mallory: Attacker, ann: Victim, alien: Image) -> None:
    """A publish of the true image stores the true archive, whatever somebody else lists under its digests."""
    with ann.home() as home:
        published = publish(home, "mine", "1.0", source_of(make_image([BASE])), Wanted(AMD64))
        found: Cid = published.release.images[AMD64].archive
        assert found != alien.archive
        assert verify(home, "mine@1.0").damage == ()
