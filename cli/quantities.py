"""Sizes, times and counts, as they are written for people and as people type them."""

import re
from datetime import timedelta

from catalog.errors import InvalidInputError
from catalog.model.text import age_of as age_of
from catalog.model.text import format_age as format_age
from catalog.model.text import format_count as format_count
from catalog.model.text import format_size as format_size
from catalog.model.text import format_span as format_span

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
