"""Answers of many routes: a refusal with its reason, and 304."""

from collections.abc import Mapping

from starlette.responses import PlainTextResponse, Response

_KEPT = frozenset({"etag", "cache-control", "vary", "expires", "content-location"})


def refuse(status: int, why: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a refusal: one line of plain text that repeats nothing of the request."""
    return PlainTextResponse(
        why + "\n", status, {"cache-control": "no-store", "x-content-type-options": "nosniff", **(headers or {})}
    )


def unchanged(headers: Mapping[str, str]) -> Response:
    """Return 304 for a client whose copy is current; its tag and lifetime are repeated."""
    return Response(status_code=304, headers={name: value for name, value in headers.items() if name in _KEPT})
