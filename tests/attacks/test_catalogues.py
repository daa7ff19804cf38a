"""A4, A21, A23: jumps, successors, and catalogues that hold up others."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from catalog.clients.timeouts import Timeouts
from catalog.errors import AmbiguousReferenceError, NotFoundError, RollbackError, UnavailableError
from catalog.limits import MAX_SEQUENCE
from catalog.model.release import format_time
from tests.attacks.publisher import Attacker
from tests.attacks.victim import Victim
from tests.factory.releases import make_release, publish_fake
from tests.factory.times import NOW
from tests.fakes.homes import share
from tests.needs import ROOT


def test_a_second_jump_does_not_go_back(mallory: Attacker, ann: Victim) -> None:
    """A4, A2: 5,000,000 then 3,000,000."""
    mallory.publish(make_release("web", "1.0"))
    ann.subscribe(mallory, "bob")
    mallory.publish(make_release("web", "2.0"), sequence=5_000_000)
    assert ann.sync(mallory).state == "suspicious"
    mallory.publish(gone=[("web", "2.0")], sequence=3_000_000)
    assert isinstance(ann.sync(mallory).error, RollbackError)
    assert ann.resolve("bob/web@2.0")
    mallory.publish(make_release("web", "3.0"), sequence=5_000_000)
    assert isinstance(ann.sync(mallory).error, RollbackError)
    assert len(ann.questions()) == 1


def test_a_jump_is_accepted_as_it_was_listed(mallory: Attacker, ann: Victim) -> None:
    """A20: another snapshot, or another sequence, is another item."""
    mallory.publish(make_release("web", "1.0"))
    ann.subscribe(mallory, "bob")
    mallory.publish(make_release("web", "2.0"), sequence=5_000_000)
    ann.sync(mallory)
    (listed,) = ann.questions()
    mallory.publish(make_release("web", "3.0"), sequence=MAX_SEQUENCE - 1)
    ann.sync(mallory)
    for item in (listed.item, "bob", str(mallory.name)):
        with pytest.raises((NotFoundError, AmbiguousReferenceError)):
            ann.accept(item)
    with ann.home() as home, home.trust.read() as connection:
        assert connection.exec_driver_sql("SELECT sequence FROM floors").scalar_one() == 1
    (now,) = ann.questions()
    assert not ann.refuse("bob").needs_sync
    assert ann.questions() == []
    with pytest.raises(NotFoundError):
        ann.accept(now.item)


def test_conflicts_of_a_refused_jump_are_over(mallory: Attacker, ann: Victim) -> None:
    """A20: what only the refused snapshot held cannot be accepted afterwards."""
    mallory.publish(make_release("web", "1.0", "old"))
    ann.subscribe(mallory, "bob")
    mallory.publish(make_release("web", "1.0", "evil"), sequence=5_000_000)
    ann.sync(mallory)
    content = next(question for question in ann.questions() if question.kind == "content")
    jump = next(question for question in ann.questions() if question.kind == "jump")
    assert jump.subject == "bob"
    ann.refuse(jump.item)
    with pytest.raises(NotFoundError):
        ann.accept(content.item)
    assert ann.resolve("bob/web@1.0").release == make_release("web", "1.0", "old")


@pytest.mark.parametrize("ended", ["refused", "passed over"])
def test_the_owners_release_is_no_conflict_with_a_refused_jump(mallory: Attacker, ann: Victim, ended: str) -> None:
    """A4: contents that only the refused snapshot had are forgotten; the owner's are then noted for good."""
    mallory.publish(make_release("web", "1.0"))
    ann.subscribe(mallory, "bob")
    mallory.publish(make_release("web", "2.0", "evil"), make_release("api", "1.0", "same"), sequence=5_000_000)
    assert ann.sync(mallory).state == "suspicious"
    assert ann.resolve("bob/web@2.0").first_seen == format_time(NOW)
    if ended == "refused":
        ann.refuse("bob")
    mallory.publish(make_release("web", "2.0", "the owner's"), sequence=2)
    update = ann.sync(mallory)
    assert (update.state, update.conflicts) == ("updated", ())
    assert ann.questions() == []
    assert ann.resolve("bob/web@2.0").release == make_release("web", "2.0", "the owner's")
    mallory.publish(make_release("web", "2.0", "moved"), make_release("api", "1.0", "moved"))
    assert len(ann.sync(mallory).conflicts) == 2


def test_contents_of_a_jump_do_not_change_silently(mallory: Attacker, ann: Victim) -> None:
    """A4, A7: neither while it waits nor once it is accepted."""
    mallory.publish(make_release("web", "1.0"))
    ann.subscribe(mallory, "bob")
    mallory.publish(make_release("web", "2.0"), make_release("api", "1.0"), sequence=5_000_000)
    ann.sync(mallory)
    mallory.publish(make_release("web", "2.0", "moved"))
    assert [conflict.name for conflict in ann.sync(mallory).conflicts] == ["web"]
    ann.accept(next(question.item for question in ann.questions() if question.kind == "jump"))
    mallory.publish(make_release("api", "1.0", "moved"))
    assert {conflict.name for conflict in ann.sync(mallory).conflicts} >= {"api"}
    assert ann.resolve("bob/web@1.0")


