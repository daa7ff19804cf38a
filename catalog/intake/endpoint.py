"""A private registry endpoint on 127.0.0.1 that one engine pushes images into, for as long as a publish lasts.

One constant repository (an engine notes it on every blob for ever), a random port, and a secret by Basic authentication: nothing is
read from anybody else. It answers as much of the distribution protocol as engines use to push: HEAD and POST of blobs, PUT of an
upload, HEAD and PUT of manifests. Source: OCI distribution-spec, "Pushing".
"""

import base64
import hmac
import json
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from catalog.errors import DcatError, InvalidDigestError, InvalidInputError
from catalog.intake.pushed import PushedImages
from catalog.intake.surveyed import SurveyedImages
from catalog.limits import MAX_JSON_SIZE, MIB
from catalog.model.digest import Digest

REPOSITORY: Final = "dcat/x"
USER: Final = "dcat"
_API: Final = f"/v2/{REPOSITORY}/"
_TLS_HELLO: Final = b"\x16"
_WAIT_FOR_SINK: Final = 60.0
_MAX_CONNECTIONS: Final = 64  # an engine opens a handful
_STRANGER_TIMEOUT: Final = 10  # seconds of silence of a connection that has not shown the secret
_TIMEOUT: Final = 600
_LENGTH: Final = re.compile(r"[0-9]{1,15}", re.ASCII)


