"""What answers of a web server of plain files mean."""

import re
from typing import Final

from catalog import limits
from catalog.clients.response import HttpResponse

ABSENT: Final = (404, 403, 410)
"""The file is not there: a bucket answers 403 for what it does not hold."""

CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", re.ASCII)
_BOUNDARY: Final = re.compile(r'multipart/byteranges; *boundary=("[\x20-\x7e]{1,70}"|[!-~]{1,70})', re.ASCII | re.IGNORECASE)


class MisreadRangeError(Exception):
    """The server did not answer with the range that was asked for."""


def check_range(response: HttpResponse, start: int, end: int, size: int) -> None:
    """Raise `MisreadRangeError` unless the answer is exactly the range that was asked for."""
    stated = CONTENT_RANGE.fullmatch((response.header("Content-Range") or "").strip())
    if (
        response.status != 206
        or response.header("Content-Encoding") not in (None, "identity")
        or stated is None
        or (int(stated[1]), int(stated[2])) != (start, end - 1)
        or stated[3] not in ("*", str(size))
    ):
        raise MisreadRangeError


def read_boundary(content_type: str) -> bytes | None:
    """Return the boundary of ``multipart/byteranges``; None for any other type."""
    found = _BOUNDARY.fullmatch(content_type.strip())
    return found[1].strip('"').encode() if found else None


def with_slack(size: int) -> int:
    """Return how long the body of so many bytes may be stated to be: a host may compress it, which can make it longer."""
    return size + size // 64 + limits.KIB
