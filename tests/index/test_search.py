"""Full-text search, and what may be typed for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.index import search
from catalog.storage.database import Database
from tests.factory.releases import make_release
from tests.index.rows import BOB, MINE, put


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
