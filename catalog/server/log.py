"""One line for each request and each mishap: whatever others sent, a line stays one line.

Control characters, quotes, backslashes and what is not ASCII are written as ``\\xHH`` and the like, as nginx does; a field is cut
at 2 KiB. No query of a URL and no header is logged: either may hold a secret.
"""

from catalog.limits import MAX_LOGGED_FIELD

_CUT = "..."


def escape(text: str) -> str:
    """Make text that others sent safe to stand in a line of a log, quoted or not."""
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
    """Give the line of one request. ``moment`` is a time as text, ``path`` the path as it was sent, ``note`` why it ended early."""
    line = f'{moment} {escape(client)} "{escape(method)} {escape(path)}" {status} {sent} {seconds * 1000:.1f}ms'
    return f"{line} {escape(note)}" if note else line


def _escape_character(character: str) -> str:
    code = ord(character)
    if 0x20 <= code < 0x7F and character not in '"\\':
        return character
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
