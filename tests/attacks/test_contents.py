"""A7, A17, A19, A20: contents that move, in every way that a publisher can move them."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection

from catalog.errors import ArchiveError, NotFoundError, ReleaseConflictError, ReleaseNotFoundError
from catalog.model.release import Image, Release
from catalog.operations.diff import diff
from catalog.operations.pin import pin
from catalog.operations.status import status
from catalog.operations.sync import sync
from tests.attacks.publisher import Attacker, list_image
from tests.attacks.victim import Victim, readers_of
from tests.factory.images import BASE, make_image
from tests.factory.platforms import AMD64, ARM64
from tests.factory.releases import listed_image, make_release
from tests.factory.times import AT


def test_a_moved_config_is_a_conflict(mallory: Attacker, ann: Victim) -> None:
    """A7."""
    mallory.publish(make_release("web", "1.0", "old"))
    ann.subscribe(mallory, "bob")
    mallory.publish(make_release("web", "1.0", "new"))
    (conflict,) = ann.sync(mallory).conflicts
    assert conflict.state == "open"
    with pytest.raises(ReleaseConflictError):
        ann.resolve("bob/web@1.0")


@pytest.mark.parametrize("field", ["archive", "manifest"])
def test_a_moved_archive_under_an_unchanged_config_is_a_conflict(mallory: Attacker, ann: Victim, field: str) -> None:
    """A17: nothing follows it, and the old one resolves again once it was refused."""
    old = listed_image("app")
    moved = replace(old, **{field: getattr(listed_image("another"), field)})
    mallory.publish(list_image("web", "1.0", old, AMD64))
    ann.subscribe(mallory, "bob")
    mallory.publish(list_image("web", "1.0", moved, AMD64))
    assert len(ann.sync(mallory).conflicts) == 1
    for reference in ("bob/web@1.0", "web@1.0", f"web@{old.config}", str(old.config)):
        with pytest.raises(ReleaseConflictError):
            ann.resolve(reference)
    ann.refuse("bob/web@1.0")
    assert ann.resolve("bob/web@1.0").image == old


@pytest.fixture
def images(mallory: Attacker) -> tuple[Image, Image]:
    """Two real images, whose blocks mallory serves."""
    first = mallory.store(make_image([BASE], labels={"version": "first"}))
    return first, mallory.store(make_image([BASE], labels={"version": "second"}))


LIES = ["config", "manifest", "archive", "platform"]


@pytest.mark.parametrize("lie", LIES)
def test_every_reader_compares_the_archive_with_the_line(
    mallory: Attacker, ann: Victim, images: tuple[Image, Image], lie: str, tmp_path: Path
) -> None:
    """A17: an archive listed under a config, manifest or platform that is not its own, from the first day."""
    first, second = images
    platform = ARM64 if lie == "platform" else AMD64
    lied = first if lie == "platform" else replace(first, **{lie: getattr(second, lie)})
    mallory.publish(list_image("web", "1.0", lied, platform), list_image("web", "0.9", first, AMD64))
    ann.subscribe(mallory, "bob")
    refused = []
    with ann.home() as home, ann.network(mallory) as network:
        commands = readers_of(home, network, "bob/web@1.0", platform, tmp_path)
        commands["diff"] = lambda: diff(home, "bob/web@1.0", "bob/web@1.0", platform=platform)
        for name, run in commands.items():
            with pytest.raises(ArchiveError, match="not the image"):
                run()
            refused.append(name)
        (mirrored,) = sync(home, network, mirror=True).mirrored
        assert [reference for reference, _ in mirrored.failures] == ["bob/web@1.0"]
        assert not (tmp_path / "image").exists()
        assert pin(home, "bob/web@0.9", platform=AMD64, network=network).resolved.image == first
    assert len(refused) == 7


def many(content: str, number: int) -> list[Release]:
    return [make_release(f"app{place % 100:02}", str(place), (content, place)) for place in range(number)]


def test_a_flood_of_conflicts_is_one_question(mallory: Attacker, ann: Victim) -> None:
    """A19: nothing of it is shown, the rest goes on, and accepting it shows all of it."""
    mallory.publish(*many("old", 150))
    ann.subscribe(mallory, "bob")
    mallory.publish(*many("new", 150))
    for _ in range(2):
        update = ann.sync(mallory)
        assert (update.state, update.conflicts, update.error) == ("withheld", (), None)
    with ann.home() as home:
        assert [entry.withheld for entry in status(home).catalogues if entry.row.alias == "bob"] == [True]
    old = ann.resolve("bob/app07@7").image
    assert old == make_release("app07", "7", ("old", 7)).images[AMD64]
    (question,) = ann.questions()
    assert question.kind == "snapshot"
    mallory.publish(*many("newer", 150))
    ann.sync(mallory)
    with pytest.raises(NotFoundError):
        ann.accept(question.item)
    (question,) = ann.questions()
    assert ann.accept(question.item).needs_sync
    assert ann.sync(mallory).state == "updated"
    assert ann.resolve("bob/app07@7").image == make_release("app07", "7", ("newer", 7)).images[AMD64]
    assert ann.questions() == []
    assert ann.sync(mallory).state == "unchanged"


def test_a_refused_flood_stays_out_and_the_next_snapshot_is_judged_anew(mallory: Attacker, ann: Victim) -> None:
    mallory.publish(*many("old", 150))
    ann.subscribe(mallory, "bob")
    mallory.publish(*many("new", 150))
    ann.sync(mallory)
    ann.refuse("bob")
    assert ann.questions() == []
    assert ann.sync(mallory).state == "withheld"
    mallory.publish(*many("old", 150), make_release("web", "2.0"))
    assert ann.sync(mallory).state == "updated"
    assert ann.resolve("bob/web@2.0")


def test_a_slow_flood_ends_at_the_same_number(mallory: Attacker, ann: Victim) -> None:
    """A19: 30 conflicts a sync do not add up without end."""
    mallory.publish(*many("old", 300))
    ann.subscribe(mallory, "bob")
    states = []
    for step in range(5):
        mallory.publish(*many("new", 30 * (step + 1)))
        states.append(ann.sync(mallory).state)
    assert states == ["updated"] * 3 + ["withheld"] * 2
    assert len(ann.questions()) == 91


def test_content_that_changes_with_every_sync_leaves_one_question(mallory: Attacker, ann: Victim) -> None:
    """A19: only the newest of each is kept."""
    mallory.publish(make_release("web", "1.0", "old"))
    ann.subscribe(mallory, "bob")
    for step in range(20):
        mallory.publish(make_release("web", "1.0", f"new {step}"))
        ann.sync(mallory)
    with ann.home() as home, home.trust.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM conflicts").scalar_one() == 1
    assert len(ann.questions()) == 1


def flood(mallory: Attacker, ann: Victim, number: int, monkeypatch: pytest.MonkeyPatch) -> tuple[float, float, int]:
    """Change the content of every release; return the processor seconds of it and of the longest lock, and the store's growth."""
    longest = 0.0
    mallory.publish(*many("old", number))
    ann.subscribe(mallory, "bob")
    mallory.publish(*many("new", number))
    with ann.home() as home, ann.network(mallory) as network:
        before = sum(path.stat().st_size for path in ann.path.glob("trust.sqlite*"))
        write = home.trust.write
        held: list[float] = []

        class Timed:
            def __enter__(self) -> Connection:
                self._entered = write()
                connection = self._entered.__enter__()
                self._began = time.thread_time()
                return connection

            def __exit__(self, *error: object) -> None:
                self._entered.__exit__(*error)  # type: ignore[arg-type]
                held.append(time.thread_time() - self._began)

        monkeypatch.setattr(home.trust, "write", Timed)
        began = time.process_time()
        (update,) = sync(home, network).updates
        took = time.process_time() - began
        assert (update.state, update.error) == ("withheld", None)
        longest = max(held)
        after = sum(path.stat().st_size for path in ann.path.glob("trust.sqlite*"))
    return took, longest, after - before


