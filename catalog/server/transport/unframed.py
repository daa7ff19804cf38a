"""Responses without a length to clients of HTTP 1.0, which do not know chunks: their end is the end of the connection.

uvicorn sends chunks to them too, whose framing they take for content. A response that cannot be completed resets the connection,
or its beginning would look whole. Source: RFC 9112, sections 6.1 and 6.3.
"""

import socket
import struct
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

_RESET: Final = struct.pack("ii", 1, 0)  # by a close, whatever was not sent yet
_FINISH: Final = struct.pack("ii", 0, 0)
_WITHOUT_BODY: Final = (204, 304)


def unframe(app: ASGIApp, cycle: RequestResponseCycle) -> ASGIApp:
    """Return an application whose responses without a length are not sent in chunks."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        is_open = False

        async def send_plain(message: Message) -> None:
            nonlocal is_open
            if message["type"] == "http.response.start":
                is_open = _has_no_length(scope, message)
                if is_open:
                    cycle.chunked_encoding = False
                    _on_close(scope, _RESET)
            elif is_open:
                cycle.expected_content_length = len(message.get("body", b""))  # each piece is as long as it is
                if not message.get("more_body", False):
                    _on_close(scope, _FINISH)
            await send(message)

        await app(scope, receive, send_plain)

    return run


def _has_no_length(scope: Scope, start: Message) -> bool:
    has_length = any(name.lower() == b"content-length" for name, _ in start.get("headers", []))
    return not has_length and scope["method"] != "HEAD" and start["status"] not in _WITHOUT_BODY


def _on_close(scope: Scope, how: bytes) -> None:
    connection: Any = scope["extensions"]["dcat.transport"]["transport"].get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, how)