class PushEndpoint:
    """The endpoint, listening from the start. What is pushed goes to the images that are attached; bodies wait for that."""

    def __init__(self) -> None:
        self.password = secrets.token_urlsafe(32)
        self.asked = threading.Event()  # somebody with the secret asked something
        self.accepted = threading.Event()  # a first blob or manifest was received, or found to be known
        self.failure: Exception | None = None
        self._attached = threading.Event()
        self._images: PushedImages | None = None
        self._surveyed: SurveyedImages | None = None
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.endpoint = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="push-endpoint", daemon=True)
        self._thread.start()

    @property
    def listener(self) -> Any:
        """The listening socket."""
        return self._server.socket

    @property
    def repository(self) -> str:
        """The repository to push to, with host and port."""
        return f"127.0.0.1:{self._server.server_address[1]}/{REPOSITORY}"

    def attach(self, images: PushedImages) -> None:
        """Let what is pushed go to ``images``."""
        self._images = images
        self._attached.set()

    @contextmanager
    def surveying(self, surveyed: SurveyedImages) -> Iterator[None]:
        """Let what is pushed meanwhile go to ``surveyed``; nobody need be attached for it, and it does not count as accepted."""
        self._surveyed = surveyed
        try:
            yield
        finally:
            self._surveyed = None

    def close(self) -> None:
        """Stop; requests that are under way end with their connections."""
        self._server.shutdown()
        self._server.server_close()
        self._server.cut()
        self._thread.join()

    def receiver(self) -> PushedImages | SurveyedImages:
        if self._surveyed is not None:
            return self._surveyed
        if not self._attached.wait(_WAIT_FOR_SINK) or self._images is None:
            raise InvalidInputError("nobody takes what is pushed")
        return self._images

    def note_accepted(self) -> None:
        if self._surveyed is None:
            self.accepted.set()

    def note_failure(self, error: Exception) -> None:
        if self._surveyed is None:
            self.failure = self.failure or error

    def is_authorised(self, header: str | None) -> bool:
        expected = base64.b64encode(f"{USER}:{self.password}".encode()).decode()
        return hmac.compare_digest((header or "").encode(), f"Basic {expected}".encode())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128  # with the default of 5, strangers fill it and the engine waits for seconds
    endpoint: PushEndpoint

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._lock = threading.Lock()
        self._connections: dict[Any, bool] = {}  # oldest first; whether each has shown the secret

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            stranger: Any = None
            if len(self._connections) >= _MAX_CONNECTIONS:
                stranger = next((other for other, is_known in self._connections.items() if not is_known), request)
                self._connections.pop(stranger, None)
            if stranger is not request:
                self._connections[request] = False
        if stranger is not None:
            with suppress(OSError):
                stranger.shutdown(2)
        if stranger is request:
            super().shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.pop(request, None)
        super().shutdown_request(request)

    def trust(self, request: Any) -> None:
        """Note that a connection has shown the secret: it is not closed in favour of a newer one, and may be silent for longer."""
        with self._lock:
            if request in self._connections:
                self._connections[request] = True
        request.settimeout(_TIMEOUT)

    def cut(self) -> None:
        """Close all connections, so that no handler reads on."""
        with self._lock:
            requests = list(self._connections)
        for request in requests:
            with suppress(OSError):
                request.shutdown(2)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore the error: a client that goes away is not a failure of the endpoint."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    rbufsize = MIB
    timeout = _STRANGER_TIMEOUT

    def handle(self) -> None:
        if self.connection.recv(1, 2) == _TLS_HELLO:  # MSG_PEEK: engines try TLS first
            self.wfile.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            return
        super().handle()

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_HEAD(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._start_upload)

    def do_PUT(self) -> None:
        self._answer(self._put)

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def _answer(self, action: Any) -> None:
        endpoint = self.server.endpoint
        if not endpoint.is_authorised(self.headers.get("Authorization")):
            self.close_connection = True  # a body that follows is not read
            self._send(401, {"WWW-Authenticate": 'Basic realm="dcat"'}, _error("UNAUTHORIZED", "a secret is needed"))
            return
        self.server.trust(self.connection)
        endpoint.asked.set()
        try:
            action(urlsplit(self.path))
        except InvalidDigestError as error:
            self.close_connection = True
            self._send(400, {}, _error("DIGEST_INVALID", error.message))
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception as error:  # it is raised where the publish waits
            endpoint.note_failure(error)
            self.close_connection = True
            message = error.message if isinstance(error, DcatError) else "the image cannot be taken"
            with suppress(OSError):
                self._send(403, {}, _error("DENIED", message))

    def _get(self, url: Any) -> None:
        if url.path in ("/v2/", "/v2"):
            self._send(200, {})
        elif url.path.startswith(f"{_API}blobs/sha256:"):
            digest = Digest.parse(url.path.rpartition("/")[2])
            media_type = self.headers.get("Accept", "").partition(",")[0].strip()
            if self.server.endpoint.receiver().has_blob(digest, media_type):
                self.server.endpoint.note_accepted()
                self._send(200, {"Docker-Content-Digest": str(digest)})
            else:
                self._send(404, {}, _error("BLOB_UNKNOWN", "not here"))
        else:
            self._send(404, {}, _error("MANIFEST_UNKNOWN", "not here"))

    def _start_upload(self, url: Any) -> None:
        if not url.path.startswith(f"{_API}blobs/uploads/"):
            self._send(404, {}, _error("NAME_UNKNOWN", "only one repository is here"))
            return
        self._read_all(self._length())
        name = secrets.token_hex(16)
        self._send(202, {"Location": f"{_API}blobs/uploads/{name}", "Docker-Upload-UUID": name, "Range": "0-0"})

    def _put(self, url: Any) -> None:
        size = self._length()
        receiver = self.server.endpoint.receiver()
        if url.path.startswith(f"{_API}blobs/uploads/"):
            digest = Digest.parse(parse_qs(url.query).get("digest", [""])[0])
            receiver.add_blob(digest, size, self._pieces(size))
            self.server.endpoint.note_accepted()
            self._send(201, {"Location": f"{_API}blobs/{digest}", "Docker-Content-Digest": str(digest)})
        elif url.path.startswith(f"{_API}manifests/"):
            reference = url.path.rpartition("/")[2]
            media_type = self.headers.get("Content-Type", "")
            digest = receiver.add_manifest(self._read_all(size), media_type, tagged=":" not in reference)
            if ":" in reference and reference != str(digest):
                raise InvalidDigestError(f"a manifest does not match {reference}", why=f"it has {digest}")
            self.server.endpoint.note_accepted()
            self._send(201, {"Location": f"{_API}manifests/{digest}", "Docker-Content-Digest": str(digest)})
        else:
            self._send(404, {}, _error("NAME_UNKNOWN", "only one repository is here"))

    def _length(self) -> int:
        """Return the stated length of the body; raise `InvalidInputError` where it is not stated in one way only."""
        stated = self.headers.get_all("Content-Length", ["0"])
        if len(stated) != 1 or not _LENGTH.fullmatch(stated[0]) or "Transfer-Encoding" in self.headers:
            raise InvalidInputError("an upload states no length")
        return int(stated[0])

    def _read_all(self, size: int) -> bytes:
        if size > MAX_JSON_SIZE:
            raise InvalidInputError("a manifest is too large")
        data = self.rfile.read(size)
        if len(data) < size:
            raise ConnectionError("the body is cut short")
        return data

    def _pieces(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self.rfile.read(min(size, MIB))
            if not piece:
                raise ConnectionError("the body is cut short")
            size -= len(piece)
            yield piece

    def _send(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response_only(status)
        for name, value in {"Docker-Distribution-API-Version": "registry/2.0", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        if body:
            self.send_header("Content-Type", "application/json")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if body and self.command != "HEAD":
            self.wfile.write(body)


def _error(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()
