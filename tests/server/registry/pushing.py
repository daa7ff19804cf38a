"""A served home that takes pushes, and a client that pushes as engines do, request by request."""

import contextlib
import gzip
import hashlib
import http.client
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from catalog.blockstores.writing import FrameStore
from catalog.home.home import Home, open_home
from catalog.intake.inbox import Inbox
from catalog.limits import DEFAULT_MAX_IMAGE_SIZE
from catalog.own.moving import open_held
from catalog.server.publishing import Publisher
from catalog.server.settings import ServerSettings
from catalog.server.site.opening import open_site
from catalog.sources.network import NO_NETWORK, Network
from tests.factory.images import SampleImage
from tests.factory.platforms import HOST
from tests.factory.times import NOW
from tests.server.serving import running

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


class Reply(NamedTuple):
    """An answer; ``message`` is what a tool shows of an error."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> str:
        return str(json.loads(self.body)["errors"][0]["message"])

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["errors"][0]["code"])


@dataclass
class Pusher:
    """A client on one connection; ``login`` is the value of its Authorization header.

    It waits ``patience`` seconds for a server that reads nothing, as it does while it reads other layers.
    """

    port: int
    login: str = ""
    patience: float = 60
    connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.patience)

    def ask(self, method: str, path: str, body: bytes | Iterator[bytes] | None = None, **headers: str) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.login:
            sent["authorization"] = self.login
        try:
            self.connection.request(method, path, body, sent, encode_chunked=not isinstance(body, bytes | None))
            answer = self.connection.getresponse()
            return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        except ConnectionError:
            self.connection.close()
            raise

    def put_blob(self, name: str, data: bytes, *, parts: int = 0) -> str:
        """Push a blob unless it is there: in one PUT, or in ``parts`` PATCHes and an empty PUT."""
        digest = digest_of(data)
        if self.ask("HEAD", f"/v2/{name}/blobs/{digest}").status == 200:
            return digest
        begun = self.ask("POST", f"/v2/{name}/blobs/uploads/")
        assert begun.status == 202, begun
        place = begun.headers["location"]
        rest = data
        if parts:
            size = -(-len(data) // parts)
            for start in range(0, len(data), size):
                part = data[start : start + size]
                done = self.ask("PATCH", place, iter([part]), transfer_encoding="chunked")
                assert (done.status, done.headers["range"]) == (202, f"0-{start + len(part) - 1}")
            rest = b""
        done = self.ask("PUT", f"{place}{'&' if '?' in place else '?'}digest={digest}", rest)
        assert done.status == 201, done
        assert done.headers["docker-content-digest"] == digest
        return digest

    def put_manifest(self, name: str, reference: str, data: bytes, kind: str = MANIFEST) -> Reply:
        return self.ask("PUT", f"/v2/{name}/manifests/{reference}", data, content_type=kind)

    def push(self, name: str, tag: str, image: SampleImage, *, pack: str = "gzip", parts: int = 0) -> Reply:
        """Push a whole image, and return the answer to its manifest."""
        blobs = [gzip.compress(layer, mtime=0) if pack == "gzip" else layer for layer in image.layers]
        for blob in (*dict.fromkeys(blobs), image.config):
            self.put_blob(name, blob, parts=parts)
        return self.put_manifest(name, tag, manifest_of(image.config, blobs, pack))


def manifest_of(config: bytes, blobs: Sequence[bytes], pack: str = "gzip") -> bytes:
    kind = LAYER + ("+gzip" if pack == "gzip" else "")
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": digest_of(config), "size": len(config)},
        "layers": [{"mediaType": kind, "digest": digest_of(blob), "size": len(blob)} for blob in blobs],
    }
    return json.dumps(document).encode()


def index_of(manifests: Sequence[tuple[bytes, dict[str, str]]], attested: Mapping[str, str] | None = None) -> bytes:
    """Return an index; ``attested`` are the digests of attestations, with those of the manifests that they are about."""
    entries: list[dict[str, object]] = [
        {"mediaType": MANIFEST, "digest": digest_of(data), "size": len(data), "platform": platform} for data, platform in manifests
    ]
    for entry in entries:
        if (about := (attested or {}).get(str(entry["digest"]))) is not None:
            kind = "attestation-manifest"
            entry["annotations"] = {"vnd.docker.reference.type": kind, "vnd.docker.reference.digest": about}
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass
class PushServer:
    """A served home that takes pushes, at ``path``; what it logged, and its inbox."""

    port: int
    path: Path
    inbox: Inbox
    publisher: Publisher
    log: list[str]
    told: list[str]
    connections: contextlib.ExitStack

    def connect(self, login: str = "") -> Pusher:
        """Return a new client, whose connection is closed when the server ends."""
        client = Pusher(self.port, login)
        self.connections.callback(client.connection.close)
        return client

    def open(self) -> Home:
        return open_home(self.path, now=NOW)


@contextlib.contextmanager
def serving_pushes(
    path: Path, settings: ServerSettings | None = None, *, max_size: int = DEFAULT_MAX_IMAGE_SIZE
) -> Iterator[PushServer]:
    """Serve the home at ``path`` until the block ends; images up to ``max_size`` are taken."""
    told: list[str] = []

    def open_it() -> Home:
        return open_home(path, now=NOW)

    @contextlib.contextmanager
    def open_session() -> Iterator[tuple[Home, FrameStore]]:
        with open_it() as home:
            yield home, open_held(home, NO_NETWORK)

    @contextlib.contextmanager
    def open_network(_: Home) -> Iterator[Network]:
        yield NO_NETWORK

    with open_it() as home:
        inbox = Inbox(open_session, home.blocks, max_size=max_size)
        publisher = Publisher(inbox, open_it, open_network, lambda text, error: told.append(f"{text} {error or ''}"), HOST)
        site = open_site(home, lambda: NOW, publisher=publisher)
        try:
            with running(site, settings or ServerSettings(port=0, push=True)) as (server, log), contextlib.ExitStack() as stack:
                yield PushServer(server.port, path, inbox, publisher, log, told, stack)
        finally:
            publisher.close()
