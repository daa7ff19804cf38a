from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import RecordError
from catalog.ipns.validity import format_validity, moment_of, nanoseconds, parse_validity

LOWEST = nanoseconds(datetime.min.replace(tzinfo=UTC))
HIGHEST = nanoseconds(datetime.max.replace(tzinfo=UTC)) + 999


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"1970-01-01T00:00:00Z", 0),
        (b"1970-01-01T00:00:00.000000001Z", 1),
        (b"1969-12-31T23:59:59.999999999Z", -1),
        (b"1970-01-01T02:00:00+02:00", 0),
        (b"1969-12-31T22:30:00-01:30", 0),
        (b"2123-08-14T12:40:03.107652Z", 4847690403107652000),
        (b"2123-08-14T12:40:03.107652000Z", 4847690403107652000),
        (b"2024-02-29T00:00:00Z", 1709164800 * 10**9),
    ],
)
def test_what_go_and_js_write_is_read(text: bytes, expected: int) -> None:
    assert parse_validity(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"2023-02-29T00:00:00Z",
        b"2023-13-01T00:00:00Z",
        b"0000-01-01T00:00:00Z",
        b"2023-01-01T24:00:00Z",
        b"2023-01-01T23:59:60Z",
        b"2023-01-01 00:00:00Z",
        b"2023-01-01T00:00:00",
        b"2023-01-01T00:00:00z",
        b"2023-01-01T00:00:00.Z",
        b"2023-01-01T00:00:00.0000000001Z",
        b"2023-01-01T00:00:00+24:00",
        b"2023-01-01T00:00:00Z\n",
        b"9999-12-31T23:59:59-23:59",
        b"0001-01-01T00:00:00+00:01",
        "２０２３-01-01T00:00:00Z".encode(),
    ],
)
def test_what_is_no_time_is_refused(text: bytes) -> None:
    with pytest.raises(RecordError):
        parse_validity(text)


@given(st.integers(LOWEST, HIGHEST))
def test_every_nanosecond_survives(time: int) -> None:
    text = format_validity(time)
    assert parse_validity(text) == time
    assert b".000" not in text or not text.endswith(b"0Z")


@given(st.datetimes(timezones=st.just(UTC)))
def test_moments_survive(moment: datetime) -> None:
    assert moment_of(nanoseconds(moment)) == moment


def test_times_outside_the_years_are_refused() -> None:
    for time in (LOWEST - 1, HIGHEST + 1):
        with pytest.raises(RecordError):
            format_validity(time)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_time_or_the_declared_error(text: bytes) -> None:
    try:
        parse_validity(text)
    except RecordError:
        return
