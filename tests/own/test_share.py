import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.errors import BlockNotFoundError, RollbackError, UnavailableError
from catalog.home.home import Home
from catalog.home.records import local_records
from catalog.index.releases import get_release, iterate_releases
from catalog.index.subscriptions import get_catalogue
from catalog.ipld.block import Block
from catalog.ipld.cid import RAW, cid_of
from catalog.ipns.record import create_record, validate_record
from catalog.ipns.validity import nanoseconds
from catalog.limits import MAX_SEQUENCE
from catalog.model.release import DeltaLink, Release
from catalog.own.share import recover_own, share_own
from catalog.own.signing import own_name, own_record
from catalog.own.snapshots import dag_sizes
from catalog.snapshot.reader import open_snapshot
from catalog.snapshot.writer import write_snapshot
from catalog.sources.network import ClusterSetting, PinningSetting, open_network
from tests.factory.platforms import AMD64
from tests.factory.releases import archive_block, publish_fake
from tests.factory.times import NOW
from tests.fakes.homes import NOBODY, HomeRouting, network_of, open_at, share


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with open_at(tmp_path / "home") as opened:
        yield opened


def releases(home: Home) -> dict[str, Release]:
    name = own_name(home)
    assert name is not None
    with home.index.read() as connection:
        return {release.reference: release for release in iterate_releases(connection, str(name))}


def test_without_a_catalogue_there_is_nothing_to_share(home: Home) -> None:
    assert share_own(home, NOBODY) is None


def test_clusters_and_services_need_a_node(home: Home) -> None:
    publish_fake(home, "web", "1.0")
    cluster, service = ClusterSetting("http://cluster.invalid:9094"), PinningSetting("one", "https://pinning.invalid/psa")
    with open_network([], cluster=cluster, services=[service]) as network:
        shared = share(home, network)
    assert shared.pending == (
        "no Kubo node is configured, from which the cluster at cluster.invalid:9094, the pinning service one would fetch"
    )


def test_what_is_published_is_signed_and_kept_here(home: Home) -> None:
    published = publish_fake(home, "web", "1.0")
    shared = share(home)
    name = own_name(home)
    assert name is not None
    assert shared.signed
    assert (shared.record.sequence, shared.pending) == (1, "")
    assert validate_record(name, local_records(home).get(name) or b"", NOW) == shared.record
    snapshot = open_snapshot(shared.record.snapshot_cid, home.blocks)
    assert list(snapshot.read()) == [published]
    assert snapshot.catalogue.previous is None
    with home.index.read() as connection:
        row = get_catalogue(connection, str(name))
    assert (row.root, row.sequence, row.own) == (str(snapshot.root), 1, True)


def test_a_record_that_ends_before_the_last_one_is_told(home: Home) -> None:
    """Safety A15: who publishes at a time that is long past signs what has expired for all others."""
    publish_fake(home, "web", "1.0")
    first = share(home)
    assert first.outlived is None
    home.close()
    with open_at(home.path, days=-400) as earlier:
        publish_fake(earlier, "web", "1.1")
        assert share(earlier).outlived == first.record.expires
    with open_at(home.path, days=0.1) as later:
        renewed = share(later)
        assert (renewed.signed, renewed.outlived) == (True, None)


def test_sharing_again_signs_nothing(home: Home) -> None:
    publish_fake(home, "web", "1.0")
    first = share(home)
    again = share(home)
    assert not again.signed
    assert again.record == first.record


def test_the_next_snapshot_is_what_a_whole_one_would_be(home: Home) -> None:
    last = None
    for number in range(40):
        publish_fake(home, f"app{number % 7}", str(number))
        shared = share(home)
        assert shared.record.sequence == number + 1
        snapshot = open_snapshot(shared.record.snapshot_cid, home.blocks)
        assert snapshot.catalogue.previous == last
        whole = write_snapshot(
            releases(home).values(),
            title="",
            published=home.time,
            previous=last,
            dag_size=dag_sizes(home.blocks),
            put=lambda _: None,
        )
        assert whole.root == snapshot.root
        last = snapshot.root


def test_a_record_is_renewed_when_less_than_twenty_days_are_left(home: Home, tmp_path: Path) -> None:
    publish_fake(home, "web", "1.0")
    first = share(home).record
    with open_at(home.path, days=9.9) as later:
        assert not share(later).signed
    with open_at(home.path, days=10.1) as later:
        renewed = share(later)
    assert renewed.signed
    assert renewed.record.sequence == first.sequence + 1
    assert renewed.record.value == first.value
    assert renewed.record.validity > first.validity


