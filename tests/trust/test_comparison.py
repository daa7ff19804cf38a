"""A7 and A17: a published name@version never changes its content silently, neither its config nor its archive."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.errors import NotFoundError, ReleaseConflictError
from catalog.lookup.releases import times_seen
from catalog.lookup.view import View
from catalog.model.release import Release
from catalog.storage.database import Database
from catalog.storage.sqlite import connect
from catalog.trust.comparison import check_own_content, compare_contents, note_contents
from catalog.trust.conflicts import Conflict, describe_change, keep_contents, list_conflicts, refuse_conflict
from catalog.trust.contents import accept_conflict, accept_contents
from catalog.trust.schema import SCHEMA
from tests.factory.platforms import AMD64, ARM64
from tests.factory.releases import listed_image, make_release
from tests.factory.times import AT

LATER = "2026-11-25T00:00:00Z"


@pytest.fixture
def trust(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "trust.sqlite", SCHEMA)
    yield database
    database.close()


def take(trust: Database, *some: Release, at: str = AT, held: Release | None = None) -> list[Conflict]:
    """Compare and note releases, as a sync does."""
    with trust.read() as connection:
        found = compare_contents(connection, "k51bob", some, at, held=lambda name, version: held)
    with trust.write() as connection:
        note_contents(connection, found, at)
    return found.conflicts


def see(trust: Database, *some: Release, at: str = AT, held: Release | None = None) -> list[tuple[str, str]]:
    return [(f"{conflict.name}@{conflict.version}", conflict.state) for conflict in take(trust, *some, at=at, held=held)]


def seen(trust: Database, catalogue: str, name: str, version: str) -> dict[str, str]:
    connection = connect(trust.path, read_only=True)
    try:
        return times_seen(View(None, connection), catalogue, name, version)
    finally:
        connection.close()


def test_same_content_is_never_a_conflict(trust: Database) -> None:
    release = make_release("web", "1.0", "a")
    assert see(trust, release) == []
    assert see(trust, make_release("web", "1.0", "a", annotations={"title": "x"}, yanked="y"), at=LATER) == []
    assert see(trust, make_release("web", "1.0", "a", platforms=(AMD64, ARM64)), at=LATER) == []
    assert seen(trust, "k51bob", "web", "1.0") == {str(AMD64): AT, str(ARM64): LATER}
    assert seen(trust, "k51bob", "web", "2.0") == seen(trust, "k51carol", "web", "1.0") == {}


@pytest.mark.parametrize("padding", [0, 300], ids=["few", "many"])
def test_other_content_is_a_conflict_until_decided(trust: Database, padding: int) -> None:
    others = [make_release(f"other{number}", "1") for number in range(padding)]
    old, new = make_release("web", "1.0", "a"), make_release("web", "1.0", "b")
    see(trust, old, *others)
    assert see(trust, new, *others, held=old) == [("web@1.0", "open")]
    assert see(trust, new, *others) == [("web@1.0", "open")]  # the same one, not another
    with trust.write() as connection:
        (conflict,) = list_conflicts(connection)
        assert (conflict.old, conflict.new) == (old.images[AMD64].config, new.images[AMD64].config)
        assert (conflict.release, conflict.held, conflict.seen) == (new, old, AT)
        assert keep_contents(new, [conflict]).images == old.images
        accept_conflict(connection, conflict, new)
        with pytest.raises(NotFoundError):
            refuse_conflict(connection, conflict, LATER)
    assert see(trust, new) == []
    assert see(trust, old, held=new) == [("web@1.0", "open")]  # back again is a change too


def archive_of(content: str, **fields: object) -> Release:
    return make_release("web", "1.0", images={AMD64: listed_image(content, **fields)})


@pytest.mark.parametrize(
    "moved",
    [{"archive": "another"}, {"manifest": listed_image("z").manifest}],
    ids=["archive", "manifest"],
)
def test_other_archive_or_manifest_under_one_config_is_a_conflict(trust: Database, moved: dict[str, object]) -> None:
    """Safety A17."""
    old, new = archive_of("a"), archive_of("a", **moved)
    see(trust, old)
    (conflict,) = take(trust, new, held=old)
    assert conflict.old == conflict.new
    assert str(conflict.image.archive) in describe_change(conflict)
    assert str(old.images[AMD64].archive) in describe_change(conflict)
    assert keep_contents(new, [conflict]) == old
    assert see(trust, old) == []
    with trust.read() as connection:
        assert list_conflicts(connection, state=None) == []


def test_another_format_is_no_conflict_but_may_not_move_either(trust: Database) -> None:
    first, other = archive_of("a"), archive_of("a", archive="second", format="dcat-image/2")
    see(trust, first)
    assert see(trust, other) == []
    assert see(trust, first) == []
    assert see(trust, archive_of("a", archive="third", format="dcat-image/2")) == [("web@1.0", "open")]
    assert see(trust, archive_of("a", archive="third")) == [("web@1.0", "open")]
    assert see(trust, archive_of("b", archive="second", format="dcat-image/2")) == [("web@1.0", "open")]


def test_refused_content_stays_refused_and_can_be_accepted_later(trust: Database) -> None:
    old, new = make_release("web", "1.0", "a"), make_release("web", "1.0", "b")
    see(trust, old)
    see(trust, new, held=old)
    with trust.write() as connection:
        (conflict,) = list_conflicts(connection)
        refuse_conflict(connection, conflict, LATER)
    assert see(trust, new) == [("web@1.0", "refused")]
    with trust.write() as connection:
        assert list_conflicts(connection) == []
        accept_conflict(connection, conflict, new)
    assert see(trust, new) == []


def test_acceptance_is_of_what_was_listed(trust: Database) -> None:
    """Safety A20."""
    old, new, newer = (make_release("web", "1.0", content) for content in "abc")
    see(trust, old)
    (listed,) = take(trust, new, held=old)
    see(trust, newer)
    with trust.write() as connection:
        with pytest.raises(NotFoundError, match="waits"):
            accept_conflict(connection, listed, new)
        (now,) = list_conflicts(connection)
        with pytest.raises(NotFoundError, match="another content"):
            accept_conflict(connection, now, new)
        with pytest.raises(NotFoundError, match="another content"):
            accept_conflict(connection, now, make_release("web", "1.0", removed=AT))
        assert list_conflicts(connection) == [now]


def test_the_newest_line_of_a_conflict_is_kept(trust: Database) -> None:
    old = make_release("web", "1.0", "a")
    see(trust, old)
    see(trust, make_release("web", "1.0", "b"), held=old)
    newest = make_release("web", "1.0", "b", yanked="broken", platforms=(AMD64, ARM64))
    see(trust, newest, at=LATER)
    with trust.read() as connection:
        (conflict,) = list_conflicts(connection)
    assert (conflict.release, conflict.held, conflict.seen) == (newest, old, AT)


def test_content_that_comes_back_ends_the_conflict(trust: Database) -> None:
    old, new = make_release("web", "1.0", "a"), make_release("web", "1.0", "b")
    see(trust, old)
    see(trust, new)
    assert see(trust, old) == []
    with trust.read() as connection:
        assert list_conflicts(connection) == []


@pytest.mark.parametrize("way", ["removed", "platform", "line"])
def test_a_conflict_ends_with_its_image(trust: Database, way: str) -> None:
    see(trust, make_release("web", "1.0", "a"))
    see(trust, make_release("web", "1.0", "b"))
    some = {
        "removed": [make_release("web", "1.0", removed=AT)],
        "platform": [make_release("web", "1.0", "c", platforms=(ARM64,))],
        "line": [],
    }[way]
    with trust.write() as connection:
        found = compare_contents(connection, "k51bob", some, AT, gone=[] if some else [("web", "1.0")])
        note_contents(connection, found, AT)
        assert list_conflicts(connection) == []
    assert see(trust, make_release("web", "1.0", "b")) == [("web@1.0", "open")]


def test_third_content_takes_the_place_of_the_second(trust: Database) -> None:
    for content in "abc":
        see(trust, make_release("web", "1.0", content))
    with trust.read() as connection:
        (conflict,) = list_conflicts(connection)
        assert conflict.new == make_release("web", "1.0", "c").images[AMD64].config


def test_too_many_conflicts_end_a_comparison(trust: Database) -> None:
    """Safety A19: those that are open already count too."""
    see(trust, *(make_release("web", str(number), "a") for number in range(30)))
    see(trust, *(make_release("web", str(number), "b") for number in range(8)))
    some = [make_release("web", str(number), "c") for number in range(30)]
    with trust.read() as connection:
        assert not compare_contents(connection, "k51bob", some[:10], AT, most=10).flooded
        assert compare_contents(connection, "k51bob", some[:11], AT, most=10).flooded
        assert compare_contents(connection, "k51bob", some[8:11], AT, most=10).flooded
        calm = [*(make_release("web", str(number), "a") for number in range(8)), *some[8:18]]
        assert not compare_contents(connection, "k51bob", calm, AT, most=10).flooded


def test_removed_release_returns_only_as_it_was(trust: Database) -> None:
    release = make_release("web", "1.0", "a")
    see(trust, release)
    assert see(trust, make_release("web", "1.0", removed=AT)) == []
    assert see(trust, make_release("web", "1.0", "b")) == [("web@1.0", "open")]
    assert see(trust, release) == []


def test_platforms_are_seen_apart(trust: Database) -> None:
    old = make_release("web", "1.0", "a", platforms=(AMD64, ARM64))
    new = make_release("web", "1.0", "a")
    new.images[ARM64] = make_release("web", "1.0", "b", platforms=(ARM64,)).images[ARM64]  # type: ignore[index]
    see(trust, old)
    see(trust, new, held=old)
    with trust.read() as connection:
        (conflict,) = list_conflicts(connection, catalogue="k51bob")
        assert list_conflicts(connection, catalogue="k51carol") == []
    assert conflict.platform == ARM64
    assert keep_contents(new, [conflict]).images == old.images


def test_platform_without_its_old_image_is_left_out(trust: Database) -> None:
    see(trust, make_release("web", "1.0", "a"))
    new = make_release("web", "1.0", "b")
    see(trust, new)
    with trust.read() as connection:
        assert keep_contents(new, list_conflicts(connection)).images == {}


def test_accepted_content_counts_from_when_it_was_first_seen(trust: Database) -> None:
    old, new = make_release("web", "1.0", "a"), make_release("web", "1.0", "b")
    see(trust, old)
    (conflict,) = take(trust, new, held=old, at=LATER)
    with trust.write() as connection:
        accept_conflict(connection, conflict, new)
    assert seen(trust, "k51bob", "web", "1.0") == {str(AMD64): LATER}
    with trust.write() as connection:
        accept_contents(connection, "k51bob", old, "2026-12-01T00:00:00Z")
    assert seen(trust, "k51bob", "web", "1.0") == {str(AMD64): AT}


def test_own_content_never_changes(trust: Database) -> None:
    with trust.write() as connection:
        check_own_content(connection, "k51mine", make_release("web", "1.0", "a"), AT)
        check_own_content(connection, "k51mine", make_release("web", "1.0", "a", platforms=(ARM64,)), AT)
        with pytest.raises(ReleaseConflictError, match="other content"):
            check_own_content(connection, "k51mine", make_release("web", "1.0", "b"), AT)
        check_own_content(connection, "k51mine", make_release("web", "1.0", removed=AT), AT)
        with pytest.raises(ReleaseConflictError):
            check_own_content(connection, "k51mine", make_release("web", "1.0", "b"), AT)
        check_own_content(connection, "k51mine", make_release("web", "1.0", "a"), AT)


@pytest.mark.slow
def test_ten_thousand_random_edits_change_nothing_silently(trust: Database) -> None:
    """Against a model: what is shown is what was first seen, or what the user accepted; of the whole of config and archive."""
    choices = random.Random(7)
    shown: dict[tuple[str, str], tuple[int, int]] = {}
    offered: dict[tuple[str, str], tuple[int, int]] = {}
    with trust.write() as connection:
        for _ in range(2500):
            batch: dict[tuple[str, str], Release] = {}
            for _ in range(4):
                key = (choices.choice("abcdefgh"), str(choices.randrange(30)))
                anew = choices.randrange(3), choices.randrange(2)
                offered[key] = choices.choices([offered.get(key, (0, 0)), anew], [9, 1])[0]
                batch[key] = make_release(*key, images={AMD64: listed_image(*offered[key])})
            comparison = compare_contents(connection, "k51bob", batch.values(), AT)
            note_contents(connection, comparison, AT)
            found = {c.key: c for c in comparison.conflicts}
            for key, release in batch.items():
                current = shown.setdefault(key, offered[key])
                assert (key in found) == (offered[key] != current)
                if key in found:
                    assert found[key].old == listed_image(*current).config
                    assert found[key].image == release.images[AMD64]
                    if choices.random() < 0.05:
                        accept_conflict(connection, found[key], release)
                        shown[key] = offered[key]


@pytest.mark.slow
def test_ten_thousand_edits_of_the_triple_are_all_found(trust: Database) -> None:
    """Safety A17: config, archive and manifest of two platforms, edited at random; 0 silent changes."""
    choices = random.Random(17)
    base = {platform: listed_image(f"first {platform}") for platform in (AMD64, ARM64)}
    others = [listed_image(f"edit {number}", number % 3) for number in range(12)]
    silent = changes = 0
    see(trust, *(make_release(f"n{number}", "1", images=base) for number in range(500)))
    with trust.write() as connection:
        for _ in range(20):
            some = []
            for number in range(500):
                edited = dict(base)
                for platform in choices.sample((AMD64, ARM64), choices.randrange(3)):
                    field = choices.choice(["config", "archive", "manifest"])
                    edited[platform] = replace(base[platform], **{field: getattr(choices.choice(others), field)})
                some.append(make_release(f"n{number}", "1", images=edited))
            found = compare_contents(connection, "k51bob", some, AT)
            noted = {(conflict.name, conflict.platform) for conflict in found.conflicts}
            moved = {
                (release.name, platform) for release in some for platform in base if release.images[platform] != base[platform]
            }
            changes += len(moved)
            silent += len(moved - noted)
            assert noted <= moved
            note_contents(connection, found, AT)
    assert changes > 5000
    assert silent == 0
