"""``/ipfs/<cid>[/path]``: a trustless gateway over what this home holds, UnixFS files as they are, and lists of directories.

``?format=raw`` returns one block, ``?format=car`` blocks in a CARv1; without a format the bytes of a file are returned, so that any
published archive can be fetched with curl alone, and the list of a directory. What this home lacks is 404 at once: nothing is
fetched for a client. Every block is compared with its CID when it is read for an answer; one that does not match counts as absent,
and is counted. A CAR that cannot be completed ends without its final chunk.
Source: ipfs/specs, trustless-gateway.md, path-gateway.md; Kubo's gateway for headers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from urllib.parse import unquote_to_bytes

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from catalog.errors import BlockMismatchError, BlockNotFoundError, CidError, CodecError
from catalog.image.encoder import ZSTD_MAGIC
from catalog.ipld.car import encode_car, encode_header
from catalog.ipld.cid import EMPTY_IDENTITY_TEXT, RAW, Cid, decode_multibase, parse_cid
from catalog.limits import KIB
from catalog.server.counters import Counters
from catalog.server.gateway.listing import write_listing
from catalog.server.gateway.negotiation import CarQuery, Form, UnsupportedError, negotiate, parse_car_query
from catalog.server.gateway.selection import PathNotFoundError, Target, follow, select
from catalog.server.response.answers import refuse, unchanged
from catalog.server.response.headers import content_headers, is_unchanged, parse_range, tag
from catalog.server.response.streaming import StreamedResponse, Workers
from catalog.server.site.site import Site
from catalog.sources.protocol import RAW_TYPE
from catalog.unixfs.directory import is_directory
from catalog.unixfs.file import decode_file_node
from catalog.unixfs.file_reader import read_file, read_file_batches

_READ_AHEAD = 256 * KIB  # of each stream, also while its client does not read
_MAX_INLINE = 128
_LISTED = {"cache-control": "public, max-age=604800", "content-disposition": "inline"}  # how lists are written may change
# {"roots": [bafkqaaa], "version": 1}, the only root that is not a block
_PROBE_CAR = bytes.fromhex("19a265726f6f747381d82a4500015500006776657273696f6e01")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for: a path below a root, in a form. ``lifetime`` replaces the headers that say how long it is valid."""

    request: Request
    root: Cid
    path: Sequence[str]
    form: Form
    lifetime: dict[str, str] = field(default_factory=dict)

    def headers(self, content_type: str, filename: str, etag: str, cids: Sequence[Cid]) -> dict[str, str]:
        """Return the headers of content; ``cids`` are those that the path passes."""
        name = self.request.query_params.get("filename") or filename
        return content_headers(content_type, name, etag) | _path_headers(self.request, cids, self.form) | self.lifetime


@dataclass(frozen=True, slots=True)
class _File:
    """A file that was found."""

    cid: Cid
    size: int
    is_zstd: bool


