from pathlib import Path

import pytest

from catalog.errors import LockedError, RecordExpiredError, RollbackError, UnavailableError
from catalog.followed.checking import ask_for_record
from catalog.followed.updating import Update, update_followed, update_one
from catalog.home.home import Home
from catalog.home.records import local_records
from catalog.index.releases import get_release, iterate_releases
from catalog.index.subscriptions import get_catalogue, list_sightings
from catalog.ipns.name import IpnsName, parse_ipns_name
from catalog.ipns.record import create_record
from catalog.ipns.validity import nanoseconds
from catalog.limits import MAX_SEQUENCE
from catalog.model.digest import ConfigDigest
from catalog.model.release import Release
from catalog.sources.network import Network
from catalog.storage.locks import locked
from catalog.trust.conflicts import list_conflicts
from catalog.trust.ownership import follow, list_subscriptions, owner_of
from catalog.trust.store import get_floor
from tests.factory.platforms import AMD64, ARM64
from tests.factory.releases import publish_fake
from tests.factory.times import NOW
from tests.fakes.homes import HomeRouting, network_of, open_at, share


def name_of(home: Home) -> str:
    name = home.own_catalogue()
    assert name is not None
    return name


def subscribe(home: Home, publisher: Home, alias: str) -> Update:
    with home.trust.write() as connection:
        follow(connection, name_of(publisher), alias, home.time)
    return sync(home, network_of(publisher))[0]


def sync(home: Home, network: Network) -> list[Update]:
    with home.trust.read() as connection:
        subscriptions = list_subscriptions(connection)
    return update_followed(home, network, subscriptions)


def sync_one(home: Home, network: Network) -> Update:
    (update,) = sync(home, network)
    return update


def releases(home: Home, catalogue: str) -> dict[str, Release]:
    with home.index.read() as connection:
        return {release.reference: release for release in iterate_releases(connection, catalogue)}


def test_a_first_sync_brings_everything(bob: Home, ann: Home) -> None:
    published = [publish_fake(bob, "web", str(number), platforms=(AMD64, ARM64)) for number in range(3)]
    record = share(bob).record
    update = subscribe(ann, bob, "bob")
    assert (update.state, update.releases, update.error) == ("new", 3, None)
    assert update.fetched > 0
    assert releases(ann, name_of(bob)) == {release.reference: release for release in published}
    with ann.index.read() as connection:
        row = get_catalogue(connection, name_of(bob))
    assert (row.alias, row.sequence, row.root, row.checked) == ("bob", 1, str(record.snapshot_cid), ann.time)
    with ann.trust.read() as connection:
        assert owner_of(connection, "web") == name_of(bob)
        floor = get_floor(connection, name_of(bob))
    assert floor is not None
    assert floor.record == record.encoded
    assert local_records(ann).get(record.name) == record.encoded
    with ann.index.read() as connection:
        assert list_sightings(connection, name_of(bob)) == [("bob", 1, ann.time)]


def test_a_later_sync_brings_what_changed_and_no_more(bob: Home, ann: Home) -> None:
    for number in range(200):
        publish_fake(bob, f"app{number % 20}", str(number))
    share(bob)
    first = subscribe(ann, bob, "bob")
    publish_fake(bob, "app3", "new")
    share(bob)
    update = sync_one(ann, network_of(bob))
    assert update.state == "updated"
    assert update.changes is not None
    assert [(change.kind, change.name, change.version) for change in update.changes.entries] == [("published", "app3", "new")]
    assert update.fetched < first.fetched / 4
    assert releases(ann, name_of(bob)) == releases(bob, name_of(bob))
    assert sync_one(ann, network_of(bob)).state == "unchanged"


class OvertakenRouting(HomeRouting):
    """Records of a publisher who publishes again after each answer, which another command then takes first, if it can."""

    def __init__(self, publisher: Home, follower: Path) -> None:
        super().__init__(publisher)
        self.follower = follower
        self.overtaken = 0

    def get(self, name: IpnsName) -> bytes | None:
        answer = super().get(name)
        try:
            with locked(self.follower / "sync.lock", timeout=0):
                pass
        except LockedError:
            return answer
        self.overtaken += 1
        publish_fake(self.home, "web", f"2.{self.overtaken}")
        share(self.home)
        with open_at(self.follower) as other:
            assert sync(other, network_of(self.home))[0].error is None
        return answer


