"""Whether a static catalogue at a URL works, and for which clients: asked for as they would ask."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Literal

from catalog.blockstores.memory import MemoryBlockstore
from catalog.clients.http import HttpClient
from catalog.clients.url import split_url
from catalog.errors import DcatError, RecordExpiredError, UnavailableError
from catalog.image.canonical import INDEX_TYPE, MANIFEST_TYPE
from catalog.ipld.cid import Cid
from catalog.ipns.name import IpnsName, parse_ipns_name
from catalog.ipns.record import Record, check_record, validate_record
from catalog.model.release import IMAGE_FORMAT, Release
from catalog.snapshot.reader import open_snapshot
from catalog.sources.http import HttpBlockSource
from catalog.sources.http_records import HttpRouting
from catalog.sources.store import FetchingBlockstore
from catalog.static.layout import SCHEMA, STATIC_PATH, blob_path, is_pullable, manifest_path, outline_path
from catalog.static.outline import Outline, read_outline

ENGINES = "docker 23 and newer, podman, containerd, skopeo and crane"
_LOOKED_AT = 64  # releases, until one with an image is found
_ANY = (200, 206, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 406, 410, 416, 500, 501, 502, 503)
_TYPES_HINT = (
    "settings/ in the folder holds examples for nginx, Caddy and S3, _headers the types for Netlify and Cloudflare Pages, and says"
    " what has no room there; GitHub Pages cannot be told types"
)
_LOCAL = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class HostFinding:
    """The result of one check; ``error`` is the reason of a failure."""

    subject: str
    state: Literal["ok", "note", "failed"]
    text: str
    hint: str = ""
    error: DcatError | None = None


def check_host(client: HttpClient, now: datetime) -> Iterator[HostFinding]:
    """Yield what was found at a URL; what a later check needs of an earlier one ends the checks where it is missing."""
    try:
        name = _read_name(client)
        yield HostFinding("static", "ok", f"a catalogue of plain files, {name}")
        record = _read_record(client, name)
        try:
            validate_record(name, record.encoded, now)
            yield HostFinding("record", "ok", f"sequence {record.sequence}, signed by that name")
        except RecordExpiredError as error:
            yield HostFinding("record", "failed", error.message, "sync and export again", error)
        releases = _read_index(client, record)
        yield HostFinding("index", "ok", f"the snapshot {record.snapshot_cid} can be read")
        if not releases:
            yield HostFinding("images", "note", "the catalogue has no image yet: nothing more can be tried")
            return
        outline = _read_outline(client, next(iter(releases[0].images.values())).archive)
    except DcatError as error:
        hint = error.hint or "copy the whole folder, and let the host serve files that have no ending"
        if not error.hint and "cannot be reached" in error.message:
            hint = "start the web server, or correct the URL"
        yield HostFinding("dcat", "failed", error.message, hint, error)
        return
    yield from _check_ranges(client, outline)
    yield HostFinding("dcat", "ok", "can follow this catalogue and pull from it")
    yield from _check_registry(client, releases)


def _read_name(client: HttpClient) -> IpnsName:
    with client.open("GET", f"/{STATIC_PATH}", answers=(200,)) as response:
        data = response.read_all(4096)
    try:
        pointer = json.loads(data)
        if pointer["schema"] != SCHEMA:
            raise ValueError("another schema")
        return parse_ipns_name(pointer["name"])
    except (ValueError, KeyError, TypeError) as error:
        raise UnavailableError(
            f"{client.url} is not a static catalogue", why=f"{STATIC_PATH} is something else", hint="export --static writes one"
        ) from error


def _read_record(client: HttpClient, name: IpnsName) -> Record:
    encoded = HttpRouting(client).get(name)
    if encoded is None:
        raise UnavailableError(f"{client.url} has no record of its catalogue", why="the file is not there, or not served as one")
    return check_record(name, encoded)


def _read_index(client: HttpClient, record: Record) -> list[Release]:
    """Return the first release with one image of a known format, and the first with several."""
    source = HttpBlockSource(client)
    found: dict[bool, Release] = {}
    try:
        store = FetchingBlockstore(MemoryBlockstore(), [source], timeouts=client.timeouts)
        store.expect([record.snapshot_cid])
        for release in islice(open_snapshot(record.snapshot_cid, store).read(), _LOOKED_AT):
            known = sum(image.format == IMAGE_FORMAT for image in release.images.values())
            if known and release.removed is None and is_pullable(release.name):
                found.setdefault(known > 1, release)
            if len(found) == 2:
                break
    finally:
        source.close()
    return list(found.values())


def _read_outline(client: HttpClient, archive: Cid) -> Outline:
    with client.open("GET", f"/{outline_path(archive)}", answers=(200,)) as response:
        response.start_reading(1 << 20)
        return read_outline(archive, response)


def _check_ranges(client: HttpClient, outline: Outline) -> Iterator[HostFinding]:
    blob = max(outline.blobs, key=lambda blob: blob.size, default=None)
    if blob is None or blob.size < 2:
        return
    path = f"/{blob_path(outline.repository, blob.digest)}"
    with client.open("GET", path, byte_ranges=[(1, blob.size)], answers=_ANY) as response:
        stated = response.header("Content-Range")
        works = response.status == 206 and stated in (f"bytes 1-{blob.size - 1}/{blob.size}", f"bytes 1-{blob.size - 1}/*")
        status = response.status
    if works:
        yield HostFinding("ranges", "ok", "parts of files are given: an upgrade takes only what is new")
    elif status in (200, 206, 416):
        text = "parts of files are not given: dcat takes whole layers, and docker cannot go on after a cut"
        yield HostFinding("ranges", "note", text, "a host that answers Range with 206 saves most of an upgrade")
    else:
        error = UnavailableError(f"{client.name} does not serve its layers", why=f"{path} is answered with {status}")
        yield HostFinding("ranges", "failed", error.message, "copy the whole folder", error)


def _check_registry(client: HttpClient, releases: Sequence[Release]) -> Iterator[HostFinding]:
    """Yield whether engines can pull, or all that keeps them from it."""
    problems = [*_look_at_root(client), *(problem for release in releases for problem in _look_at_manifest(client, release))]
    for text, hint in problems:
        yield HostFinding("engines", "note", text, hint)
    if not problems:
        host = split_url(client.url).netloc
        tried = " and ".join(f"{host}/{release.name}:{release.version}" for release in releases)
        yield HostFinding("engines", "ok", f"{ENGINES} can pull, such as {tried}")


def _look_at_root(client: HttpClient) -> Iterator[tuple[str, str]]:
    parts = split_url(client.url)
    if parts.path.strip("/"):
        yield f"{ENGINES} cannot pull: a registry is at the root of a host", "serve the folder at the root of a host of its own"
    elif parts.scheme == "http" and parts.hostname not in _LOCAL:
        yield "docker and containerd want TLS from this host", "serve it by https, or name it an insecure registry in the engine"
    with client.open("GET", "/v2/", answers=_ANY) as response:
        if response.status != 200:
            yield f"{ENGINES} cannot pull: /v2/ is answered with {response.status}", "serve v2/index.html for /v2/"


def _look_at_manifest(client: HttpClient, release: Release) -> Iterator[tuple[str, str]]:
    path = manifest_path(release.name, release.version)
    with client.open("GET", f"/{path}", answers=_ANY) as response:
        status, given = response.status, response.media_type
        data = response.read_all(1 << 22) if status == 200 else b""
    if status != 200:
        yield f"{ENGINES} cannot pull: {path} is answered with {status}", "copy the whole folder"
        return
    wanted = INDEX_TYPE if b'"mediaType":"' + INDEX_TYPE.encode() in data.rpartition(b"]")[2] else MANIFEST_TYPE
    if given != wanted:
        engines = ENGINES.removesuffix(" and crane")
        what = "releases for several platforms" if wanted == INDEX_TYPE else "releases"
        yield f"{engines} cannot pull {what}: {path} is served as {given or 'no media type'}, not {wanted}", _TYPES_HINT