class Gateway:
    """The handler of ``/ipfs``, and of what a name leads to."""

    def __init__(self, site: Site, workers: Workers, counters: Counters) -> None:
        self._site = site
        self._workers = workers
        self._counters = counters

    def routes(self) -> list[Route]:
        return [Route("/ipfs/{path:path}", self.answer, methods=["GET"])]

    async def answer(self, request: Request) -> Response:
        first, path = split_path(request, "/ipfs/")
        try:
            form = negotiate(request.query_params, request.headers.get("accept", ""))
            if form.format == "ipns-record":
                raise UnsupportedError(400, "records are under /ipns/")
            inline = _parse_inline(first)
            if inline is not None:
                return _answer_inline(first, inline, form, parse_car_query(request.query_params, form.parameters))
            root = parse_cid(first)
        except UnsupportedError as error:
            return refuse(error.status, error.why)
        except CidError:
            return refuse(400, "the path has no supported CID (CIDv0, or CIDv1 with sha2-256)")
        return await self.send(request, root, path, form)

    async def send(self, request: Request, root: Cid, path: bytes, form: Form, lifetime: dict[str, str] | None = None) -> Response:
        """Return what ``path`` (as it was sent) leads to from ``root``, in the form that was asked for."""
        try:
            parts = [unquote_to_bytes(part).decode() for part in path.split(b"/") if part]
            asked = Asked(request, root, parts, form, lifetime or {})
            if form.format == "raw":
                if parts:
                    raise UnsupportedError(400, "a block has no path: ask for the block by its CID")
                return await self._send_raw(asked)
            if form.format == "car":
                return await self._send_car(asked, parse_car_query(request.query_params, form.parameters))
            return await self._send_file_or_list(asked)
        except UnsupportedError as error:
            return refuse(error.status, error.why)
        except UnicodeDecodeError:
            return refuse(400, "the path is not UTF-8")
        except PathNotFoundError:
            return refuse(404, "the path leads nowhere")
        except BlockNotFoundError:
            return self._not_held(request)
        except BlockMismatchError:
            self._counters.add("corrupt_blocks_total")
            return self._not_held(request)

    def _not_held(self, request: Request) -> Response:
        if "only-if-cached" in request.headers.get("cache-control", ""):
            return refuse(412, "not held here")
        return refuse(404, "not held here")

    async def _send_raw(self, asked: Asked) -> Response:
        cid = asked.root
        etag = f'"{cid}.raw"'
        headers = asked.headers(RAW_TYPE, f"{cid}.bin", etag, (cid,))
        data = await self._workers.run(self._site.blocks.get, cid)
        if is_unchanged(asked.request.headers, etag):
            return unchanged(headers)
        return _respond_part(asked.request, headers, data, etag)

    async def _send_car(self, asked: Asked, query: CarQuery) -> Response:
        root = asked.root
        target = await self._workers.run(self._find, root, asked.path)
        etag = tag(str(root), *asked.path, "car", query.format(), weak=True)
        name = "_".join((str(root), *asked.path[-1:]))
        headers = asked.headers(query.content_type, f"{name}.car", etag, (root, *target.path, target.cid))
        headers["accept-ranges"] = "none"
        if is_unchanged(asked.request.headers, etag):
            return unchanged(headers)
        blocks = select(target, self._site.blocks, query.scope, query.byte_range, query.duplicates)
        return StreamedResponse(self._workers, encode_car([root], blocks), 200, headers)

    async def _send_file_or_list(self, asked: Asked) -> Response:
        try:
            found = await self._workers.run(self._find_file, asked.root, asked.path)
            return self._send_file(asked, found) if isinstance(found, _File) else await self._send_list(asked, found)
        except CodecError:
            return refuse(400, "neither a file nor a directory: ask with format=raw or format=car")

    def _send_file(self, asked: Asked, file: _File) -> Response:
        if not asked.form.file:
            raise UnsupportedError(406, "a file is sent as application/octet-stream or application/zstd")
        etag = f'"{file.cid}"'
        name = asked.path[-1] if asked.path else f"{asked.root}{'.tar.zst' if file.is_zstd else ''}"
        content_type = "application/zstd" if file.is_zstd else "application/octet-stream"
        headers = asked.headers(content_type, name, etag, (asked.root, file.cid)) | {"accept-ranges": "bytes"}
        if is_unchanged(asked.request.headers, etag):
            return unchanged(headers)
        part = parse_range(asked.request.headers, file.size, etag)
        start, stop = part or (0, file.size)
        if part is not None:
            if start == stop:
                return refuse(416, "outside the file", {"content-range": f"bytes */{file.size}"})
            headers["content-range"] = f"bytes {start}-{stop - 1}/{file.size}"
        headers["content-length"] = str(stop - start)
        pieces = read_file_batches(file.cid, self._site.blocks, start=start, end=stop, read_ahead=_READ_AHEAD)
        return StreamedResponse(self._workers, pieces, 206 if part else 200, headers)

    async def _send_list(self, asked: Asked, directory: Cid) -> Response:
        listing = asked.form.listing
        if listing is None:
            raise UnsupportedError(406, "a directory is listed as text/plain or application/json")
        etag = tag(str(directory), listing, weak=True)
        headers = asked.headers(listing, "", etag, (asked.root, directory)) | _LISTED | asked.lifetime
        headers["accept-ranges"] = "none"
        if is_unchanged(asked.request.headers, etag):
            return unchanged(headers)
        pieces = write_listing(directory, self._site.blocks, listing)
        first = await self._workers.run(next, pieces, b"")  # a directory that contradicts itself at once is refused
        return StreamedResponse(self._workers, chain((first,), pieces), 200, headers)

    def _find(self, root: Cid, path: Sequence[str]) -> Target:
        """Resolve a path; raise `BlockNotFoundError` where its target is not here."""
        target = follow(root, path, self._site.blocks)
        if not self._site.blocks.has(target.cid):
            raise BlockNotFoundError(f"block {target.cid} is not here")
        return target

    def _find_file(self, root: Cid, path: Sequence[str]) -> _File | Cid:
        """Return the file or the CID of the directory that a path leads to; raise `CodecError` for anything else."""
        cid = self._find(root, path).cid
        data = self._site.blocks.get(cid)
        if is_directory(cid, data):
            return cid
        size = decode_file_node(cid, data).file_size
        beginning = b"".join(read_file(cid, self._site.blocks, end=len(ZSTD_MAGIC)))
        return _File(cid, size, beginning == ZSTD_MAGIC)


