"""The age of what is known of a catalogue (docs/safety.md, A3 and A15). Pure: every moment is an argument.

Age alone refuses only the newest version after a record's end of life: an exact version never changes its meaning.
"""

from datetime import datetime, timedelta
from enum import Enum

from catalog.limits import CHECK_NOTE_AFTER, CHECK_WARN_AFTER, CLOCK_TOLERANCE
from catalog.model.text import format_span
from catalog.record import record


class Age(Enum):
    """The states of a catalogue, from best to worst."""

    FRESH = "fresh"
    UNCHECKED_DAY = "unchecked for a day"  # a note
    UNCHECKED_WEEK = "unchecked for a week"  # a warning
    CLOCK_WRONG = "clock looks wrong"  # the local clock is behind a moment that was signed or checked already
    EXPIRED = "expired"  # an exact version resolves with a warning, the newest is refused


@record(frozen=True, slots=True)
class Freshness:
    """The age of a catalogue; ``text`` is a sentence without a full stop, empty for a fresh catalogue."""

    age: Age
    text: str
    latest_refused: bool

    @property
    def warns(self) -> bool:
        return self.age not in (Age.FRESH, Age.UNCHECKED_DAY)


def judge_freshness(
    now: datetime, *, expires: datetime, checked: datetime | None, newest_signed: datetime | None = None, own: bool = False
) -> Freshness:
    """Return how fresh a catalogue is.

    ``expires`` is its record's end of life, ``checked`` the last time that a source confirmed the record or had a newer one,
    ``newest_signed`` the newest moment that its owner signed as past, which nobody else confirms. The own catalogue is always fresh
    for its own home.
    """
    if own:
        return Freshness(Age.FRESH, "", latest_refused=False)
    latest = now + timedelta(seconds=CLOCK_TOLERANCE)
    if checked is not None and checked > latest:
        text = f"this machine's clock looks wrong: it says {_show(now)}, and the catalogue was checked at {_show(checked)}"
        return Freshness(Age.CLOCK_WRONG, text, latest_refused=expires <= now)
    if newest_signed is not None and newest_signed > latest:  # what a publisher states is a claim: its clock may be the wrong one
        text = (
            f"this machine's clock looks wrong, or that of the publisher: it is {_show(now)} here, and {_show(newest_signed)} there"
        )
        return Freshness(Age.CLOCK_WRONG, text, latest_refused=expires <= now)
    if expires <= now:
        return Freshness(Age.EXPIRED, f"its record expired {_show(expires)}, {format_span(now - expires)} ago", latest_refused=True)
    unchecked = now - checked if checked is not None else timedelta.max
    text = f"last checked {format_span(unchecked)} ago" if checked is not None else "never checked since it was subscribed to"
    text += f", its record expires in {format_span(expires - now)}"
    if unchecked >= timedelta(seconds=CHECK_WARN_AFTER):
        return Freshness(Age.UNCHECKED_WEEK, text, latest_refused=False)
    if unchecked >= timedelta(seconds=CHECK_NOTE_AFTER):
        return Freshness(Age.UNCHECKED_DAY, text, latest_refused=False)
    return Freshness(Age.FRESH, "", latest_refused=False)


def _show(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
