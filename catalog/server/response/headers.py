"""Response headers: content that browsers never run, file names, entity tags, ranges, lifetimes."""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import format_datetime
from urllib.parse import quote

from catalog.limits import RECORD_CHECK_PERIOD, RECORD_LIFETIME

FOREVER = "public, max-age=29030400, immutable"
# Whatever a block holds, a browser must not run it in this server's origin, nor let another origin read it.
_INERT = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox; default-src 'none'",
    "cross-origin-resource-policy": "same-origin",
}
_RANGE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})", re.ASCII)


def content_headers(content_type: str, filename: str, etag: str | None) -> dict[str, str]:
    """Return the headers of a block, CAR, record or file: an inert attachment; without a tag it is not cached."""
    kept = {"cache-control": "no-store"} if etag is None else {"cache-control": FOREVER, "etag": etag}
    return {"content-type": content_type, "content-disposition": _attachment(filename), **kept, **_INERT}


def tag(*parts: str, weak: bool = False) -> str:
    """Return an entity tag that differs whenever a part does."""
    return f'{"W/" if weak else ""}"{hashlib.sha256(" ".join(parts).encode()).hexdigest()[:32]}"'


def is_unchanged(headers: Mapping[str, str], etag: str) -> bool:
    """Return whether If-None-Match names ``etag`` (weak comparison, lists, ``*``)."""
    wanted = headers.get("if-none-match")
    if wanted is None:
        return False
    tags = {part.strip().removeprefix("W/") for part in wanted.split(",")}
    return "*" in tags or etag.removeprefix("W/") in tags


def parse_range(headers: Mapping[str, str], size: int, etag: str) -> tuple[int, int] | None:
    """Return the one requested range as (start, stop), None for the whole body; ``start == stop`` where it is outside.

    Several ranges, non-ASCII digits, and an If-Range with another tag mean the whole body.
    """
    match = _RANGE.fullmatch(headers.get("range", ""))
    if match is None or headers.get("if-range", etag) != etag or not (match[1] or match[2]):
        return None
    if not match[1]:
        return max(size - int(match[2]), 0), size
    start = int(match[1])
    stop = min(int(match[2]) + 1, size) if match[2] else size
    if match[2] and int(match[2]) < start:
        return None
    return (start, stop) if start < size else (0, 0)


def record_headers(ttl: int, expires: datetime, now: datetime) -> dict[str, str]:
    """Return how long a record may be cached: its TTL (seconds), and no longer than its validity.

    Whoever has the key may sign any TTL and validity, and a cache that kept such a record would hide the owner's next one, and the
    revocation: no longer than an hour, and the lifetime of a record.
    """
    left = min(int((expires - now) / timedelta(seconds=1)), RECORD_LIFETIME)
    if left <= 0:
        return {"cache-control": "no-store"}
    age = f"public, max-age={min(ttl, left, int(RECORD_CHECK_PERIOD))}, stale-while-revalidate={left}, stale-if-error={left}"
    return {"cache-control": age, "expires": format_datetime(min(expires, now + timedelta(seconds=left)), usegmt=True)}


def _attachment(filename: str) -> str:
    plain = "".join(c if " " <= c < "\x7f" and c not in '"\\/' else "_" for c in filename)
    if plain == filename:
        return f'attachment; filename="{plain}"'
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='', errors='replace')}"
