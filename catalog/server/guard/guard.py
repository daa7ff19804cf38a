"""The checks that every request passes before a route is looked up, and the one place where responses are counted and logged.

In this order: the Host names this server (421); the request does not come from a page of another origin (403); the token, where
there is one (401); the body is whole (408, 413); there is a free slot (429). A request holds a slot only once it is whole, and
where others need one, only while its client reads. A response that fails after it began is cut off without the final chunk, so
that no client takes it for complete.

Where pushes are taken, the body of an upload is neither read here nor does it hold a slot: `catalog.server.registry.uploads` reads
it as fast as it is stored, and has limits of its own.
"""

import asyncio
import base64
import binascii
import hmac
import time
from collections.abc import Callable, Iterable
from datetime import datetime

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from catalog.errors import BlockMismatchError, BlockNotFoundError, CorruptHomeError, UnavailableError, VerificationError
from catalog.limits import MAX_JSON_SIZE, REGISTRY_PATIENCE
from catalog.model.release import format_time
from catalog.server.counters import Counters
from catalog.server.guard.hosts import HostList
from catalog.server.guard.slots import BusyError, Slots
from catalog.server.log import format_request
from catalog.server.registry.errors import refuse_registry
from catalog.server.registry.paths import is_upload_path
from catalog.server.settings import ServerLimits

_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_MAX_USER = 64
_OPEN_PATHS = frozenset({"/health"})  # no token: it says nothing about what is held


class ClientGoneError(Exception):
    """The client closed the connection before the end of the response."""


