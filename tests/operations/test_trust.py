from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.errors import AmbiguousReferenceError, NotFoundError, ReleaseConflictError, ReleaseNotFoundError, RollbackError
from catalog.home.home import Home
from catalog.home.records import local_records
from catalog.ipns.name import parse_ipns_name
from catalog.ipns.record import create_record
from catalog.ipns.validity import nanoseconds
from catalog.limits import MAX_SEQUENCE
from catalog.lookup.locate import open_lookup
from catalog.model.digest import ConfigDigest
from catalog.operations.prefer import prefer
from catalog.operations.revoke import create_revocation, revoke
from catalog.operations.subscribe import subscribe
from catalog.operations.sync import sync
from catalog.operations.trust import accept, list_questions, refuse
from catalog.sources.network import Network
from tests.factory.platforms import AMD64
from tests.factory.releases import publish_fake
from tests.factory.times import NOW
from tests.fakes.homes import NOBODY, network_of, open_at, share


@pytest.fixture
def bob(tmp_path: Path) -> Iterator[Home]:
    with open_at(tmp_path / "bob") as home:
        publish_fake(home, "web", "1", "old")
        share(home)
        yield home


@pytest.fixture
def ann(tmp_path: Path, bob: Home) -> Iterator[Home]:
    """Who follows bob."""
    with open_at(tmp_path / "ann") as home:
        subscribe(home, network_of(bob), bob.read_key().name, "bob")
        yield home


@pytest.fixture
def twin(tmp_path: Path, bob: Home) -> Iterator[Home]:
    """A second machine with bob's key."""
    with open_at(tmp_path / "twin") as home:
        (home.path / "key").write_bytes(bob.key_path.read_bytes())
        (home.path / "key").chmod(0o600)
        yield home


def config_of(home: Home, reference: str) -> ConfigDigest:
    with open_lookup(home.path) as lookup:
        image = lookup.resolve(reference, now=NOW, platform=AMD64).image
    assert image is not None
    return image.config


def change_content(ann: Home, twin: Home) -> None:
    publish_fake(twin, "web", "1", "new")
    share(twin)
    publish_fake(twin, "web", "2")
    share(twin)
    (update,) = sync(ann, network_of(twin)).updates
    assert update.error is None
    assert len(update.conflicts) == 1


def test_nothing_waits_at_first(ann: Home) -> None:
    assert list_questions(ann) == []
    with pytest.raises(NotFoundError, match="waits"):
        accept(ann, "bob")


def test_changed_content_is_refused_until_it_is_accepted(ann: Home, twin: Home) -> None:
    """Safety A7."""
    change_content(ann, twin)
    (question,) = list_questions(ann)
    assert (question.kind, question.subject) == ("content", "bob/web@1")
    with pytest.raises(ReleaseConflictError):
        config_of(ann, "bob/web@1")
    assert config_of(ann, "bob/web@2")
    with pytest.raises(AmbiguousReferenceError) as caught:
        accept(ann, "bob/web@1")
    assert caught.value.nearest == (question.item,)
    accept(ann, question.item)
    assert config_of(ann, "bob/web@1") == ConfigDigest.of(b"new")
    assert list_questions(ann) == []
    assert sync(ann, network_of(twin)).updates[0].conflicts == ()


def test_refusing_keeps_the_old_content(ann: Home, twin: Home) -> None:
    change_content(ann, twin)
    refuse(ann, "web@1")
    assert config_of(ann, "web@1") == ConfigDigest.of(b"old")
    publish_fake(twin, "web", "3")
    share(twin)
    assert sync(ann, network_of(twin)).updates[0].state == "updated"
    assert config_of(ann, "web@1") == ConfigDigest.of(b"old")
    assert list_questions(ann) == []


def plant(bob: Home, twin: Home) -> Network:
    """Sign other data with the highest sequence that is no revocation."""
    publish_fake(twin, "evil", "1")
    snapshot = share(twin).record.value
    planted = create_record(bob.read_key(), snapshot, sequence=MAX_SEQUENCE - 1, validity=nanoseconds(NOW) * 2)
    local_records(twin).put(planted.name, planted.encoded)
    return network_of(twin)