def test_a_flood_costs_little(mallory: Attacker, ann: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    """A19, a sample: 5,000 changed configs."""
    _, longest, grown = flood(mallory, ann, 5000, monkeypatch)
    assert grown <= 1 << 20
    assert longest <= 0.5


@pytest.mark.long
def test_a_flood_of_a_hundred_thousand(mallory: Attacker, ann: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    """A19: at most 5 s, the lock for at most 0.5 s, 1 MiB; and unsubscribing frees it."""
    took, longest, grown = flood(mallory, ann, 100_000, monkeypatch)
    assert took <= 5
    assert longest <= 0.5
    assert grown <= 1 << 20


def test_a_conflict_is_accepted_as_it_is_listed_now(mallory: Attacker, ann: Victim) -> None:
    """A20: every interleaving of a list, a change, a sync and an acceptance; 0 contents accepted that were not listed."""
    unshown = accepted = 0
    for number, changed in enumerate(["content", "archive", "removed", "yanked", "platform", "line", "nothing"]):
        name = f"web{number}"
        mallory.publish(make_release(name, "1.0", "old"))
        (ann.subscribe if number == 0 else lambda who, alias: ann.sync(who))(mallory, "bob")
        new = make_release(name, "1.0", "new")
        mallory.publish(new)
        ann.sync(mallory)
        listed = next(question for question in ann.questions() if name in question.item)
        image = new.images[AMD64]
        edits = {
            "content": make_release(name, "1.0", "newer"),
            "archive": list_image(name, "1.0", replace(image, archive=listed_image("z").archive), AMD64),
            "removed": make_release(name, "1.0", removed=AT),
            "yanked": replace(new, yanked="broken"),
            "platform": replace(new, images={AMD64: image, ARM64: listed_image("arm")}),
            "nothing": new,
        }
        if changed == "line":
            mallory.publish(gone=[(name, "1.0")])
        else:
            mallory.publish(edits[changed])
        for synced in (False, True):
            if synced:
                ann.sync(mallory)
            try:
                ann.accept(listed.item)
            except NotFoundError:
                continue
            accepted += 1
            shown = ann.resolve(f"bob/{name}@1.0")
            unshown += shown.image != image
            if synced and changed == "yanked":
                assert shown.release.yanked == "broken"
            break
        if changed == "yanked":
            ann.sync(mallory)
            assert ann.resolve(f"bob/{name}@1.0").release.yanked == "broken"
        if changed == "removed":
            ann.sync(mallory)
            with pytest.raises(ReleaseNotFoundError, match="removed"):
                ann.resolve(f"bob/{name}@1.0")
    assert unshown == 0
    assert accepted >= 3


def test_accepting_revives_nothing(mallory: Attacker, ann: Victim) -> None:
    """A20: what was yanked or removed after the conflict was noted, and platforms that came, are as they are now."""
    mallory.publish(make_release("web", "1.0", "old"), make_release("api", "1.0", "old"))
    ann.subscribe(mallory, "bob")
    mallory.publish(make_release("web", "1.0", "new"), make_release("api", "1.0", "new"))
    ann.sync(mallory)
    item = next(question.item for question in ann.questions() if "web" in question.item)
    api = next(question.item for question in ann.questions() if "api" in question.item)
    both = {AMD64: make_release("web", "1.0", "new").images[AMD64], ARM64: listed_image("arm")}
    mallory.publish(replace(make_release("web", "1.0", images=both), yanked="broken"), make_release("api", "1.0", removed=AT))
    ann.sync(mallory)
    ann.accept(item)
    release = ann.resolve("bob/web@1.0").release
    assert (release.yanked, set(release.images)) == ("broken", {AMD64, ARM64})
    with pytest.raises(NotFoundError):
        ann.accept(api)
    with pytest.raises(ReleaseNotFoundError, match="removed"):
        ann.resolve("bob/api@1.0")


def test_unsubscribing_frees_what_waits(mallory: Attacker, ann: Victim) -> None:
    mallory.publish(*many("old", 90))
    ann.subscribe(mallory, "bob")
    mallory.publish(*many("new", 90))
    assert len(ann.sync(mallory).conflicts) == 90
    ann.unsubscribe("bob")
    with ann.home() as home, home.trust.read() as connection:
        for table in ("conflicts", "withheld"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() == 0
    ann.subscribe(mallory, "bob")
    assert len(ann.questions()) == 90  # the contents that were seen are not forgotten
