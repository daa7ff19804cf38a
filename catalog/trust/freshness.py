"""The age of what is known of a catalogue (docs/safety.md, A3 and A15). Pure: every moment is an argument.

Age alone refuses only the newest version after a record's end of life: an exact version never changes its meaning.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from catalog.limits import CHECK_NOTE_AFTER, CHECK_WARN_AFTER, CLOCK_TOLERANCE
from catalog.model.text import format_span
from catalog.record import record

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from typing import Literal

    Age = Literal["fresh", "unchecked for a day", "unchecked for a week", "clock looks wrong", "expired"]

AGES: tuple[Age, ...] = (
    "fresh",
    "unchecked for a day",  # a note
    "unchecked for a week",  # a warning
    "clock looks wrong",  # the local clock is behind a moment that was signed or checked already
    "expired",  # an exact version resolves with a warning, the newest is refused
)
"""The states of a catalogue, from best to worst."""


@record(frozen=True, slots=True)
class Freshness:
    """The age of a catalogue; ``text`` is a sentence without a full stop, empty for a fresh catalogue."""

    age: Age
    text: str
    latest_refused: bool

    @property
    def warns(self) -> bool:
        return self.age not in ("fresh", "unchecked for a day")


def judge_freshness(
    now: datetime, *, expires: datetime, checked: datetime | None, newest_signed: datetime | None = None, own: bool = False
) -> Freshness:
    """Return how fresh a catalogue is.

    ``expires`` is its record's end of life, ``checked`` the last time that a source confirmed the record or had a newer one,
    ``newest_signed`` the newest moment that its owner signed as past, which nobody else confirms. The own catalogue is always fresh
    for its own home.
    """
    if own:
        return Freshness("fresh", "", latest_refused=False)
    latest = now + timedelta(seconds=CLOCK_TOLERANCE)
    if checked is not None and checked > latest:
        text = f"this machine's clock looks wrong: it says {_show(now)}, and the catalogue was checked at {_show(checked)}"
        return Freshness("clock looks wrong", text, latest_refused=expires <= now)
    if newest_signed is not None and newest_signed > latest:  # what a publisher states is a claim: its clock may be the wrong one
        text = (
            f"this machine's clock looks wrong, or that of the publisher: it is {_show(now)} here, and {_show(newest_signed)} there"
        )
        return Freshness("clock looks wrong", text, latest_refused=expires <= now)
    if expires <= now:
        return Freshness("expired", f"its record expired {_show(expires)}, {format_span(now - expires)} ago", latest_refused=True)
    unchecked = now - checked if checked is not None else timedelta.max
    text = f"last checked {format_span(unchecked)} ago" if checked is not None else "never checked since it was subscribed to"
    text += f", its record expires in {format_span(expires - now)}"
    if unchecked >= timedelta(seconds=CHECK_WARN_AFTER):
        return Freshness("unchecked for a week", text, latest_refused=False)
    if unchecked >= timedelta(seconds=CHECK_NOTE_AFTER):
        return Freshness("unchecked for a day", text, latest_refused=False)
    return Freshness("fresh", "", latest_refused=False)


def _show(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
