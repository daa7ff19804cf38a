"""Releases in the index: put, found, and listed in pages."""

import pytest

from catalog.errors import ReleaseNotFoundError
from catalog.index import releases
from catalog.model.reference import version_key
from catalog.storage.database import Database
from tests.factory.platforms import AMD64, ARM64
from tests.factory.releases import make_release
from tests.factory.times import AT
from tests.index.rows import BOB, MINE, put


def test_release_comes_back_whole(index: Database) -> None:
    release = make_release("web", "1.0", platforms=(AMD64, ARM64), annotations={"title": "Web ☃"}, yanked="broken")
    put(index, MINE, release)
    with index.read() as connection:
        assert releases.get_release(connection, "k51mine", "web", "1.0") == release
        with pytest.raises(ReleaseNotFoundError):
            releases.get_release(connection, "k51mine", "web", "1.1")
        with pytest.raises(ReleaseNotFoundError):
            releases.get_release(connection, "k51bob", "web", "1.0")


def test_last_put_stands(index: Database) -> None:
    put(index, MINE, make_release("web", "1.0", "a"), make_release("web", "1.0", "b"))
    put(index, MINE, make_release("web", "1.0", "c", platforms=(AMD64, ARM64)))
    with index.read() as connection:
        assert releases.list_releases(connection, "k51mine", "web") == [make_release("web", "1.0", "c", platforms=(AMD64, ARM64))]
        shown = {
            text: releases.is_listed(connection, image.archive)
            for text in "abc"
            for image in make_release("web", "1.0", text, platforms=(AMD64, ARM64)).images.values()
        }
    assert shown == {"a": False, "b": False, "c": True}


def test_archive_is_found_in_every_release_that_has_it(index: Database) -> None:
    put(index, MINE, make_release("web", "1.0", "same"), make_release("web", "1.1", "same"))
    put(index, BOB, make_release("api", "3", "same"), make_release("api", "4"))
    archive = make_release("x", "1", "same").images[AMD64].archive
    with index.read() as connection:
        found = releases.find_archive(connection, archive)
    assert sorted((catalogue, release.reference) for catalogue, release in found) == [
        ("k51bob", "api@3"),
        ("k51mine", "web@1.0"),
        ("k51mine", "web@1.1"),
    ]


def test_sizes_are_those_of_all_archives_and_of_the_newest_version(index: Database) -> None:
    shared, newest = make_release("web", "1.0", "same"), make_release("web", "1.2", "new", platforms=(AMD64, ARM64))
    gone = make_release("web", "1.3", "gone", removed=AT)
    put(index, MINE, shared, make_release("web", "1.1", "same"), newest, gone, make_release("api", "1"))
    put(index, BOB, make_release("web", "9"))
    sizes = [image.size for image in newest.images.values()]
    with index.read() as connection:
        found = releases.stored_sizes(connection, "k51mine", ["web", "api", "nothing"])
    assert set(found) == {"web", "api"}
    assert found["web"] == (shared.images[AMD64].size + sum(sizes), max(sizes))


def test_pages_give_everything_once(index: Database) -> None:
    put(index, MINE, *(make_release(f"app{number}", "1") for number in range(25)))
    put(index, BOB, *(make_release(f"app{number}", "1") for number in range(0, 25, 2)), make_release("gone", "1", removed=AT))
    seen: list[tuple[str, str]] = []
    with index.read() as connection:
        while page := releases.list_names(connection, after=seen[-1] if seen else ("", ""), limit=7):
            seen += [(entry.name, entry.catalogue) for entry in page]
        assert len(releases.list_names(connection, catalogue="k51bob", prefix="app2")) == 4
    assert seen == sorted(seen)
    assert len(seen) == len(set(seen)) == 25 + 13


def test_versions_come_newest_first_in_pages(index: Database) -> None:
    versions = ["1.0", "1.9", "1.10", "2.0-rc1", "2.0", "v1.10.1", "nightly"]
    put(index, MINE, *(make_release("web", version) for version in versions))
    listed: list[str] = []
    with index.read() as connection:
        while page := releases.list_releases(connection, "k51mine", "web", before=listed[-1] if listed else None, limit=2):
            listed += [release.version for release in page]
    assert listed == sorted(versions, key=version_key, reverse=True)
