"""Releases in the index: put, listed in pages, loaded beside what is shown, searched, and remembered."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from catalog.errors import CatalogueNotFoundError, ReleaseNotFoundError
from catalog.index import history, loading, releases, search, subscriptions
from catalog.index.catalogue import CatalogueRow
from catalog.index.schema import SCHEMA
from catalog.ipld.cid import RAW, cid_from_digest
from catalog.model.reference import version_key
from catalog.model.release import Release
from catalog.snapshot.line import encode_line
from catalog.storage.database import Database
from tests.factory.platforms import AMD64, ARM64
from tests.factory.releases import make_release
from tests.factory.times import AT

MINE = CatalogueRow("k51mine", own=True)
BOB = CatalogueRow("k51bob", alias="bob", title="Bob's", root="bafyroot", sequence=42, expires=AT, checked=AT, published=AT)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "index.sqlite", SCHEMA)
    with database.write() as connection:
        subscriptions.show_catalogue(connection, MINE)
        subscriptions.show_catalogue(connection, BOB)
    yield database
    database.close()


def put(index: Database, catalogue: CatalogueRow, *entries: Release) -> None:
    with index.write() as connection:
        releases.put_releases(connection, catalogue.catalogue, entries)


def entries_of(*some: Release) -> list[tuple[Release, bytes]]:
    return [(release, encode_line(release)[:-1]) for release in some]


def test_catalogues_are_shown_changed_and_hidden(index: Database) -> None:
    with index.write() as connection:
        assert subscriptions.list_catalogues(connection) == [MINE, BOB]
        changed = CatalogueRow("k51bob", alias="robert", sequence=43)
        subscriptions.show_catalogue(connection, changed)
        assert subscriptions.get_catalogue(connection, "k51bob") == changed
        subscriptions.hide_catalogue(connection, "k51bob")
        subscriptions.hide_catalogue(connection, "k51nobody")
        with pytest.raises(CatalogueNotFoundError):
            subscriptions.get_catalogue(connection, "k51bob")
        with pytest.raises(CatalogueNotFoundError):
            releases.put_releases(connection, "k51bob", [])


def test_sightings_are_the_latest_of_each_source(index: Database) -> None:
    with index.write() as connection:
        subscriptions.put_sighting(connection, "k51bob", "kubo", 41, "2026-11-24T00:00:00Z")
        subscriptions.put_sighting(connection, "k51bob", "gateway", 42, "2026-11-24T01:00:00Z")
        subscriptions.put_sighting(connection, "k51bob", "kubo", 42, "2026-11-24T02:00:00Z")
        assert subscriptions.list_sightings(connection, "k51bob") == [
            ("kubo", 42, "2026-11-24T02:00:00Z"),
            ("gateway", 42, "2026-11-24T01:00:00Z"),
        ]


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
        held = set(releases.iterate_archives(connection, "k51mine"))
    expected = make_release("web", "1.0", "c", platforms=(AMD64, ARM64))
    assert held == {cid_from_digest(image.archive.digest, RAW) for image in expected.images.values()}


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


def test_name_shows_its_newest_usable_version(index: Database) -> None:
    put(
        index,
        MINE,
        make_release("web", "1.0", annotations={"title": "Old"}),
        make_release("web", "1.1", annotations={"title": "New", "description": "It serves"}, published="2026-11-24T07:00:00Z"),
        make_release("web", "1.2", yanked="broken"),
        make_release("web", "1.3", removed=AT),
    )
    with index.read() as connection:
        (entry,) = releases.list_names(connection)
        assert (entry.newest, entry.live, entry.title, entry.description) == ("1.1", 3, "New", "It serves")
        assert entry.published == "2026-11-24T07:00:00Z"
        assert subscriptions.count_releases(connection, "k51mine") == (1, 3)
    with index.write() as connection:
        releases.remove_releases(connection, "k51mine", [("web", "1.1"), ("web", "9")])
        (entry,) = releases.list_names(connection)
        assert (entry.newest, entry.live, entry.title) == ("1.0", 2, "Old")
        releases.remove_releases(connection, "k51mine", [("web", version) for version in ("1.0", "1.2", "1.3")])
        assert releases.list_names(connection) == []
        assert search.search(connection, "web") == []


def test_loading_replaces_all_at_once(index: Database) -> None:
    put(index, BOB, *(make_release("old", str(number)) for number in range(5)))
    some = [make_release(f"app{number // 10}", str(number)) for number in range(50)]

    def watched() -> Iterator[tuple[Release, bytes]]:
        for entry in entries_of(*some):
            with index.read() as connection:  # whoever reads meanwhile sees the old ones
                assert [row.name for row in releases.list_names(connection, catalogue="k51bob")] == ["old"]
            yield entry

    assert loading.load_catalogue(index, CatalogueRow("k51bob", alias="bob", sequence=43), watched()) == 50
    with index.read() as connection:
        assert subscriptions.get_catalogue(connection, "k51bob").sequence == 43
        assert {row.name for row in releases.list_names(connection)} == {f"app{number}" for number in range(5)}
        for table, rows in (("releases", 50), ("images", 50), ("names", 5), ("names_fts", 5), ("generations", 2)):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() == rows, table


def test_loading_that_fails_shows_what_was_shown(index: Database) -> None:
    put(index, BOB, make_release("old", "1"))

    def broken() -> Iterator[tuple[Release, bytes]]:
        yield from entries_of(make_release("new", "1"))
        raise KeyError

    with pytest.raises(KeyError):
        loading.load_catalogue(index, BOB, broken())
    with index.read() as connection:
        assert [row.name for row in releases.list_names(connection)] == ["old"]
    loading.sweep_generations(index)
    with index.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM releases").scalar_one() == 1
        assert connection.exec_driver_sql("SELECT count(*) FROM generations").scalar_one() == 2


def test_hidden_catalogue_is_swept(index: Database) -> None:
    put(index, BOB, make_release("old", "1"))
    with index.write() as connection:
        subscriptions.hide_catalogue(connection, "k51bob")
        assert releases.list_names(connection) == []
        assert search.search(connection, "old") == []
    loading.sweep_generations(index)
    with index.read() as connection:
        for table in ("releases", "images", "names", "names_fts"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() == 0


names = st.sampled_from(["a", "b", "a/b", "web"])
versions = st.sampled_from(["1", "1.0", "2", "10", "2-rc1"])
some_releases = st.lists(
    st.builds(
        lambda name, version, content, state, title: make_release(
            name,
            version,
            content,
            annotations={"title": title} if title else {},
            yanked="why" if state == 1 else None,
            removed=AT if state == 2 else None,
        ),
        names,
        versions,
        st.integers(0, 3),
        st.integers(0, 3),
        st.sampled_from(["", "One", "Two"]),
    ),
    max_size=12,
)


@settings(max_examples=15, deadline=None)
@given(some_releases, some_releases)
@example([], [make_release("a", "1", 0), make_release("a", "1", 0)])
def test_edits_end_where_a_load_begins(tmp_path_factory: pytest.TempPathFactory, first: list[Release], then: list[Release]) -> None:
    """Whatever the order of puts, the index is the one that is loaded from the releases that are left."""
    folder = tmp_path_factory.mktemp("index")
    edited, loaded = Database(folder / "edited.sqlite", SCHEMA), Database(folder / "loaded.sqlite", SCHEMA)
    with edited.write() as connection:
        subscriptions.show_catalogue(connection, BOB)
        releases.put_releases(connection, "k51bob", first)
        releases.put_releases(connection, "k51bob", then)
    last = {(release.name, release.version): release for release in (*first, *then)}
    loading.load_catalogue(loaded, BOB, entries_of(*(last[key] for key in sorted(last))))

    def dump(database: Database) -> object:
        with database.read() as connection:
            found = [
                connection.exec_driver_sql("SELECT name, version, line FROM releases ORDER BY name, sort").all(),
                connection.exec_driver_sql(
                    "SELECT name, version, platform, archive, config FROM images JOIN releases USING (release_id) ORDER BY 1, 2, 3"
                ).all(),
                connection.exec_driver_sql(
                    "SELECT name, live, newest, published, title, description FROM names ORDER BY name"
                ).all(),
                connection.exec_driver_sql("SELECT name, versions, title, description, labels FROM names_fts ORDER BY 1").all(),
                list(releases.iterate_releases(connection, "k51bob")),
            ]
        database.close()
        return found

    assert dump(edited) == dump(loaded)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("web", ["team/web", "proxy"]),
        ("WEB", ["team/web", "proxy"]),
        ("we", ["team/web", "proxy"]),
        ("team web", ["team/web"]),
        ("team/web", ["team/web"]),
        ("1.25", ["team/web"]),
        ("web 1.25", ["team/web"]),
        ("apache", ["proxy"]),
        ("Æther", ["proxy"]),
        ("nothing", []),
        ("", []),
        ('" OR * AND NOT (', []),
        ("NOT", []),
        ("a:b*^", []),
    ],
)
def test_search(index: Database, words: str, found: list[str]) -> None:
    put(index, MINE, make_release("team/web", "1.25.3", annotations={"description": "Serves pages"}))
    put(index, BOB, make_release("proxy", "2", annotations={"title": "A web proxy", "licence": "Apache-2.0", "x": "Æther"}))
    with index.read() as connection:
        assert [entry.name for entry in search.search(connection, words)] == found


@given(st.text(max_size=30))
def test_anything_typed_is_a_query(text: str) -> None:
    import sqlite3

    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE names_fts USING fts5(name, versions, title, description, labels)")
    query = search.make_query(text)
    if query:
        connection.execute("SELECT * FROM names_fts WHERE names_fts MATCH ?", (query,)).fetchall()
    connection.close()


def test_history_is_newest_first_in_pages(index: Database) -> None:
    changes = [history.Change("k51mine", AT, "published", "web", str(number), detail={"archive": "bafy"}) for number in range(5)]
    with index.write() as connection:
        history.add_changes(connection, changes)
        history.add_changes(connection, [history.Change("k51bob", AT, "synced", detail={"releases": 3})])
        history.add_changes(connection, [])
    with index.read() as connection:
        page = history.list_changes(connection, name="web", limit=2)
        assert [change.version for change in page] == ["4", "3"]
        assert [change.version for change in history.list_changes(connection, name="web", before=page[-1].change_id)] == [
            "2",
            "1",
            "0",
        ]
        assert history.list_changes(connection, catalogue="k51bob")[0].detail == {"releases": 3}
        assert len(history.list_changes(connection, name="web", version="1")) == 1
