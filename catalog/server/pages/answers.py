"""The answers of the pages: one that was made, and one that could not be."""

import json
from collections.abc import Callable
from datetime import datetime

from starlette.responses import Response

from catalog.documents.encoding import to_json
from catalog.errors import (
    AmbiguousReferenceError,
    BlockNotFoundError,
    CorruptHomeError,
    DcatError,
    InvalidConfigError,
    InvalidInputError,
    LockedError,
    NotFoundError,
    StorageError,
    VerificationError,
)
from catalog.model.release import format_time
from catalog.server.log import escape
from catalog.server.pages.making import HTML, JSON, Made
from catalog.server.pages.rendering import render
from catalog.server.pages.views.fetching import StillFetchingError
from catalog.server.response.address import rebase
from catalog.server.response.answers import refuse

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "img-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
SAFE = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""The headers of every answer."""
_STATUS: tuple[tuple[type[DcatError], int], ...] = (
    (NotFoundError, 404),
    (AmbiguousReferenceError, 404),
    (InvalidInputError, 400),
    (CorruptHomeError, 500),
    (VerificationError, 400),
    (LockedError, 503),
    (StorageError, 503),
)
_TOLD = (NotFoundError, AmbiguousReferenceError, InvalidInputError, VerificationError, BlockNotFoundError, StillFetchingError)
"""Errors whose text is about what was asked for; that of others may hold paths and addresses of this machine."""
_HIDDEN = (CorruptHomeError, InvalidConfigError)
"""Those of them whose text is about this machine all the same."""


def answer(made: Made, headers: dict[str, str]) -> Response:
    """Return a page with ``headers`` and its own."""
    headers = {**headers, "content-type": made.kind, "content-security-policy": _POLICY}
    if made.links:
        headers["link"] = ", ".join(f'<{address}>; rel="{relation}"' for relation, address in made.links.items())
    return Response(made.body, 200, headers)


def refuse_busy() -> Response:
    """Return the answer where too many pages are being made."""
    return refuse(429, "busy: other pages are being made", {"retry-after": "2"})


def fail(error: DcatError, log: Callable[[str], None], now: datetime, *, as_json: bool, prefix: str) -> Response:
    """Return an error as a page or a document; one whose text is about this machine goes to ``log``, and is not shown."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    headers = {"cache-control": "no-store", "vary": "Accept", "content-security-policy": _POLICY, **SAFE}
    if status == 503:
        headers["retry-after"] = "2"
    shown = error
    if not isinstance(error, _TOLD) or isinstance(error, _HIDDEN):
        why = f": {error.why}" if error.why else ""
        log(f"{format_time(now)} page: {escape(f'{type(error).__name__}: {error.message}{why}')}")
        shown = _hide(status)
    if as_json:
        body = {"schema": "dcat/error/v1", "code": error.code, "message": shown.message, "why": shown.why, "try": shown.hint}
        return Response(json.dumps(to_json(body)), status, {"content-type": JSON, **headers})
    page = render("error.html", now, status=status, error=shown, page="error", twin="")
    return Response(rebase(page, prefix), status, {"content-type": HTML, **headers})


def _hide(status: int) -> DcatError:
    """Return an error to show in place of one that is only logged."""
    if status == 503:
        return DcatError(
            "this server cannot answer right now", why="what it reads is busy or cannot be read", hint="try again later"
        )
    return DcatError("this page could not be made", why="the reason is in the log of the server")
