"""URLs that users configure, and those that servers redirect to."""

import re
from typing import NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

from catalog.errors import InvalidConfigError, UnavailableError

_PRINTABLE = re.compile(r"[\x21-\x7e]+", re.ASCII)
_KEEP_METHOD = frozenset({307, 308})


class Origin(NamedTuple):
    """Scheme, host and port of a URL: what a token is meant for."""

    scheme: str
    host: str
    port: int


def normalize_url(url: str) -> str:
    """Return a URL with its scheme in lower case and without a trailing slash: ``HTTP://host/`` is ``http://host``."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme.lower()}{separator}{rest}".rstrip("/") if separator else url


def split_url(url: str) -> SplitResult:
    """Return the parts of a configured URL: ``http``, ``https``, or ``unix:///path``; raise `InvalidConfigError`."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidConfigError(f'"{url[:200]}" is not a URL', why=str(error)) from error
    if parts.scheme == "unix" and not parts.netloc and parts.path.startswith("/") and not parts.query and not parts.fragment:
        return parts
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise InvalidConfigError(f'"{url[:200]}" is not an http or https URL', hint="for example http://bob-pc.lan:5078")
    if parts.username is not None or parts.query or parts.fragment or not _PRINTABLE.fullmatch(url):
        raise InvalidConfigError(
            f"the URL of {parts.hostname} holds more than a scheme, a host, a port and a path",
            hint="a token is kept in a file of its own, which is named beside the URL",
        )
    return parts


def origin_of(url: str) -> Origin:
    """Return the origin of a URL that `split_url` or `follow_redirect` accepted."""
    parts = urlsplit(url)
    return Origin(parts.scheme, (parts.hostname or "").rstrip("."), parts.port or (443 if parts.scheme == "https" else 80))


def follow_redirect(name: str, url: str, target: str, *, method: str, status: int, streamed: bool) -> str:
    """Return the URL that a redirect from ``url`` leads to; raise `UnavailableError` if it is not followed.

    ``name`` is the configured host, for the error. A request other than GET or HEAD is repeated only for a status that keeps the
    method, and only if its body is not ``streamed``.
    """
    refused = f"{name} redirects to an address that dcat does not follow"
    if method not in {"GET", "HEAD"} and (status not in _KEEP_METHOD or streamed):
        raise UnavailableError(refused, why=f"a {method} was answered with {status}")
    try:
        joined = urljoin(url, target)
        parts = urlsplit(joined)
        port = parts.port
    except ValueError as error:
        raise UnavailableError(refused, why="the address is malformed") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None or port == 0:
        raise UnavailableError(refused, why="only http and https addresses without a user name are followed")
    if url.startswith("https:") and parts.scheme == "http":
        raise UnavailableError(refused, why="it leads from https to http")
    return joined