def test_an_update_that_others_always_come_before_is_made_while_they_wait(bob: Home, ann: Home) -> None:
    publish_fake(bob, "web", "1.0")
    share(bob)
    subscribe(ann, bob, "bob")
    routing = OvertakenRouting(bob, ann.path)
    (update,) = sync(ann, Network(network_of(bob).sources, (routing,)))
    assert update.error is None
    assert routing.overtaken > 1
    assert f"web@2.{routing.overtaken}" in releases(ann, name_of(bob))


def test_a_source_that_sleeps_leaves_everything_as_it_was(bob: Home, ann: Home) -> None:
    publish_fake(bob, "web", "1")
    share(bob)
    subscribe(ann, bob, "bob")
    network = network_of(bob)
    network.routings[0].reachable = False  # type: ignore[attr-defined]
    update = sync_one(ann, network)
    assert update.state == "failed"
    assert isinstance(update.error, UnavailableError)
    assert "asleep" in update.error.why
    assert releases(ann, name_of(bob)).keys() == {"web@1"}


def test_a_snapshot_that_cannot_be_had_changes_nothing(bob: Home, ann: Home) -> None:
    publish_fake(bob, "web", "1")
    share(bob)
    subscribe(ann, bob, "bob")
    publish_fake(bob, "web", "2")
    share(bob)
    network = network_of(bob)
    network.sources[0].reachable = False  # type: ignore[attr-defined]
    assert sync_one(ann, network).state == "failed"
    with ann.trust.read() as connection:
        floor = get_floor(connection, name_of(bob))
    assert floor is not None
    assert floor.floor.sequence == 1
    assert sync_one(ann, network_of(bob)).state == "updated"


def test_an_older_record_is_refused_and_named(bob: Home, ann: Home) -> None:
    """Safety A2."""
    publish_fake(bob, "web", "1")
    old = share(bob).record
    publish_fake(bob, "web", "2")
    share(bob)
    subscribe(ann, bob, "bob")
    local_records(bob).put(old.name, old.encoded)
    update = sync_one(ann, network_of(bob))
    assert isinstance(update.error, RollbackError)
    assert "went backwards" in update.error.message
    assert releases(ann, name_of(bob)).keys() == {"web@1", "web@2"}


def test_the_floor_survives_index_and_blocks(bob: Home, ann: Home) -> None:
    """Safety A2, D10: nothing but trust.sqlite is needed to see a rollback."""
    publish_fake(bob, "web", "1")
    old = share(bob).record
    publish_fake(bob, "web", "2")
    new = share(bob).record
    subscribe(ann, bob, "bob")
    ann.close()
    for path in [*ann.path.glob("index.sqlite*"), *ann.path.glob("blocks.sqlite*"), *ann.path.glob("records/*")]:
        path.unlink()
    with open_at(ann.path) as bare:
        local_records(bob).put(old.name, old.encoded)
        assert isinstance(sync_one(bare, network_of(bob)).error, RollbackError)
        local_records(bob).put(new.name, new.encoded)
        update = sync_one(bare, network_of(bob))
        assert update.state == "updated"
        assert releases(bare, name_of(bob)).keys() == {"web@1", "web@2"}


def test_two_values_for_one_sequence_keep_the_first(bob: Home, ann: Home) -> None:
    """Safety A5."""
    publish_fake(bob, "web", "1")
    record = share(bob).record
    subscribe(ann, bob, "bob")
    other = create_record(bob.read_key(), b"/ipfs/other", sequence=record.sequence, validity=record.validity)
    local_records(bob).put(other.name, other.encoded)
    update = sync_one(ann, network_of(bob))
    assert isinstance(update.error, RollbackError)
    assert "two values" in update.error.message
    assert str(record.snapshot_cid) in update.error.message


