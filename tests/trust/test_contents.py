"""A7: a published name@version never changes its content silently."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.errors import NotFoundError, ReleaseConflictError
from catalog.model.release import Release
from catalog.storage.database import Database
from catalog.trust.contents import (
    check_own_content,
    decide_conflict,
    first_seen,
    keep_contents,
    list_conflicts,
    see_contents,
)
from catalog.trust.schema import SCHEMA
from tests.factory.platforms import AMD64, ARM64
from tests.factory.releases import make_release
from tests.factory.times import AT

LATER = "2026-11-25T00:00:00Z"


@pytest.fixture
def trust(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "trust.sqlite", SCHEMA)
    yield database
    database.close()


def see(trust: Database, *some: Release, at: str = AT, held: Release | None = None) -> list[tuple[str, str]]:
    with trust.write() as connection:
        found = see_contents(connection, "k51bob", some, at, held=lambda name, version: held)
    return [(f"{conflict.name}@{conflict.version}", conflict.state) for conflict in found]


def test_same_content_is_never_a_conflict(trust: Database) -> None:
    release = make_release("web", "1.0", "a")
    assert see(trust, release) == []
    assert see(trust, make_release("web", "1.0", "a", annotations={"title": "x"}, yanked="y"), at=LATER) == []
    assert see(trust, make_release("web", "1.0", "a", platforms=(AMD64, ARM64))) == []
    with trust.read() as connection:
        assert first_seen(connection, "k51bob", "web", "1.0") == AT
        assert first_seen(connection, "k51bob", "web", "2.0") is None
        assert first_seen(connection, "k51carol", "web", "1.0") is None


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
        decide_conflict(connection, conflict.conflict_id, "accepted", LATER)
        with pytest.raises(NotFoundError):
            decide_conflict(connection, conflict.conflict_id, "refused", LATER)
    assert see(trust, new) == []
    assert see(trust, old, held=new) == [("web@1.0", "open")]  # back again is a change too


def test_refused_content_stays_refused_and_can_be_accepted_later(trust: Database) -> None:
    old, new = make_release("web", "1.0", "a"), make_release("web", "1.0", "b")
    see(trust, old)
    see(trust, new, held=old)
    with trust.write() as connection:
        (conflict,) = list_conflicts(connection)
        decide_conflict(connection, conflict.conflict_id, "refused", LATER)
    assert see(trust, new) == [("web@1.0", "refused")]
    with trust.write() as connection:
        assert list_conflicts(connection) == []
        assert decide_conflict(connection, conflict.conflict_id, "accepted", LATER).state == "accepted"
    assert see(trust, new) == []


def test_content_that_comes_back_ends_the_conflict(trust: Database) -> None:
    old, new = make_release("web", "1.0", "a"), make_release("web", "1.0", "b")
    see(trust, old)
    see(trust, new)
    assert see(trust, old) == []
    with trust.read() as connection:
        assert list_conflicts(connection) == []


def test_third_content_takes_the_place_of_the_second(trust: Database) -> None:
    for content in "abc":
        see(trust, make_release("web", "1.0", content))
    with trust.read() as connection:
        (conflict,) = list_conflicts(connection)
        assert conflict.new == make_release("web", "1.0", "c").images[AMD64].config


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


def test_ten_thousand_random_edits_change_nothing_silently(trust: Database) -> None:
    """Against a model: what is shown is what was first seen, or what the user accepted."""
    choices = random.Random(7)
    shown: dict[tuple[str, str], int] = {}
    offered: dict[tuple[str, str], int] = {}
    with trust.write() as connection:
        for _ in range(2500):
            batch: dict[tuple[str, str], Release] = {}
            for _ in range(4):
                key = (choices.choice("abcdefgh"), str(choices.randrange(30)))
                offered[key] = choices.choices([offered.get(key, 0), choices.randrange(3)], [9, 1])[0]
                batch[key] = make_release(*key, offered[key])
            found = {(c.name, c.version): c for c in see_contents(connection, "k51bob", batch.values(), AT)}
            for key, release in batch.items():
                current = shown.setdefault(key, offered[key])
                assert (key in found) == (offered[key] != current)
                if key in found:
                    assert found[key].old == make_release(*key, current).images[AMD64].config
                    assert found[key].new == release.images[AMD64].config
                    if choices.random() < 0.05:
                        decide_conflict(connection, found[key].conflict_id, "accepted", AT)
                        shown[key] = offered[key]
