"""Text for people: escaping of foreign text, redaction of secrets, sizes and times in words.

Every character that controls a terminal, or that hides or reorders others, is shown as ``\\u{..}``: C0, C1 and DEL, bidirectional
controls, zero-width and other invisible characters, line and paragraph separators, lone surrogates (CVE-2020-26283 and similar).
"""

import re
from datetime import datetime, timedelta

_UNSAFE = (
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_USERINFO = r"(\b[A-Za-z][A-Za-z0-9+.-]*://)[^/?#\s\"'<>]*@"
_QUERY = r"(\b[A-Za-z][A-Za-z0-9+.-]*://[^?#\s\"'<>]*)[?#][^\s\"'<>]*"
_UNITS = ("kB", "MB", "GB", "TB", "PB")


def escape(text: str) -> str:
    """Return ``text`` on one line, without control characters and invisible ones."""
    if text.isascii() and text.isprintable():  # nearly always; compiling the expression takes a millisecond
        return text
    return re.sub(_UNSAFE, lambda match: f"\\u{{{ord(match[0]):x}}}", text)


def escape_lines(text: str) -> str:
    """Return ``text`` escaped, except for its line breaks."""
    return "\n".join(escape(line) for line in text.split("\n"))


def redact(text: str) -> str:
    """Return ``text`` without the user, password, query and fragment of its URLs."""
    if "://" not in text:
        return text
    return re.sub(_QUERY, r"\1?…", re.sub(_USERINFO, r"\1…@", text))


def has_secret(url: str) -> bool:
    """Whether a URL carries something that `redact` removes."""
    return redact(url) != url


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


def is_on(value: str) -> bool:
    """Return whether the value of an environment variable means on."""
    return value.strip().lower() not in {"", "0", "no", "off", "false"}


def age_of(time: str, now: datetime) -> str:
    """Return how long ago a time of the index was; one that cannot be parsed is returned as it is."""
    from catalog.model.release import parse_time

    try:
        return format_age(parse_time(time), now)
    except ValueError:
        return time


_SIZE = r"([0-9]+(?:\.[0-9]+)?)\s*([kKMGT]?)(i?)[bB]?"


def parse_size(option: str, text: str) -> int:
    """Parse ``20GiB``, ``500MB`` or a number of bytes; raise `InvalidInputError` otherwise."""
    from catalog.errors import InvalidInputError

    match = re.fullmatch(_SIZE, text.strip())
    if match is None:
        raise InvalidInputError(f'{option}: "{text}" is not a valid size', hint=f"{option} 20GiB")
    base = 1024 if match[3] else 1000
    return int(float(match[1]) * base ** " KMGT".index(match[2].upper() or " "))


_SPAN = r"([0-9]{1,6})\s*(s|min|h|d|w)"
_SPAN_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def parse_span(option: str, text: str) -> timedelta:
    """Parse ``90d``, ``12h``, ``30min``; raise `InvalidInputError` otherwise."""
    from catalog.errors import InvalidInputError

    match = re.fullmatch(_SPAN, text.strip())
    if match is None:
        raise InvalidInputError(f'{option}: "{text}" is not a valid length of time', hint=f"{option} 3d")
    return timedelta(seconds=int(match[1]) * _SPAN_UNITS[match[2]])