def test_a_renewed_record_is_taken(bob: Home, ann: Home) -> None:
    publish_fake(bob, "web", "1")
    share(bob)
    subscribe(ann, bob, "bob")
    bob.close()
    ann.close()
    with open_at(bob.path, days=15) as later_bob, open_at(ann.path, days=15) as later_ann:
        renewed = share(later_bob).record
        update = sync_one(later_ann, network_of(later_bob))
        assert update.state in ("updated", "unchanged")
        with later_ann.index.read() as connection:
            row = get_catalogue(connection, name_of(later_bob))
        assert (row.sequence, row.checked) == (renewed.sequence, later_ann.time)


def test_a_sync_at_a_time_before_the_last_one_doubts_the_clock(bob: Home, ann: Home) -> None:
    """Safety A15: what it brings would count as seen for longer than it was."""
    publish_fake(bob, "web", "1")
    share(bob)
    subscribe(ann, bob, "bob")
    assert sync_one(ann, network_of(bob)).warnings == ()
    ann.close()
    with open_at(ann.path, days=-400) as earlier:
        (warning,) = sync_one(earlier, network_of(bob)).warnings
        assert "this machine's clock looks wrong" in warning


def test_an_expired_record_says_so(bob: Home, ann: Home) -> None:
    publish_fake(bob, "web", "1")
    share(bob)
    subscribe(ann, bob, "bob")
    ann.close()
    with open_at(ann.path, days=31) as later:
        update = sync_one(later, network_of(bob))
        assert isinstance(update.error, RecordExpiredError)
        assert releases(later, name_of(bob)).keys() == {"web@1"}


def test_a_planted_jump_is_undone_by_the_owners_next_record(bob: Home, ann: Home, tmp_path: Path) -> None:
    """Safety A4: its data is shown with a warning, the floor stays, nothing of the owner's is lost."""
    publish_fake(bob, "web", "1")
    share(bob)
    subscribe(ann, bob, "bob")
    with open_at(tmp_path / "thief") as thief:
        (thief.path / "key").write_bytes(bob.key_path.read_bytes())
        (thief.path / "key").chmod(0o600)
        publish_fake(thief, "evil", "1")
        snapshot = share(thief).record.value
        planted = create_record(bob.read_key(), snapshot, sequence=MAX_SEQUENCE - 1, validity=nanoseconds(NOW) * 2)
        local_records(thief).put(planted.name, planted.encoded)
        update = sync_one(ann, network_of(bob, thief))
        assert update.state == "suspicious"
        assert releases(ann, name_of(bob)).keys() == {"evil@1"}
        assert sync_one(ann, network_of(bob, thief)).state == "suspicious"
        publish_fake(bob, "web", "2")
        share(bob)
        for state in ("updated", "unchanged", "unchanged"):
            assert sync_one(ann, network_of(bob, thief)).state == state
            assert releases(ann, name_of(bob)).keys() == {"web@1", "web@2"}


def test_a_revocation_ends_everything_and_keeps_what_is_held(bob: Home, ann: Home) -> None:
    """Safety A9."""
    publish_fake(bob, "web", "1")
    record = share(bob).record
    subscribe(ann, bob, "bob")
    successor = ann.create_own_catalogue()[0]
    revocation = create_record(
        bob.read_key(),
        record.value,
        sequence=MAX_SEQUENCE,
        validity=nanoseconds(NOW) * 2,
        successor=parse_ipns_name(successor),
    )
    local_records(bob).put(record.name, revocation.encoded)
    for _ in range(2):
        update = sync_one(ann, network_of(bob))
        assert update.state == "revoked"
        assert str(update.successor) == successor
        assert releases(ann, name_of(bob)).keys() == {"web@1"}
    local_records(bob).put(record.name, record.encoded)
    assert isinstance(sync_one(ann, network_of(bob)).error, RollbackError)


