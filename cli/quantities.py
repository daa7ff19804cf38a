"""Sizes, times and counts, as they are written for people and as people type them."""

import re
from datetime import datetime, timedelta

from catalog.errors import InvalidInputError
from catalog.model.release import parse_time

_UNITS = ("kB", "MB", "GB", "TB", "PB")


def format_size(size: int) -> str:
    """Return a number of bytes in decimal units: ``187.0 MB``."""
    if abs(size) < 1000:
        return f"{size} B"
    value = float(size)
    for unit in _UNITS:
        value /= 1000
        if abs(value) < 999.95 or unit == _UNITS[-1]:
            break
    return f"{value:.1f} {unit}"


def format_count(number: int, noun: str, plural: str = "") -> str:
    """Return ``1 layer``, ``6 layers``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def format_span(span: timedelta) -> str:
    """Return a length of time in its largest unit: ``3 h``, ``29 d``."""
    seconds = abs(int(span.total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def format_age(moment: datetime, now: datetime) -> str:
    """Return how long ago ``moment`` was: ``3 h ago``, ``just now``, or ``in 3 h`` for one in the future."""
    age = now - moment
    if age < timedelta(seconds=-60):
        return f"in {format_span(age)}"
    return "just now" if age < timedelta(seconds=60) else f"{format_span(age)} ago"


def age_of(time: str, now: datetime) -> str:
    """Return how long ago a time of the index was; one that cannot be parsed is returned as it is."""
    try:
        return format_age(parse_time(time), now)
    except ValueError:
        return time


_SIZE = r"([0-9]+(?:\.[0-9]+)?)\s*([kKMGT]?)(i?)[bB]?"


def parse_size(option: str, text: str) -> int:
    """Parse ``20GiB``, ``500MB`` or a number of bytes; raise `InvalidInputError` otherwise."""
    match = re.fullmatch(_SIZE, text.strip())
    if match is None:
        raise InvalidInputError(f'{option}: "{text}" is not a valid size', hint=f"{option} 20GiB")
    base = 1024 if match[3] else 1000
    return int(float(match[1]) * base ** " KMGT".index(match[2].upper() or " "))


_SPAN = r"([0-9]{1,6})\s*(s|min|h|d|w)"
_SPAN_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def parse_span(option: str, text: str) -> timedelta:
    """Parse ``90d``, ``12h``, ``30min``; raise `InvalidInputError` otherwise."""
    match = re.fullmatch(_SPAN, text.strip())
    if match is None:
        raise InvalidInputError(f'{option}: "{text}" is not a valid length of time', hint=f"{option} 3d")
    return timedelta(seconds=int(match[1]) * _SPAN_UNITS[match[2]])