def split_path(request: Request, prefix: str) -> tuple[str, bytes]:
    """Return the part of the path behind ``prefix`` and what follows it, as they were sent."""
    first, _, rest = request.scope["raw_path"].removeprefix(prefix.encode()).partition(b"/")
    return first.decode("ascii"), rest


def _respond_part(request: Request, headers: dict[str, str], data: bytes, etag: str) -> Response:
    part = parse_range(request.headers, len(data), etag)
    if part is None or part[0] == part[1]:
        return Response(data, headers=headers)
    start, stop = part
    headers["content-range"] = f"bytes {start}-{stop - 1}/{len(data)}"
    return Response(data[start:stop], 206, headers)


def _path_headers(request: Request, cids: Sequence[Cid], form: Form) -> dict[str, str]:
    """Return the requested path and the CIDs that it passes; where Accept chose a format, also the URL that names it."""
    raw_path = request.scope["raw_path"].decode("ascii")
    headers = {"x-ipfs-path": raw_path, "x-ipfs-roots": ",".join(dict.fromkeys(map(str, cids))), "vary": "Accept"}
    if form.by_accept and form.format != "file":
        headers["content-location"] = f"{raw_path}?format={form.format}"
    return headers


def _parse_inline(text: str) -> bytes | None:
    """Return the content of an identity CID, None for any other text."""
    try:
        binary = decode_multibase(text)
    except CidError:
        return None
    is_inline = len(binary) >= 4 and binary[:3] == bytes((1, RAW, 0)) and binary[3] == len(binary) - 4
    return binary[4:] if is_inline and binary[3] <= _MAX_INLINE else None


def _answer_inline(text: str, content: bytes, form: Form, query: CarQuery) -> Response:
    """Answer for an identity CID: clients probe gateways with the empty one; a CAR never holds such a block."""
    etag = tag(text, form.format)
    if form.format == "car":
        body = _PROBE_CAR if text == EMPTY_IDENTITY_TEXT else encode_header([])
        return Response(body, headers=content_headers(query.content_type, f"{text}.car", etag) | {"accept-ranges": "none"})
    if content:
        raise UnsupportedError(400, "identity CIDs are not served, except for the empty one")
    return Response(b"", headers=content_headers(RAW_TYPE, f"{text}.bin", etag))