def test_content_that_moved_is_a_conflict_and_the_old_one_stays(bob: Home, ann: Home, tmp_path: Path) -> None:
    """Safety A7: another machine of the same key publishes the version anew, with other content."""
    publish_fake(bob, "web", "1", "old")
    share(bob)
    subscribe(ann, bob, "bob")
    with open_at(tmp_path / "twin") as twin:
        (twin.path / "key").write_bytes(bob.key_path.read_bytes())
        (twin.path / "key").chmod(0o600)
        publish_fake(twin, "web", "1", "new")
        publish_fake(twin, "web", "2")
        share(twin)
        publish_fake(twin, "web", "3")
        share(twin)
        update = sync_one(ann, network_of(twin))
        assert update.state == "updated"
        (conflict,) = update.conflicts
        assert (conflict.name, conflict.version, conflict.state) == ("web", "1", "open")
        assert conflict.old == ConfigDigest.of(b"old")
        assert conflict.new == ConfigDigest.of(b"new")
        with ann.index.read() as connection:
            kept = get_release(connection, name_of(bob), "web", "1")
        assert kept.images[AMD64].config == ConfigDigest.of(b"old")
        assert releases(ann, name_of(bob)).keys() == {"web@1", "web@2", "web@3"}
        with ann.trust.read() as connection:
            assert len(list_conflicts(connection)) == 1
        assert sync_one(ann, network_of(twin)).state == "unchanged"


def test_names_belong_to_whoever_was_subscribed_to_first(bob: Home, ann: Home, tmp_path: Path) -> None:
    """Safety A8."""
    with open_at(tmp_path / "carol") as carol:
        publish_fake(bob, "web", "1")
        share(bob)
        publish_fake(carol, "web", "9")
        publish_fake(carol, "api", "9")
        share(carol)
        publish_fake(ann, "mine", "1")
        subscribe(ann, bob, "bob")
        with ann.trust.write() as connection:
            follow(connection, name_of(carol), "carol", ann.time)
        publish_fake(bob, "api", "1")
        share(bob)
        updates = sync(ann, network_of(carol, bob))
        assert [update.alias for update in updates] == ["bob", "carol"]
        with ann.trust.read() as connection:
            assert owner_of(connection, "web") == name_of(bob)
            assert owner_of(connection, "api") == name_of(carol)  # followed before bob brought it
            assert owner_of(connection, "mine") == name_of(ann)


def test_a_third_home_syncs_from_a_follower_while_the_owner_is_away(bob: Home, ann: Home, tmp_path: Path) -> None:
    publish_fake(bob, "web", "1")
    share(bob)
    subscribe(ann, bob, "bob")
    with open_at(tmp_path / "carol") as carol:
        with carol.trust.write() as connection:
            follow(connection, name_of(bob), "bob", carol.time)
        update = sync_one(carol, network_of(ann))
        assert update.state == "new"
        assert releases(carol, name_of(bob)) == releases(ann, name_of(bob))


def test_a_crash_between_trust_and_index_is_finished_at_the_next_opening(bob: Home, ann: Home) -> None:
    class CrashError(Exception):
        pass

    def crash(label: str) -> None:
        if label == "home: between trust and index":
            raise CrashError

    publish_fake(bob, "web", "1")
    share(bob)
    subscribe(ann, bob, "bob")
    publish_fake(bob, "web", "2")
    share(bob)
    ann.crash_point = crash
    check = ask_for_record(ann, network_of(bob), parse_ipns_name(name_of(bob)))
    with pytest.raises(CrashError):
        update_one(ann, network_of(bob), check, "bob")
    ann.close()
    with open_at(ann.path) as again:
        assert releases(again, name_of(bob)).keys() == {"web@1", "web@2"}
        assert sync_one(again, network_of(bob)).state == "unchanged"


def test_a_loaded_catalogue_is_what_differences_would_have_made(bob: Home, ann: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_fake(bob, "web", "1")
    share(bob)
    subscribe(ann, bob, "bob")
    for number in range(2, 9):
        publish_fake(bob, "web", str(number))
    share(bob)
    monkeypatch.setattr("catalog.followed.fetching.MAX_DIFFERENCES", 3)
    assert sync_one(ann, network_of(bob)).state == "updated"
    assert releases(ann, name_of(bob)) == releases(bob, name_of(bob))
