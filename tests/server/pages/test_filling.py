"""Several lists on one page: none is lost between two pages, and a page ends where its room does."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pytest

from catalog.server.pages.filling import Part, fill, size_of
from catalog.server.pages.visit import Visit


def visit_with(query: Mapping[str, str]) -> Visit:
    """Return a request with a query, of which nothing else is read."""
    nothing: dict[str, Any] = {field.name: None for field in fields(Visit)}
    return Visit(**{**nothing, "query": query, "as_json": True})


def hundred(_: int) -> int:
    return 100


PARTS = (Part("first", range(7), hundred), Part("empty", (), hundred), Part("last", range(5), hundred))


@pytest.mark.parametrize(
    ("query", "shown", "following"),
    [
        ({}, ((0, 1, 2, 3), ()), "first-4"),
        ({"after": "first-4"}, ((4, 5, 6), (0,)), "1"),
        ({"after": "1"}, ((), (1, 2, 3, 4)), ""),
        ({"after": "first-3"}, ((3, 4, 5, 6), ()), "0"),
        ({"after": "9"}, ((), ()), ""),
        ({"after": "nothing-3"}, ((0, 1, 2, 3), ()), "first-4"),
        ({"after": "first--3"}, ((0, 1, 2, 3), ()), "first-4"),
        ({"n": "6"}, ((0, 1, 2, 3, 4, 5), ()), "first-6"),
        ({"n": "9"}, ((0, 1, 2, 3, 4, 5, 6), (0, 1, 2, 3, 4)), ""),
    ],
)
def test_a_page_goes_on_where_the_one_before_it_ended(
    query: dict[str, str], shown: tuple[tuple[int, ...], ...], following: str
) -> None:
    found, place = fill(visit_with(query), PARTS, "last", 400)
    assert (found["first"], found["last"], place) == (*shown, following)


def test_the_size_of_text_is_that_of_what_is_shown() -> None:
    assert size_of("a", None, "<", "\u202e") == len("a&lt;\\u{202e}")