def test_a_restored_backup_loses_nothing(home: Home, tmp_path: Path) -> None:
    """Safety A10: a copy that is 30 releases old, one command, nothing lost."""
    publish_fake(home, "web", "0")
    share(home)
    home.close()
    shutil.copytree(home.path, tmp_path / "backup")
    with open_at(home.path) as going_on:
        for number in range(1, 31):
            publish_fake(going_on, "web", str(number))
            share(going_on)
        with open_at(tmp_path / "backup") as restored:
            publish_fake(restored, "web", "new")
            shared = share(restored, network_of(going_on))
            assert shared.merged is not None
            assert len(shared.merged.releases) == 30
            assert shared.record.sequence == 32
            assert releases(restored).keys() == {f"web@{number}" for number in range(31)} | {"web@new"}
            snapshot = open_snapshot(shared.record.snapshot_cid, restored.blocks)
            assert {release.reference: release for release in snapshot.read()} == releases(restored)
            assert share(restored, network_of(going_on)).merged is None


@contextmanager
def twins(home: Home, tmp_path: Path) -> Iterator[tuple[Home, Home]]:
    """Share ``web@0``; yield the home and a copy of it, both open: one key on two machines."""
    publish_fake(home, "web", "0")
    share(home)
    home.close()
    shutil.copytree(home.path, tmp_path / "twin")
    with open_at(home.path) as one, open_at(tmp_path / "twin") as other:
        yield one, other


def test_one_key_on_two_machines_makes_the_union(home: Home, tmp_path: Path) -> None:
    """Safety A11: both sign, each takes in what the other signed, and both end with everything."""
    with twins(home, tmp_path) as (one, other):
        publish_fake(one, "web", "one")
        publish_fake(other, "web", "other")
        assert share(one).record.sequence == share(other).record.sequence == 2
        assert share(one, network_of(other)).record.sequence == 3
        shared = share(other, network_of(one))
        assert shared.record.sequence == 4
        assert releases(one) == releases(other)
        assert releases(one).keys() == {"web@0", "web@one", "web@other"}
        assert share(one, network_of(other)).record.sequence == 5


def test_one_version_published_twice_keeps_what_was_shared_first(home: Home, tmp_path: Path) -> None:
    with twins(home, tmp_path) as (one, other):
        theirs = publish_fake(one, "web", "1", "first content")
        share(one)
        mine = publish_fake(other, "web", "1", "second content")
        shared = share(other, network_of(one))
        assert shared.merged is not None
        assert [(reference, digest) for reference, _, digest in shared.merged.lost] == [
            ("web@1", image.config) for image in mine.images.values()
        ]
        assert releases(other)["web@1"].images == theirs.images


def test_a_snapshot_that_cannot_be_had_leaves_the_share_pending(home: Home, tmp_path: Path) -> None:
    with twins(home, tmp_path) as (one, other):
        publish_fake(one, "web", "1")
        share(one)
        publish_fake(other, "web", "2")
        network = network_of(one)
        network.sources[0].reachable = False  # type: ignore[attr-defined]
        shared = share(other, network)
        assert "cannot be read" in shared.pending
        assert share(other, network_of(one)).merged is not None
        assert releases(other).keys() == {"web@0", "web@1", "web@2"}


def test_a_planted_record_at_the_top_is_stepped_over(home: Home, tmp_path: Path) -> None:
    """Safety A4, at the publisher: one command takes it in, and publishing goes on below it."""
    publish_fake(home, "web", "0")
    share(home)
    key = home.read_key()
    root = share(home).record.value
    planted = create_record(key, root, sequence=MAX_SEQUENCE - 1, validity=nanoseconds(NOW) * 2)
    with open_at(tmp_path / "other") as other:
        local_records(other).put(key.name, planted.encoded)
        network = network_of(other)
        publish_fake(home, "web", "1")
        with pytest.raises(RollbackError, match=str(MAX_SEQUENCE - 1)):
            share(home, network)
        recovered = recover_own(home, network)
        assert recovered.record.sequence == 2
        assert releases(home).keys() == {"web@0", "web@1"}
        publish_fake(home, "web", "2")
        assert share(home, network).record.sequence == 3


def test_recovering_needs_somebody_to_ask(home: Home, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="no catalogue"):
        recover_own(home, NOBODY)
    publish_fake(home, "web", "0")
    with pytest.raises(UnavailableError, match="no source"):
        recover_own(home, NOBODY)


def test_a_new_home_with_the_old_key_gets_everything_back(home: Home, tmp_path: Path) -> None:
    for number in range(5):
        publish_fake(home, "web", str(number))
        share(home)
    (tmp_path / "new").mkdir(mode=0o700)
    shutil.copy(home.key_path, tmp_path / "new" / "key")
    (tmp_path / "new" / "key").chmod(0o600)
    with open_at(tmp_path / "new") as new:
        new.create_own_catalogue()
        shared = recover_own(new, network_of(home))
        assert shared.record.sequence == 6
        assert releases(new) == releases(home)


