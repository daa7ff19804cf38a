"""Text of others on its way to people: control characters are escaped, secrets are removed.

Every character that controls a terminal, or that hides or reorders others, is shown as ``\\u{..}``: C0, C1 and DEL, bidirectional
controls, zero-width and other invisible characters, line and paragraph separators, lone surrogates (CVE-2020-26283 and similar).
"""

import re

_UNSAFE = (
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_URL = r"://[^\s\"'<>]*"
_USERINFO = r"://[^/?#]*@"
_QUERY = r"[?#].*"


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
    return re.sub(_URL, lambda match: re.sub(_QUERY, "?…", re.sub(_USERINFO, "://…@", match[0])), text)


def has_secret(url: str) -> bool:
    """Whether a URL carries something that `redact` removes."""
    return redact(url) != url


def is_on(value: str) -> bool:
    """Return whether the value of an environment variable means on."""
    return value.strip().lower() not in {"", "0", "no", "off", "false"}