def test_a_jump_waits_and_refusing_it_brings_everything_back(ann: Home, bob: Home, twin: Home) -> None:
    """Safety A4: recovery in one command, no release lost."""
    network = plant(bob, twin)
    assert sync(ann, network).updates[0].state == "suspicious"
    (question,) = list_questions(ann)
    assert (question.kind, question.subject) == ("jump", "bob")
    assert not refuse(ann, "bob").needs_sync
    assert config_of(ann, "bob/web@1") == ConfigDigest.of(b"old")
    with pytest.raises(ReleaseNotFoundError):
        config_of(ann, "bob/evil@1")
    assert isinstance(sync(ann, network).updates[0].error, RollbackError)
    publish_fake(bob, "web", "2")
    share(bob)
    assert sync(ann, network_of(bob, twin)).updates[0].state == "updated"


def test_an_accepted_jump_is_the_new_floor(ann: Home, bob: Home, twin: Home) -> None:
    sync(ann, plant(bob, twin))
    (question,) = list_questions(ann)
    accept(ann, question.item)
    assert list_questions(ann) == []
    assert isinstance(sync(ann, network_of(bob)).updates[0].error, RollbackError)


def test_a_successor_takes_over_only_when_it_is_accepted(ann: Home, bob: Home, tmp_path: Path) -> None:
    """Safety A9."""
    with open_at(tmp_path / "new") as new:
        publish_fake(new, "web", "1", "changed by the successor")
        publish_fake(new, "web", "2")
        share(new)
        successor = new.read_key().name
        revocation = create_revocation(bob, successor)
        revoke(bob, NOBODY, bob.read_key().name, revocation.encoded)
        network = network_of(bob, new)
        (update,) = sync(ann, network).updates
        assert (update.state, update.successor) == ("revoked", successor)
        assert config_of(ann, "web@1") == ConfigDigest.of(b"old")
        (question,) = list_questions(ann)
        assert question.kind == "successor"
        assert accept(ann, f"bob={successor}").needs_sync
        (update,) = sync(ann, network).updates
        assert update.catalogue == str(successor)
        assert [conflict.reference if hasattr(conflict, "reference") else conflict.name for conflict in update.conflicts] == ["web"]
        assert config_of(ann, "bob/web@2")
        assert config_of(ann, "web@2")
        with pytest.raises(ReleaseConflictError):
            config_of(ann, "bob/web@1")


def test_a_refused_successor_is_not_asked_about_again(ann: Home, bob: Home, tmp_path: Path) -> None:
    with open_at(tmp_path / "new") as new:
        publish_fake(new, "web", "1")
        revocation = create_revocation(bob, new.read_key().name)
        revoke(bob, NOBODY, bob.read_key().name, revocation.encoded)
        sync(ann, network_of(bob))
        refuse(ann, "bob")
        assert list_questions(ann) == []


def test_a_name_moves_by_the_users_own_act(ann: Home, bob: Home, tmp_path: Path) -> None:
    with open_at(tmp_path / "carol") as carol:
        publish_fake(carol, "web", "1", "carol's")
        share(carol)
        done = subscribe(ann, network_of(carol), parse_ipns_name(str(carol.read_key().name)), "carol")
        assert done.overlap == ("web",)
        assert config_of(ann, "web@1") == ConfigDigest.of(b"old")
        moved = prefer(ann, "web", "carol")
        assert moved.before == str(bob.read_key().name)
        assert config_of(ann, "web@1") == ConfigDigest.of(b"carol's")
        assert config_of(ann, "bob/web@1") == ConfigDigest.of(b"old")
        prefer(ann, "web", "mine")
        publish_fake(ann, "web", "1", "mine")
        assert config_of(ann, "web@1") == ConfigDigest.of(b"mine")
