"""Errors of the registry, as documents of the distribution specification ("Error Codes")."""

import json
from collections.abc import Mapping

from starlette.responses import Response

VERSION_HEADERS = {"docker-distribution-api-version": "registry/2.0", "x-content-type-options": "nosniff"}
CODES = {
    401: "UNAUTHORIZED",
    403: "DENIED",
    404: "NAME_UNKNOWN",
    405: "UNSUPPORTED",
    413: "SIZE_INVALID",
    416: "RANGE_INVALID",
    429: "TOOMANYREQUESTS",
}


def error_document(code: str, message: str) -> bytes:
    """Return the body of an error."""
    return json.dumps({"errors": [{"code": code, "message": message, "detail": None}]}, separators=(",", ":")).encode()


def refuse_registry(status: int, message: str, *, code: str | None = None, headers: Mapping[str, str] | None = None) -> Response:
    """Return a refusal with the code that belongs to ``status``, or another one."""
    return Response(
        error_document(code or CODES.get(status, "UNKNOWN"), message),
        status,
        {"content-type": "application/json", "cache-control": "no-store", **VERSION_HEADERS, **(headers or {})},
    )
