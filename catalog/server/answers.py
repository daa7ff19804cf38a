"""The answers that many routes give: a refusal with its reason, and "you have it already"."""

from collections.abc import Mapping

from starlette.responses import PlainTextResponse, Response

_KEPT = frozenset({"etag", "cache-control", "vary", "expires", "content-location"})


def refuse(status: int, why: str, headers: Mapping[str, str] | None = None) -> Response:
    """Say why not, in a line of plain text that holds nothing of the request."""
    return PlainTextResponse(
        why + "\n", status, {"cache-control": "no-store", "x-content-type-options": "nosniff", **(headers or {})}
    )


def unchanged(headers: Mapping[str, str]) -> Response:
    """Say that what the client has is still right; its tag and age are repeated."""
    return Response(status_code=304, headers={name: value for name, value in headers.items() if name in _KEPT})
