"""One line for each request and each failure, whatever a client sent.

Control characters, quotes, backslashes and non-ASCII characters are written as ``\\xHH`` and the like, as nginx does; a field is
cut at 2 KiB. Queries and headers are not logged, because they may hold secrets.
"""

from catalog.limits import MAX_LOGGED_FIELD

_CUT = "..."


def escape(text: str) -> str:
    """Return untrusted text escaped so that it may stand in a log line, quoted or not."""
    cut = len(text) > MAX_LOGGED_FIELD
    if not cut and text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    escaped = "".join(map(_escape_character, text[:MAX_LOGGED_FIELD]))
    if cut or len(escaped) > MAX_LOGGED_FIELD:
        return escaped[: MAX_LOGGED_FIELD - len(_CUT)] + _CUT
    return escaped


def format_request(
    moment: str, client: str, method: str, path: str, status: int, *, sent: int, seconds: float, note: str = ""
) -> str:
    """Return the line of one request; ``moment`` is a time as text, ``path`` is as sent, ``note`` says why it ended early."""
    line = f'{moment} {escape(client)} "{escape(method)} {escape(path)}" {status} {sent} {seconds * 1000:.1f}ms'
    return f"{line} {escape(note)}" if note else line


def _escape_character(character: str) -> str:
    code = ord(character)
    if 0x20 <= code < 0x7F and character not in '"\\':
        return character
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
