"""A4: whatever a suspicious snapshot brought is undone when its record is refused, by whom and however that happens."""

from collections.abc import Callable

import pytest

from catalog.errors import ReleaseConflictError, ReleaseNotFoundError
from catalog.home.records import local_records
from catalog.ipns.record import Record
from catalog.limits import MAX_SEQUENCE
from catalog.model.release import Release
from catalog.operations.gc import collect_garbage
from tests.attacks.publisher import Attacker
from tests.attacks.victim import Victim
from tests.factory.releases import make_release, publish_fake

WEB = make_release("web", "1.0", "old")
JUMP = 5_000_000


def refuse(mallory: Attacker, ann: Victim) -> list[Record]:
    ann.refuse("bob")
    return []


def revoke(mallory: Attacker, ann: Victim) -> list[Record]:
    record = mallory.sign("/ipfs/bafkqaaa", sequence=MAX_SEQUENCE)
    assert ann.sync(mallory).state == "revoked"
    return [record]


def sign_properly(mallory: Attacker, ann: Victim) -> list[Record]:
    """The owner, who never saw what the thief of the key planted, publishes."""
    mallory.call("publish_lines", {}, sequence=2)
    record = mallory.publish(WEB, make_release("web", "1.1"), sequence=2)
    assert ann.sync(mallory).state == "updated"
    return [record]


@pytest.mark.parametrize("end", [refuse, revoke, sign_properly])
def test_nothing_of_a_refused_jump_is_left(
    mallory: Attacker, carol: Attacker, ann: Victim, end: Callable[[Attacker, Victim], list[Record]]
) -> None:
    """Releases, contents that the user accepted meanwhile, and names; a collection in between makes no difference."""
    accepted = [mallory.publish(WEB)]
    ann.subscribe(mallory, "bob")
    carol.publish(make_release("tool", "1.0"))
    ann.subscribe(carol, "carol")
    evil = make_release("web", "1.0", "evil")
    mallory.publish(evil, make_release("web", "2.0"), make_release("db", "1.0", "evil"), sequence=JUMP)
    assert [update.state for update in ann.sync_all(mallory, carol).updates] == ["suspicious", "unchanged"]
    ann.accept(next(question.item for question in ann.questions() if question.kind == "content"))
    assert ann.resolve("bob/web@1.0").release == evil
    carol.publish(make_release("db", "1.0", "carol's"))
    ann.sync_all(mallory, carol)
    assert ann.resolve("db@1.0").catalogue.alias == "bob"
    with ann.home() as home:
        collect_garbage(home, delete=True)
    accepted += end(mallory, ann)
    assert [question for question in ann.questions() if question.kind != "successor"] == []
    assert ann.resolve("bob/web@1.0").release == WEB
    for gone in ("bob/web@2.0", "bob/db@1.0"):
        with pytest.raises(ReleaseNotFoundError):
            ann.resolve(gone)
    assert ann.resolve("db@1.0").release == make_release("db", "1.0", "carol's")
    with ann.home() as home:
        assert (local_records(home).get(mallory.name) or b"") in {record.encoded for record in accepted}
    assert ann.resolve("carol/tool@1.0")


def test_a_name_of_a_refused_jump_can_become_the_users_own(mallory: Attacker, ann: Victim) -> None:
    mallory.publish(WEB)
    ann.subscribe(mallory, "bob")
    mallory.publish(make_release("app", "1.0", "evil"), sequence=JUMP)
    ann.sync(mallory)
    ann.refuse("bob")
    with ann.home() as home:
        own = publish_fake(home, "app", "1.0")
    assert ann.resolve("app@1.0").release == own


def test_names_that_were_there_before_a_jump_stay(mallory: Attacker, carol: Attacker, ann: Victim) -> None:
    """Also one whose every release was left out before, and one that the user moved."""
    mallory.publish(WEB, make_release("db", "1.0", "bob's"))
    ann.subscribe(mallory, "bob")
    mallory.publish(gone=[("db", "1.0")])
    ann.sync(mallory)
    carol.publish(make_release("db", "1.0", "carol's"))
    ann.subscribe(carol, "carol")
    mallory.publish(make_release("db", "2.0"), sequence=JUMP)
    ann.sync_all(mallory, carol)
    ann.refuse("bob")
    with pytest.raises(ReleaseNotFoundError):
        ann.resolve("db@1.0")
    assert ann.resolve("carol/db@1.0")


def test_all_contents_of_a_jump_are_accepted_and_refused(mallory: Attacker, ann: Victim) -> None:
    """A19: a flood inside of a jump is accepted whole, and undone whole."""
    many = range(120)
    old = [make_release("web", str(number), "old") for number in many]
    mallory.publish(*old)
    ann.subscribe(mallory, "bob")
    mallory.publish(*(make_release("web", str(number), "new") for number in many), sequence=JUMP)
    assert ann.sync(mallory).state == "withheld"
    ann.accept(ann.questions()[0].item)
    assert ann.sync(mallory).state == "suspicious"
    assert ann.resolve("bob/web@3").release == make_release("web", "3", "new")
    ann.refuse("bob")
    assert ann.questions() == []
    assert [ann.resolve(f"bob/web@{number}").release for number in many] == old


def test_what_was_accepted_in_a_jump_stays_when_the_jump_is_accepted(mallory: Attacker, ann: Victim) -> None:
    evil: Release = make_release("web", "1.0", "evil")
    mallory.publish(WEB)
    ann.subscribe(mallory, "bob")
    mallory.publish(evil, sequence=JUMP)
    ann.sync(mallory)
    for kind in ("content", "jump"):
        ann.accept(next(question.item for question in ann.questions() if question.kind == kind))
    assert ann.resolve("bob/web@1.0").release == evil
    mallory.publish(WEB)
    assert len(ann.sync(mallory).conflicts) == 1


def test_a_conflict_from_before_a_jump_is_asked_about_again(mallory: Attacker, ann: Victim) -> None:
    """What was accepted in the suspicious snapshot was accepted as part of that one."""
    mallory.publish(WEB)
    ann.subscribe(mallory, "bob")
    mallory.publish(make_release("web", "1.0", "new"))
    assert len(ann.sync(mallory).conflicts) == 1
    mallory.publish(make_release("api", "1.0"), sequence=JUMP)
    ann.sync(mallory)
    ann.accept(next(question.item for question in ann.questions() if question.kind == "content"))
    ann.refuse("bob")
    (question,) = ann.questions()
    assert question.subject == "bob/web@1.0"
    with pytest.raises(ReleaseConflictError):
        ann.resolve("bob/web@1.0")
    mallory.publish(WEB, sequence=3)
    ann.sync(mallory)
    assert ann.questions() == []
    assert ann.resolve("bob/web@1.0").release == WEB


def test_a_jump_to_the_snapshot_that_is_shown_is_asked_about_too(mallory: Attacker, ann: Victim) -> None:
    """Else nobody could accept it, and the catalogue would expire here although its owner signs."""
    record = mallory.publish(WEB)
    ann.subscribe(mallory, "bob")
    for sequence in (JUMP, JUMP + 7):
        mallory.sign(record.value.decode(), sequence=sequence)
        for _ in range(2):
            assert ann.sync(mallory).state == "suspicious"
            (question,) = ann.questions()
            assert question.token.startswith(f"{sequence}:")
    ann.accept(question.item)
    mallory.publish(make_release("web", "1.1"))
    assert ann.sync(mallory).state == "updated"
