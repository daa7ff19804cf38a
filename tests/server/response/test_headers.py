"""Headers: ranges (docs/safety.md E6), tags, names, ages."""

from datetime import timedelta
from email.utils import format_datetime

import pytest

from catalog.server.response.headers import content_headers, is_unchanged, parse_range, record_headers, tag
from tests.factory.times import NOW


def test_a_hundred_thousand_ranges_are_the_whole() -> None:
    ranges = ",".join(f"{number}-{number}" for number in range(10**5))
    assert parse_range({"range": f"bytes={ranges}"}, 10**6, '"a"') is None
    assert parse_range({"range": "bytes=" + "0" * 10**6 + "-1"}, 10**6, '"a"') is None


@pytest.mark.parametrize(
    ("text", "size", "part"),
    [
        ("bytes=0-9", 100, (0, 10)),
        ("bytes=0-", 100, (0, 100)),
        ("bytes=-10", 100, (90, 100)),
        ("bytes=0-", 0, (0, 0)),
        ("bytes=-5", 0, (0, 0)),
        ("bytes=100-", 100, (0, 0)),
        ("bytes=9-0", 100, None),
        ("bytes=-", 100, None),
        ("bytes=0-9 ", 100, None),
        ("bytes=0-9\n", 100, None),
        ("Bytes=0-9", 100, None),
        ("bytes=²-9", 100, None),
        ("", 100, None),
    ],
)
def test_one_range_is_read_strictly(text: str, size: int, part: tuple[int, int] | None) -> None:
    assert parse_range({"range": text}, size, '"a"') == part


def test_tags_are_compared_weakly() -> None:
    assert is_unchanged({"if-none-match": 'W/"a"'}, '"a"')
    assert is_unchanged({"if-none-match": '"b", "a"'}, 'W/"a"')
    assert is_unchanged({"if-none-match": "*"}, '"a"')
    assert not is_unchanged({"if-none-match": '"b"'}, '"a"')
    assert not is_unchanged({}, '"a"')
    assert tag("a", "b") != tag("a", "c")
    assert tag("a", weak=True) == "W/" + tag("a")


def test_names_of_files_end_no_header() -> None:
    for name in ('a"b', "a\r\nSet-Cookie: b", "a\\b", "../a", "\0", "\u202e", "\ud800"):
        disposition = content_headers("a/b", name, None)["content-disposition"]
        assert disposition.startswith('attachment; filename="')
        assert disposition.isascii()
        assert disposition.isprintable()
        assert disposition.split("; filename*=")[0].count('"') == 2


def test_a_record_is_fresh_for_its_ttl_and_no_longer_than_its_life() -> None:
    assert record_headers(300, NOW + timedelta(days=1), NOW)["cache-control"].startswith("public, max-age=300,")
    assert record_headers(300, NOW + timedelta(seconds=10), NOW)["cache-control"].startswith("public, max-age=10,")
    assert record_headers(300, NOW, NOW) == {"cache-control": "no-store"}


def test_no_record_is_cached_for_ever() -> None:
    """A stolen key may sign any TTL and validity: the owner's revocation must still arrive behind a cache."""
    headers = record_headers(2**53, NOW + timedelta(days=300_000), NOW)
    month = 30 * 86400
    assert headers["cache-control"] == f"public, max-age=3600, stale-while-revalidate={month}, stale-if-error={month}"
    assert headers["expires"] == format_datetime(NOW + timedelta(days=30), usegmt=True)
