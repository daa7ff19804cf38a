"""The private parts of uvicorn that the server uses: a release that changes them is noticed here, before it is allowed."""

import inspect

import pytest
import uvicorn
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from catalog.server.transport.protocol import LimitedProtocol

OVERRIDDEN = {
    "_start_asgi_task": ["self", "cycle", "app"],
    "connection_lost": ["self", "exc"],
    "connection_made": ["self", "transport"],
    "data_received": ["self", "data"],
    "on_body": ["self", "body"],
    "on_header": ["self", "name", "value"],
    "on_headers_complete": ["self"],
    "on_message_begin": ["self"],
    "on_message_complete": ["self"],
    "on_response_complete": ["self"],
    "pause_writing": ["self"],
    "resume_writing": ["self"],
    "timeout_keep_alive_handler": ["self"],
}
PROTOCOL_STATE = {"config", "connections", "cycle", "flow", "headers", "loop", "parser", "pipeline", "scope", "transport", "url"}
CYCLE_STATE = {
    "chunked_encoding",
    "disconnected",
    "expected_content_length",
    "keep_alive",
    "message_event",
    "response_complete",
    "response_started",
}


def parameters(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(OVERRIDDEN))
def test_what_is_overridden_is_there_and_takes_the_same(name: str) -> None:
    assert parameters(getattr(HttpToolsProtocol, name)) == OVERRIDDEN[name]
    assert name in vars(LimitedProtocol)


def test_what_is_used_of_connection_and_cycle_is_there() -> None:
    assert parameters(HttpToolsProtocol._unset_keepalive_if_required) == ["self"]
    assert parameters(HttpToolsProtocol.__init__)[:5] == ["self", "config", "server_state", "app_state", "_loop"]
    source = inspect.getsource(HttpToolsProtocol)
    assert all(f"self.{name}" in source for name in PROTOCOL_STATE)
    source = inspect.getsource(RequestResponseCycle)
    assert all(f"self.{name}" in source for name in CYCLE_STATE)
    assert httptools_impl.STATUS_LINE[431].startswith(b"HTTP/1.1 431 ")


def test_what_is_used_of_the_server_is_there() -> None:
    server = uvicorn.Server(uvicorn.Config(lambda: None))
    assert (server.started, server.should_exit, server.force_exit) == (False, False, False)
    assert hasattr(server, "capture_signals")
