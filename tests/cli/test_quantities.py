"""Sizes, times and counts in words."""

from datetime import UTC, datetime, timedelta

import pytest

from cli.quantities import format_age, format_count, format_size, format_span


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_951, "1.0 MB"),
        (187_000_000, "187.0 MB"),
        (10**18, "1000.0 PB"),
    ],
)
def test_sizes_are_decimal(size: int, text: str) -> None:
    assert format_size(size) == text


def test_counts_and_ages_are_words() -> None:
    now = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
    assert format_count(1, "layer") == "1 layer"
    assert format_count(1200, "catalogue") == "1,200 catalogues"
    assert format_count(2, "entry", "entries") == "2 entries"
    assert format_age(now, now) == "just now"
    assert format_age(now - timedelta(hours=3), now) == "3 h ago"
    assert format_age(now - timedelta(days=9), now) == "9 d ago"
    assert format_age(now + timedelta(days=26), now) == "in 26 d"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (0, "0 s"), (59, "59 s"), (60, "1 min"), (3600, "1 h"), (86399, "23 h"), (86400 * 29.9, "29 d")],
)
def test_spans_are_short(seconds: float, text: str) -> None:
    assert format_span(timedelta(seconds=seconds)) == text
