from datetime import datetime, timedelta

import pytest

from catalog.trust.freshness import AGES, judge_freshness
from tests.factory.times import NOW

HOUR, DAY, YEAR = timedelta(hours=1), timedelta(days=1), timedelta(days=365)


def expected_age(now: datetime, expires: datetime, checked: datetime, signed: datetime) -> str:
    """Safety A3 and A15, written down a second time."""
    if max(checked, signed) - now > timedelta(minutes=5):
        return "clock looks wrong"
    if now >= expires:
        return "expired"
    if now - checked >= 7 * DAY:
        return "unchecked for a week"
    return "unchecked for a day" if now - checked >= DAY else "fresh"


def test_each_hour_of_two_years_has_its_state() -> None:
    """Safety A3: a clock from a year before to a year after, in steps of an hour; no use of expired data is silent."""
    checked, signed, expires = NOW, NOW - DAY, NOW + 30 * DAY
    states = set()
    moment = NOW - YEAR
    while moment <= NOW + YEAR:
        freshness = judge_freshness(moment, expires=expires, checked=checked, newest_signed=signed)
        assert freshness.age == expected_age(moment, expires, checked, signed)
        if moment >= expires:
            assert freshness.warns
            assert freshness.text
            assert freshness.latest_refused
        else:
            assert not freshness.latest_refused
        states.add(freshness.age)
        moment += HOUR
    assert states == set(AGES)


def test_the_own_catalogue_never_expires_for_its_own_home() -> None:
    freshness = judge_freshness(NOW, expires=NOW - YEAR, checked=None, own=True)
    assert (freshness.age, freshness.text, freshness.latest_refused) == ("fresh", "", False)


@pytest.mark.parametrize(
    "skew",
    [-YEAR, -30 * DAY, -7 * DAY, -DAY, -HOUR, -timedelta(minutes=6), -timedelta(minutes=4), HOUR - HOUR, HOUR, DAY, 40 * DAY, YEAR],
)
def test_a_wrong_clock_is_called_wrong(skew: timedelta) -> None:
    """Safety A15: twelve skews of the local clock."""
    clock = NOW + skew
    freshness = judge_freshness(clock, expires=NOW + 30 * DAY, checked=NOW - HOUR, newest_signed=NOW)
    if skew < -timedelta(minutes=5):
        assert "clock looks wrong" in freshness.text
        assert "expired" not in freshness.text
    elif skew >= 30 * DAY:
        assert "expired" in freshness.text
        assert "clock" not in freshness.text
    else:
        assert "clock" not in freshness.text


def test_a_wrong_clock_behind_the_end_of_life_is_called_wrong_and_refuses_the_newest() -> None:
    freshness = judge_freshness(NOW, expires=NOW - DAY, checked=NOW - DAY, newest_signed=NOW + DAY)
    assert freshness.age == "clock looks wrong"
    assert freshness.latest_refused
    assert "expired" not in freshness.text


def test_what_was_never_checked_is_said_so() -> None:
    freshness = judge_freshness(NOW, expires=NOW + DAY, checked=None)
    assert freshness.age == "unchecked for a week"
    assert "never checked" in freshness.text


def test_a_publishers_clock_may_be_the_wrong_one() -> None:
    """A publish time in the future is a claim of the publisher alone; a check is this machine's own."""
    claimed = judge_freshness(NOW, expires=NOW + 30 * DAY, checked=NOW - HOUR, newest_signed=NOW + 1000 * DAY)
    assert "or that of the publisher" in claimed.text
    checked = judge_freshness(NOW, expires=NOW + 30 * DAY, checked=NOW + HOUR, newest_signed=NOW + 1000 * DAY)
    assert checked.text.startswith("this machine's clock looks wrong: ")
