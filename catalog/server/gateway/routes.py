"""``/ipfs/<cid>[/path]``: a trustless gateway over what this home holds, and UnixFS files as they are.

``?format=raw`` returns one block, ``?format=car`` blocks in a CARv1; without a format the bytes of a file are returned, so that any
published archive can be fetched with curl alone. What this home lacks is 404 at once: nothing is fetched for a client. Every block
is compared with its CID when it is read for an answer; one that does not match counts as absent, and is counted. A CAR that cannot
be completed ends without its final chunk.
Source: ipfs/specs, trustless-gateway.md, path-gateway.md; Kubo's gateway for headers.
"""

from dataclasses import dataclass
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
from catalog.server.gateway.negotiation import CarQuery, Form, UnsupportedError, negotiate, parse_car_query
from catalog.server.gateway.selection import PathNotFoundError, Target, follow, select
from catalog.server.response.answers import refuse, unchanged
from catalog.server.response.headers import content_headers, is_unchanged, parse_range, tag
from catalog.server.response.streaming import StreamedResponse, Workers
from catalog.server.site.site import Site
from catalog.sources.protocol import RAW_TYPE
from catalog.unixfs.file import decode_file_node, read_file

_READ_AHEAD = 256 * KIB  # of each stream, also while its client does not read
_MAX_INLINE = 128
# {"roots": [bafkqaaa], "version": 1}, the only root that is not a block
_PROBE_CAR = bytes.fromhex("19a265726f6f747381d82a4500015500006776657273696f6e01")


@dataclass(frozen=True, slots=True)
class _File:
    """A file that was found."""

    cid: Cid
    size: int
    is_zstd: bool


class Gateway:
    """The handler of ``/ipfs``."""

    def __init__(self, site: Site, workers: Workers, counters: Counters) -> None:
        self._site = site
        self._workers = workers
        self._counters = counters

    def routes(self) -> list[Route]:
        return [Route("/ipfs/{path:path}", self.answer, methods=["GET"])]

    async def answer(self, request: Request) -> Response:
        first, *rest = request.scope["raw_path"].decode("ascii").removeprefix("/ipfs/").split("/")
        try:
            path = [unquote_to_bytes(part).decode() for part in rest if part]
            form = negotiate(request.query_params, request.headers.get("accept", ""))
            if form.format == "ipns-record":
                raise UnsupportedError(400, "records are under /ipns/")
            inline = _parse_inline(first)
            if inline is not None:
                return _answer_inline(first, inline, form, parse_car_query(request.query_params, form.parameters))
            root = parse_cid(first)
            if form.format == "raw":
                if path:
                    raise UnsupportedError(400, "a block has no path: ask for the block by its CID")
                return await self._answer_raw(request, root, form)
            if form.format == "car":
                query = parse_car_query(request.query_params, form.parameters)
                return await self._answer_car(request, root, path, form, query)
            return await self._answer_file(request, root, path)
        except UnsupportedError as error:
            return refuse(error.status, error.why)
        except (CidError, UnicodeDecodeError):
            return refuse(400, "the path has no supported CID (CIDv0, or CIDv1 with sha2-256)")
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

    async def _answer_raw(self, request: Request, cid: Cid, form: Form) -> Response:
        etag = f'"{cid}.raw"'
        headers = content_headers(RAW_TYPE, request.query_params.get("filename") or f"{cid}.bin", etag)
        headers |= _path_headers(request, (cid,), form)
        data = await self._workers.run(self._site.blocks.get, cid)
        if is_unchanged(request.headers, etag):
            return unchanged(headers)
        return _respond_part(request, headers, data, etag)

    async def _answer_car(self, request: Request, root: Cid, path: list[str], form: Form, query: CarQuery) -> Response:
        target = await self._workers.run(self._find, root, path)
        etag = tag(str(root), *path, "car", query.format(), weak=True)
        name = "_".join((str(root), *path[-1:]))
        headers = content_headers(query.content_type, request.query_params.get("filename") or f"{name}.car", etag)
        headers |= {"accept-ranges": "none", **_path_headers(request, (root, *target.path, target.cid), form)}
        if is_unchanged(request.headers, etag):
            return unchanged(headers)
        blocks = select(target, self._site.blocks, query.scope, query.byte_range, query.duplicates)
        return StreamedResponse(self._workers, encode_car([root], blocks), 200, headers)

    async def _answer_file(self, request: Request, root: Cid, path: list[str]) -> Response:
        try:
            file = await self._workers.run(self._find_file, root, path)
        except CodecError:
            return refuse(400, "not a file: ask with format=raw or format=car")
        etag = f'"{file.cid}"'
        name = request.query_params.get("filename") or (path[-1] if path else f"{root}{'.tar.zst' if file.is_zstd else ''}")
        headers = content_headers("application/zstd" if file.is_zstd else "application/octet-stream", name, etag)
        headers |= {"accept-ranges": "bytes", **_path_headers(request, (root, file.cid))}
        if is_unchanged(request.headers, etag):
            return unchanged(headers)
        part = parse_range(request.headers, file.size, etag)
        start, stop = part or (0, file.size)
        if part is not None:
            if start == stop:
                return refuse(416, "outside the file", {"content-range": f"bytes */{file.size}"})
            headers["content-range"] = f"bytes {start}-{stop - 1}/{file.size}"
        headers["content-length"] = str(stop - start)
        pieces = read_file(file.cid, self._site.blocks, start=start, end=stop, read_ahead=_READ_AHEAD)
        return StreamedResponse(self._workers, pieces, 206 if part else 200, headers)

    def _find(self, root: Cid, path: list[str]) -> Target:
        """Resolve a path; raise `BlockNotFoundError` where its target is not here."""
        target = follow(root, path, self._site.blocks)
        if not self._site.blocks.has(target.cid):
            raise BlockNotFoundError(f"block {target.cid} is not here")
        return target

    def _find_file(self, root: Cid, path: list[str]) -> _File:
        cid = self._find(root, path).cid
        size = decode_file_node(cid, self._site.blocks.get(cid)).file_size
        beginning = b"".join(read_file(cid, self._site.blocks, end=len(ZSTD_MAGIC)))
        return _File(cid, size, beginning == ZSTD_MAGIC)


def _respond_part(request: Request, headers: dict[str, str], data: bytes, etag: str) -> Response:
    part = parse_range(request.headers, len(data), etag)
    if part is None or part[0] == part[1]:
        return Response(data, headers=headers)
    start, stop = part
    headers["content-range"] = f"bytes {start}-{stop - 1}/{len(data)}"
    return Response(data[start:stop], 206, headers)


def _path_headers(request: Request, cids: tuple[Cid, ...], form: Form | None = None) -> dict[str, str]:
    """Return the requested path and the CIDs that it passes; where Accept chose the form, also the URL that names it."""
    raw_path = request.scope["raw_path"].decode("ascii")
    headers = {"x-ipfs-path": raw_path, "x-ipfs-roots": ",".join(dict.fromkeys(map(str, cids))), "vary": "Accept"}
    if form is not None and form.by_accept:
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
