"""Where this server is as the client sees it: a proxy in front adds TLS, and may show it below a path of its own.

The headers that say so are believed from anybody: they change only what the sender of the request itself is shown.
"""

import re
from collections.abc import Mapping

from starlette.requests import Request

from catalog.server.settings import is_loopback

_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]{1,64}){1,8}", re.ASCII)
_PORT = re.compile(r":[0-9]{1,5}\Z", re.ASCII)
_PROXIED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")
_ROOTED = re.compile(r'\b(href|src|action)="/(?!/)')


def address_of(headers: Mapping[str, str]) -> str:
    """Return the URL of this server as the client wrote it, without a final slash."""
    first = headers.get("x-forwarded-proto", "").split(",")[0].strip().lower()
    return f"{'https' if first == 'https' else 'http'}://{headers['host']}{prefix_of(headers)}"


def prefix_of(headers: Mapping[str, str]) -> str:
    """Return the path that the proxy took away from the front of the request's, as ``/dcat``; empty where it took none."""
    prefix = headers.get("x-forwarded-prefix", "").strip().rstrip("/")
    return prefix if _PREFIX.fullmatch(prefix) and ".." not in prefix else ""


def is_near(request: Request) -> bool:
    """Return whether the client runs on this machine: a proxy there says so by a header, or by a Host that is not loopback's."""
    if request.client is None or any(header in request.headers for header in _PROXIED):
        return False
    host = request.headers.get("host", "")
    return is_loopback(request.client.host) and is_loopback(_PORT.sub("", host))


def rebase(page: str, prefix: str) -> str:
    """Return a page of HTML whose links to this server's own paths have ``prefix`` in front.

    All text of a page is escaped, quotes too, so that what looks like such a link is one.
    """
    return _ROOTED.sub(rf'\1="{prefix}/', page) if prefix else page