@pytest.mark.parametrize("successor", ["own", "followed", "itself"])
def test_a_successor_that_is_here_already(mallory: Attacker, carol: Attacker, ann: Victim, successor: str) -> None:
    """A21: the own catalogue is never handed over, and a followed one keeps its own contents."""
    with ann.home() as home:
        publish_fake(home, "app", "1.0")
        share(home)
        own = home.read_key().name
    mallory.publish(make_release("web", "1.0", "mallory's"), make_release("tool", "1.0", "mallory's"))
    carol.publish(make_release("web", "1.0", "carol's"))
    ann.subscribe(mallory, "bob")
    ann.subscribe(carol, "carol")
    new = {"own": own, "followed": carol.name, "itself": mallory.name}[successor]
    mallory.sign("/ipfs/bafkqaaa", sequence=MAX_SEQUENCE, successor=new)
    assert ann.sync_all(mallory, carol).updates[0].state == "revoked"
    questions = ann.questions()
    if successor == "itself":
        assert questions == []  # a record that names itself names nobody
    elif successor == "followed":
        (question,) = questions
        ann.accept(question.item)
        updates = ann.sync_all(carol).updates
        assert [(update.catalogue, update.error, update.conflicts) for update in updates] == [(str(carol.name), None, ())]
        assert ann.resolve("carol/web@1.0").release == make_release("web", "1.0", "carol's")
        assert ann.resolve("bob/web@1.0").release == make_release("web", "1.0", "carol's")
        assert ann.questions() == []
    else:
        (question,) = questions
        with pytest.raises(AmbiguousReferenceError):
            ann.accept(question.item)
    with ann.home() as home:
        publish_fake(home, "app", "1.1")
        assert share(home).signed
    assert ann.sync_all(carol).share_error is None
    assert ann.resolve("app@1.1").catalogue.own


def test_one_dripping_catalogue_holds_up_no_other(mallory: Attacker, tmp_path: Path) -> None:
    """A23: the good ones are fresh while the slow one goes on, and nothing waits for its lock."""
    ann = Victim(tmp_path / "ann", Timeouts(min_rate=1024))
    good = [Attacker(f"good {number}".encode()) for number in range(3)]
    try:
        mallory.publish(*(make_release("slow", str(number), (1, number)) for number in range(400)))
        for number, attacker in enumerate(good):
            attacker.publish(make_release(f"app{number}", "1.0"))
        for number, attacker in enumerate([mallory, *good]):
            ann.subscribe(attacker, f"c{number}")
        mallory.publish(*(make_release("slow", f"2.{number}", annotations={"title": "x" * 3000}) for number in range(400)))
        for number, attacker in enumerate(good):
            attacker.publish(make_release(f"app{number}", "2.0"))
        mallory.call("behave", "slow-line", 9 << 10)  # more than two minutes for this index
        with ThreadPoolExecutor(1) as pool:
            syncing = pool.submit(ann.sync_all, mallory, *good)
            try:
                while not all(ann.knows(f"c{number + 1}/app{number}@2.0") for number in range(3)):
                    assert not syncing.done(), "the slow catalogue was not slow"
                    time.sleep(0.02)
                assert not syncing.done(), "the slow catalogue was not slow"
                assert not ann.knows("c0/slow@2.0")
            finally:
                mallory.call("behave", "honest")
            assert [update.error for update in syncing.result().updates] == [None] * 4
    finally:
        for attacker in good:
            attacker.__exit__(None, None, None)


def test_a_slow_catalogue_ends_with_its_budget_and_goes_on_where_it_stopped(
    mallory: Attacker, ann: Victim, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A23: a budget for each catalogue, and what was fetched in it does not travel again."""
    mallory.publish(make_release("slow", "0"))
    ann.subscribe(mallory, "bob")
    releases = [make_release("slow", str(number), annotations={"title": "x" * 300}) for number in range(400)]
    mallory.publish(*releases)
    mallory.call("behave", "slow-line", 48 << 10)
    monkeypatch.setattr("catalog.followed.updating.FOLLOWED_BUDGET", 3.0)
    update = ann.sync(mallory)
    assert isinstance(update.error, UnavailableError)
    assert ann.resolve("slow@0").release == make_release("slow", "0")
    for _ in range(100):  # a busy machine brings less each time
        update = ann.sync(mallory)
        if update.error is None:
            break
    assert update.state == "updated"
    assert ann.resolve("slow@59").release == releases[59]


def test_ctrl_c_ends_a_sync_that_waits_for_a_slow_catalogue(mallory: Attacker, ann: Victim, tmp_path: Path) -> None:
    mallory.publish(make_release("slow", "0"))
    ann.subscribe(mallory, "bob")
    mallory.publish(*(make_release("slow", str(number), annotations={"title": "x" * 4000}) for number in range(1200)))
    mallory.call("behave", "slow-line", 24 << 10)  # more than three minutes for this index
    settings = {"DCAT_HOME": str(ann.path), "DCAT_CONFIG": str(tmp_path / "none.toml"), "DCAT_SOURCES": mallory.url}
    command = [sys.executable, "-c", "import sys; from cli.main import main; sys.exit(main())", "sync", "--progress", "plain"]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **settings}, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if b"Fetching the index" in line:
                    break
            process.send_signal(signal.SIGINT)
            _, rest = process.communicate(timeout=100)  # the rest of the index would take longer
            assert process.returncode == 130, rest
        finally:
            process.kill()