def test_a_new_home_with_the_old_key_goes_on_without_what_nobody_has(home: Home, tmp_path: Path) -> None:
    """A follower keeps the catalogue, and of the images those that it pulled: no deltas, and not all archives."""
    one, two, lost = (publish_fake(home, "web", version) for version in ("1.0", "1.1", "1.2"))
    (base,), (image,) = one.images.values(), two.images.values()
    delta = Block(cid_of(b"a delta", RAW), b"a delta")
    home.blocks.put_many([delta])
    with home.lock("own"):
        changed = replace(two, images={AMD64: replace(image, deltas={base.archive: DeltaLink(delta.cid, len(delta.data))})})
        home.put_own([changed], [])
    share(home)
    images = open_snapshot(share(home).record.snapshot_cid, home.blocks).images
    before = releases(home)
    home.blocks.delete([delta.cid, *(image.archive for image in lost.images.values())])
    (tmp_path / "new").mkdir(mode=0o700)
    shutil.copy(home.key_path, tmp_path / "new" / "key")
    with open_at(tmp_path / "new") as new:
        new.create_own_catalogue()
        with pytest.raises(BlockNotFoundError, match="no source has the bytes of web") as caught:
            recover_own(new, network_of(home))
        assert "dcat remove web@1.2" in caught.value.hint
        home.blocks.put_many([archive_block("web@1.2 linux/amd64")])
        shared = share(new, network_of(home))
        assert releases(new) == before
        assert open_snapshot(shared.record.snapshot_cid, new.blocks).images == images


def test_nothing_is_signed_behind_a_revocation(home: Home, tmp_path: Path) -> None:
    publish_fake(home, "web", "0")
    record = share(home).record
    key = home.read_key()
    revocation = create_record(key, record.value, sequence=MAX_SEQUENCE, validity=nanoseconds(NOW) * 2)
    with open_at(tmp_path / "other") as other:
        local_records(other).put(key.name, revocation.encoded)
        publish_fake(home, "web", "1")
        for _ in range(2):
            with pytest.raises(RollbackError, match="revoked"):
                share(home, network_of(other))
    with home.index.read() as connection:
        assert get_release(connection, str(key.name), "web", "1").version == "1"


def test_a_crash_between_blocks_and_record_is_made_good_by_the_next_share(home: Home) -> None:
    publish_fake(home, "web", "0")

    class CrashError(Exception):
        pass

    def crash(label: str) -> None:
        if label == "home: between trust and index":
            raise CrashError

    share(home)
    publish_fake(home, "web", "1")
    home.crash_point = crash
    with pytest.raises(CrashError):
        share(home)
    home.close()
    with open_at(home.path) as again:
        shared = share(again)
        assert shared.record.sequence == 2
        assert {release.version for release in open_snapshot(shared.record.snapshot_cid, again.blocks).read()} == {"0", "1"}
        with again.index.read() as connection:
            assert get_catalogue(connection, str(shared.record.name)).root == str(shared.record.snapshot_cid)


def test_the_record_of_another_home_routing_is_checked(home: Home, tmp_path: Path) -> None:
    publish_fake(home, "web", "0")
    shared = share(home)
    with open_at(tmp_path / "other") as other:
        routing = HomeRouting(other)
        routing.put(shared.record.name, b"noise")
        assert not share(home, network_of(other)).signed


def test_recover_takes_in_every_record_and_signs_above_the_highest(home: Home, tmp_path: Path) -> None:
    publish_fake(home, "web", "0")
    share(home)
    home.close()
    for twin in ("one", "other"):
        shutil.copytree(home.path, tmp_path / twin)
    with open_at(home.path) as mine, open_at(tmp_path / "one") as one, open_at(tmp_path / "other") as other:
        publish_fake(one, "web", "one")
        share(one)
        for version in ("other", "another"):
            publish_fake(other, "web", version)
            share(other)
        recovered = recover_own(mine, network_of(other, one, other))
        assert recovered.merged is not None
        assert sorted(recovered.merged.releases) == ["web@another", "web@one", "web@other"]
        assert recovered.record.sequence == 4
        assert recover_own(mine, network_of(other, one)).merged is None


def test_recover_signs_nothing_behind_a_revocation(home: Home, tmp_path: Path) -> None:
    publish_fake(home, "web", "0")
    record = share(home).record
    key = home.read_key()
    revocation = create_record(key, record.value, sequence=MAX_SEQUENCE, validity=nanoseconds(NOW) * 2)
    with open_at(tmp_path / "other") as other:
        local_records(other).put(key.name, revocation.encoded)
        for _ in range(2):
            with pytest.raises(RollbackError, match="revoked"):
                recover_own(home, network_of(other))
    held = own_record(home, key.name)
    assert held is not None
    assert held.revoked
