"""Text for people: escaping of foreign text, sizes and times in words.

Every character that controls a terminal, or that hides or reorders others, is shown as ``\\u{..}``: C0, C1 and DEL, bidirectional
controls, zero-width and other invisible characters, line and paragraph separators, lone surrogates (CVE-2020-26283 and similar).
"""

import re
from datetime import datetime, timedelta

_UNSAFE = (
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_UNITS = ("kB", "MB", "GB", "TB", "PB")


def escape(text: str) -> str:
    """Return ``text`` on one line, without control characters and invisible ones."""
    if text.isascii() and text.isprintable():  # nearly always; compiling the expression takes a millisecond
        return text
    return re.sub(_UNSAFE, lambda match: f"\\u{{{ord(match[0]):x}}}", text)


def escape_lines(text: str) -> str:
    """Return ``text`` escaped, except for its line breaks."""
    return "\n".join(escape(line) for line in text.split("\n"))


def escape_file(text: str) -> str:
    """Return the text of a file escaped, except for its line breaks and tabs."""
    return "\n".join("\t".join(map(escape, line.split("\t"))) for line in text.split("\n"))


def quote(word: str) -> str:
    """Return a word as a shell reads it: control characters and bytes that are not UTF-8 as ``$'..'``, which `escape` lets pass."""
    if word == escape(word):
        import shlex  # here, since `dcat resolve` writes no commands, and it takes longer than the rest of this module

        return shlex.quote(word)
    data = re.sub("[\ud800-\udc7f\udd00-\udfff]", "?", word).encode("utf-8", "surrogateescape")
    return "$'" + "".join(chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\x{byte:02x}" for byte in data) + "'"


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
    """Return a length of time in its largest unit, rounded down: ``3 h``, ``29 d``; a negative one is ``0 s``."""
    seconds = max(int(span.total_seconds()), 0)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def format_age(moment: datetime, now: datetime) -> str:
    """Return how long ago ``moment`` was: ``3 h ago``, ``just now``, or ``in 3 h`` for one in the future."""
    age = now - moment
    if age < timedelta(seconds=-60):
        return f"in {format_span(-age)}"
    return "just now" if age < timedelta(seconds=60) else f"{format_span(age)} ago"


def age_of(time: str, now: datetime) -> str:
    """Return how long ago a time of the index was; one that cannot be parsed is returned as it is."""
    from catalog.model.release import parse_time

    try:
        return format_age(parse_time(time), now)
    except ValueError:
        return time
