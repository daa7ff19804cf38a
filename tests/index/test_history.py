"""The history of changes."""

from catalog.index import history
from catalog.storage.database import Database
from tests.factory.times import AT


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
