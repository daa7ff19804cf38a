"""A trust store of the first schema, brought up to today's: nothing that was promised is forgotten."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from catalog.lookup.opening import open_view
from catalog.lookup.releases import times_seen
from catalog.model.release import Release
from catalog.snapshot.line import encode_line
from catalog.storage.database import Database
from catalog.trust.comparison import compare_contents, note_contents
from catalog.trust.conflicts import list_conflicts
from catalog.trust.ownership import get_subscription, list_subscriptions, owner_of
from catalog.trust.schema import SCHEMA
from migrations.trust import first
from tests.factory.platforms import AMD64
from tests.factory.releases import listed_image, make_release
from tests.factory.times import AT

LATER = "2026-11-25T00:00:00Z"


def line(release: Release) -> bytes:
    return encode_line(release)[:-1]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file as the first dcat left it: bob is followed, carol was; conflicts in every state; two contents current at once."""
    path = tmp_path / "trust.sqlite"
    web = [make_release("web", "1.0", content) for content in "abc"]
    configs = [release.images[AMD64].config.raw for release in web]
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in first.STATEMENTS:
            connection.execute(statement)
        connection.execute("CREATE TABLE needs (version TEXT NOT NULL)")
        connection.execute("INSERT INTO needs VALUES ('0.1.0')")
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        connection.execute("INSERT INTO alembic_version VALUES ('trust_1')")
        connection.executemany(
            "INSERT INTO catalogues VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(1, "k51mine", 1, None, None, None, 0), (2, "k51bob", 0, "bob", 1, AT, 1), (3, "k51carol", 0, "carol", 2, None, 0)],
        )
        rows = [
            (2, "web", "1.0", str(AMD64), configs[0], AT, 1),
            (2, "web", "1.0", str(AMD64), configs[1], LATER, 0),
            (2, "bob/web", "1.0", str(AMD64), configs[0], LATER, 1),
            (2, "api", "1.0", str(AMD64), configs[1], LATER, 1),
            (2, "api", "1.0", str(AMD64), configs[0], AT, 1),  # the fault of a successor that inherited over contents
            (1, "mine", "1.0", str(AMD64), configs[0], AT, 1),
        ]
        connection.executemany("INSERT INTO contents VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        for number, (version, new, state) in enumerate(
            [("1.0", 1, "refused"), ("1.0", 2, "open"), ("2.0", 1, "accepted"), ("3.0", 1, "refused")], 1
        ):
            fields = (
                number,
                2,
                "web",
                version,
                str(AMD64),
                configs[0],
                configs[new],
                line(web[0]),
                line(web[new]),
                AT,
                state,
                None,
            )
            connection.execute(f"INSERT INTO conflicts VALUES ({', '.join('?' * 12)})", fields)
        connection.execute("INSERT INTO owners VALUES ('web', 2, 1, 0)")
        connection.execute("INSERT INTO floors VALUES (2, 7, x'2f', x'00', NULL, NULL, NULL)")
    return path


def test_a_store_of_the_first_schema(path: Path) -> None:
    database = Database(path, SCHEMA)
    assert path.with_name("trust.sqlite.trust_1").exists()
    with database.write() as connection:
        assert [entry.alias for entry in list_subscriptions(connection)] == ["bob"]
        assert get_subscription(connection, "carol").since is None
        assert owner_of(connection, "web") == "k51bob"
        waiting = list_conflicts(connection, state=None)
        assert [(entry.version, entry.new, entry.state) for entry in waiting] == [
            ("1.0", listed_image(("c", str(AMD64))).config, "open"),
            ("3.0", listed_image(("b", str(AMD64))).config, "refused"),
        ]
        assert connection.exec_driver_sql("SELECT sequence FROM floors").scalars().all() == [7]
        assert connection.exec_driver_sql("SELECT alias FROM aliases ORDER BY 1").scalars().all() == ["bob", "carol"]
        # The first of two contents that were current stays.
        api = compare_contents(connection, "k51bob", [make_release("api", "1.0", "b")], AT)
        assert len(api.conflicts) == 1
        assert compare_contents(connection, "k51bob", [make_release("api", "1.0", "a")], AT).conflicts == []
    database.close()
    with open_view(path.parent) as view:
        assert times_seen(view, "k51bob", "web", "1.0") == {str(AMD64): AT}
        seen = [view.seen_since("k51bob", name) for name in ("web", "api", "bob/web", "none")]
        assert seen[0] == seen[1]
        assert seen[2] is not None
        assert seen[0] is not None
        assert seen[0] < seen[2] < 0
        assert seen[3] is None


@pytest.mark.parametrize("in_index", [True, False], ids=["in the index", "nowhere"])
def test_archives_are_completed_by_the_first_comparison(path: Path, in_index: bool) -> None:
    """What the index shows is what was seen; where it has nothing, the first sync decides."""
    old, moved = (
        make_release("web", "1.0", "a"),
        make_release("web", "1.0", images={AMD64: listed_image(("a", str(AMD64)), "moved")}),
    )
    database = Database(path, SCHEMA)
    with database.write() as connection:
        found = compare_contents(connection, "k51bob", [moved], AT, held=lambda name, version: old if in_index else None)
        note_contents(connection, found, AT)
        assert len(found.conflicts) == in_index
        found = compare_contents(connection, "k51bob", [old], AT)
        assert len(found.conflicts) == (not in_index)
    database.close()
