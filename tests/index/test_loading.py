"""A whole catalogue loaded beside the one that is shown."""

from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from catalog.index import loading, releases, search, subscriptions
from catalog.index.catalogue import CatalogueRow
from catalog.index.schema import SCHEMA
from catalog.model.release import Release
from catalog.storage.database import Database
from tests.factory.releases import make_release
from tests.factory.times import AT
from tests.index.rows import BOB, entries_of, put


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
