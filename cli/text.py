"""Text of others on its way to people: control characters are escaped (`catalog.model.text`), secrets are removed."""

import re

from catalog.model.text import escape as escape
from catalog.model.text import escape_file as escape_file
from catalog.model.text import escape_lines as escape_lines

_URL = r"://[^\s\"'<>]*"
_USERINFO = r"://[^/?#]*@"
_QUERY = r"[?#].*"


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
