"""The row of a name, in step with its releases."""

from catalog.index import releases, search, subscriptions
from catalog.storage.database import Database
from tests.factory.releases import make_release
from tests.factory.times import AT
from tests.index.rows import MINE, put


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