class RefusedError(Exception):
    """A request that is refused; ``reason`` is the label under which it is counted."""

    def __init__(self, status: int, reason: str, why: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(why)
        self.status = status
        self.reason = reason
        self.why = why
        self.headers = headers or {}


class Guard:
    """The ASGI application around the routes."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: HostList,
        token: str | None,
        takes_pushes: bool = False,
        limits: ServerLimits,
        slots: Slots,
        counters: Counters,
        log: Callable[[str], None],
        now: Callable[[], datetime],
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._token = token
        self._takes_pushes = takes_pushes
        self._limits = limits
        self._slots = slots
        self._counters = counters
        self._log = log
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = _Watched(scope, send, private=self._token is not None)
        client = scope["client"][0] if scope["client"] else "local"
        began = time.monotonic()
        note = ""
        try:
            try:
                await self._answer(scope, receive, response, client)
            except RefusedError as refused:
                note = refused.reason
                self._counters.add("refused_total", 1, f'{{reason="{refused.reason}"}}')
                await _refuse(refused, scope, receive, response)
        except ClientGoneError:
            note = "the client left"
        except Exception as error:
            note = f"{type(error).__name__}: {error}"
            if isinstance(error, BlockMismatchError):
                self._counters.add("corrupt_blocks_total")
            if response.status:
                self._counters.add("aborted_total")
                raise
            refusal = _explain(error)
            await _refuse(refusal, scope, receive, response)
        finally:
            path = scope["raw_path"].decode("latin-1")
            self._counters.count_request(path, response.status, response.sent)
            seconds = time.monotonic() - began
            moment = format_time(self._now())
            self._log(
                format_request(
                    moment, client, scope["method"], path, response.status, sent=response.sent, seconds=seconds, note=note
                )
            )

    async def _answer(self, scope: Scope, receive: Receive, response: "_Watched", client: str) -> None:
        headers = Headers(scope=scope)
        self._check_origin(scope, headers)
        self._check_token(scope, headers)
        body = b""
        if self._takes_pushes and _is_upload(scope):
            await self._app(scope, receive, response)
            return
        if scope["method"] in _WITH_BODY:
            most = MAX_JSON_SIZE if self._takes_pushes and _is_registry(scope) else self._limits.body_size
            body = await self._read_body(headers, receive, most, response.cut_off)
        # Clients of the registry ask again at once, whatever Retry-After says.
        await self._slots.wait(client, REGISTRY_PATIENCE if _is_registry(scope) else 0)
        if response.is_gone():
            self._slots.pass_on()
            raise ClientGoneError
        try:
            with self._slots.take(client):
                await self._app(scope, _replay(body, receive), response)
        except BusyError as busy:
            raise RefusedError(429, "busy", "busy: try again in a moment", {"retry-after": "1"}) from busy

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        local = scope["server"][0] if scope["server"] else None
        host = headers.get("host", "")
        if not self._hosts.allows(host, local):
            raise RefusedError(421, "host", "this server does not answer to that Host: allow it when starting the server")
        if "service-worker" in headers:
            raise RefusedError(403, "service-worker", "there are no service workers here")
        origin = headers.get("origin")
        own = origin is None or origin.split("://")[-1] == host
        if not own or (headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not _is_visit(scope, headers)):
            raise RefusedError(403, "cross-site", "not allowed from a page of another origin")

    def _check_token(self, scope: Scope, headers: Headers) -> None:
        if self._token is None or scope["path"] in _OPEN_PATHS:
            return
        user, given = _read_credentials(headers.get("authorization", ""))
        if hmac.compare_digest(given, self._token.encode()):
            scope["dcat.user"] = user
        elif given and self._takes_pushes and _is_registry(scope) and scope["path"] not in ("/v2", "/v2/"):
            # After 401 the classic stores of Docker try a push again for 50 s.
            raise RefusedError(403, "token", "the token is wrong: log in again with the one that this server was started with")
        else:
            raise RefusedError(401, "token", "a token is required", {"www-authenticate": 'Basic realm="dcat", charset="UTF-8"'})

    async def _read_body(self, headers: Headers, receive: Receive, limit: int, cut_off: Callable[[], None]) -> bytes:
        if int(headers.get("content-length", "0")) > limit:
            raise RefusedError(413, "body", f"a body may have at most {limit} bytes")
        try:
            with self._slots.buffer(cut_off) as buffer:
                async with asyncio.timeout(self._limits.body_timeout):
                    more = True
                    while more:
                        message = await receive()
                        if message["type"] == "http.disconnect":
                            raise ClientGoneError
                        buffer.add(message.get("body", b""))
                        more = message.get("more_body", False)
                        if len(buffer.data) > limit:
                            raise RefusedError(413, "body", f"a body may have at most {limit} bytes")
                return bytes(buffer.data)
        except TimeoutError as error:
            raise RefusedError(408, "body", "the body of the request took too long") from error
        except BusyError as busy:
            raise RefusedError(429, "busy", "busy: try again in a moment", {"retry-after": "1"}) from busy


class _Watched:
    """The ``send`` of a response: counts what is sent, and raises `ClientGoneError` once the client left.

    A ``private`` response may not be kept by a shared cache, which would hand it to clients without the token (RFC 9111, 3.5).
    """

    def __init__(self, scope: Scope, send: Send, *, private: bool) -> None:
        self._send = send
        self._private = private
        self._extension = scope["extensions"]["dcat.transport"]
        self._transport: asyncio.Transport = self._extension["transport"]
        self._sent = 0
        self.status = 0

    @property
    def sent(self) -> int:
        """The bytes of the body that were sent."""
        body = self._extension.get("body")
        return self._sent + (body.sent if body is not None else 0)

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self._private:
                message = {**message, "headers": _make_private(message.get("headers", []))}
        else:
            self._sent += len(message.get("body", b""))
        last = message["type"] == "http.response.body" and not message.get("more_body", False)
        await self._send(message)
        if not last and self.is_gone():
            raise ClientGoneError

    def is_gone(self) -> bool:
        """Return whether the client closed the connection."""
        return self._transport.is_closing()

    def cut_off(self) -> None:
        """Close the connection at once."""
        self._transport.abort()


def _read_credentials(header: str) -> tuple[str, bytes]:
    """Return the user name, empty where there is none that can be shown, and the token that a request was sent with."""
    kind, _, credentials = header.partition(" ")
    given = credentials.strip().encode("latin-1")
    if kind.lower() == "bearer":
        return "", given
    if kind.lower() != "basic":
        return "", b""
    try:
        user, _, given = base64.b64decode(given, validate=True).partition(b":")
    except binascii.Error:
        return "", b""
    name = user.decode("ascii", "replace")
    return name if len(name) <= _MAX_USER and name.isascii() and name.isprintable() else "", given


def _make_private(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in headers if name != b"cache-control"]
    directives = [part.strip() for name, value in headers if name == b"cache-control" for part in value.split(b",")]
    return [
        *kept,
        (b"cache-control", b", ".join([b"private", *(part for part in directives if part not in (b"public", b"private"))])),
    ]


def _is_visit(scope: Scope, headers: Headers) -> bool:
    """Return whether a person follows a link of another page to what people look at.

    Everything else that a page of another origin can load tells it what is held, by success and by time; and it makes deltas, and
    with ``--fetch`` fetches images, for which a link is enough.
    """
    if scope["method"] not in ("GET", "HEAD") or _is_registry(scope) or scope["path"].startswith("/dcat/"):
        return False
    return (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("navigate", "document")


def _is_registry(scope: Scope) -> bool:
    return scope["path"] == "/v2" or bool(scope["path"].startswith("/v2/"))


def _is_upload(scope: Scope) -> bool:
    return scope["method"] in _WITH_BODY and is_upload_path(scope["raw_path"].decode("ascii"))


def _explain(error: Exception) -> RefusedError:
    """Return the refusal for an error before the response began."""
    if isinstance(error, BlockNotFoundError | VerificationError) and not isinstance(error, CorruptHomeError):
        # What does not match its digest is not held: engines ask again for minutes after a 5xx, and end at once after this.
        return RefusedError(404, "lacking", "not held here")
    if isinstance(error, UnavailableError):
        return RefusedError(503, "unavailable", "the store behind this server does not answer", {"retry-after": "10"})
    return RefusedError(500, "error", "internal error")


async def _refuse(refused: RefusedError, scope: Scope, receive: Receive, send: Send) -> None:
    if _is_registry(scope):
        await refuse_registry(refused.status, refused.why, headers=refused.headers)(scope, receive, send)
        return
    headers = {"x-content-type-options": "nosniff", "cache-control": "no-store", **refused.headers}
    await PlainTextResponse(refused.why + "\n", refused.status, headers)(scope, receive, send)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def whole_body() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return whole_body
