"""``/ipfs/<cid>[/path]``: a trustless gateway over what this home holds, and UnixFS files as they are.

``?format=raw`` gives one block, ``?format=car`` blocks in a CARv1, no format the bytes of a file (so that any published archive can
be had with curl alone). What this home lacks is 404 at once: nothing is fetched for a caller. Every block was compared with its CID
when it was read for this answer; one that does not match is as if it were not there, and is counted. A CAR that cannot be completed
ends without its final chunk.
Source: ipfs/specs, trustless-gateway.md, path-gateway.md; facts of Kubo's gateway for headers.
"""

from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from catalog.errors import BlockMismatchError, BlockNotFoundError, CidError, CodecError
from catalog.ipld.car import encode_car, encode_header
from catalog.ipld.cid import EMPTY_IDENTITY_TEXT, RAW, Cid, decode_multibase, parse_cid
from catalog.limits import MIB
from catalog.server.answers import refuse, unchanged
from catalog.server.counters import Counters
from catalog.server.headers import content_headers, is_unchanged, parse_range, tag
from catalog.server.negotiation import RAW_TYPE, CarQuery, UnsupportedError, Wanted, negotiate, parse_car_query
from catalog.server.selection import PathNotFoundError, Place, follow, select
from catalog.server.site import Site
from catalog.server.streaming import StreamedResponse, Workers
from catalog.unixfs.file import decode_file_node, read_file

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_READ_AHEAD = MIB
_MAX_INLINE = 128
# {"roots": [bafkqaaa], "version": 1}, the one root that is no block
_PROBE_CAR = bytes.fromhex("19a265726f6f747381d82a4500015500006776657273696f6e01")


@dataclass(frozen=True, slots=True)
class _File:
    """A file that was found: its size, and whether it is zstd."""

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
            wanted = negotiate(request.query_params, request.headers.get("accept", ""))
            if wanted.format == "ipns-record":
                raise UnsupportedError(400, "records are found under /ipns/")
            inline = _parse_inline(first)
            if inline is not None:
                return _answer_inline(first, inline, wanted, parse_car_query(request.query_params, wanted.parameters))
            root = parse_cid(first)
            if wanted.format == "raw":
                if path:
                    raise UnsupportedError(400, "a block has no path: ask for its own CID")
                return await self._answer_raw(request, root, wanted)
            if wanted.format == "car":
                query = parse_car_query(request.query_params, wanted.parameters)
                return await self._answer_car(request, root, path, wanted, query)
            return await self._answer_file(request, root, path)
        except UnsupportedError as error:
            return refuse(error.status, error.why)
        except (CidError, UnicodeDecodeError):
            return refuse(400, "the path holds no CID that is served here (CIDv0, or CIDv1 with sha2-256)")
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

    async def _answer_raw(self, request: Request, cid: Cid, wanted: Wanted) -> Response:
        etag = f'"{cid}.raw"'
        headers = content_headers(RAW_TYPE, request.query_params.get("filename") or f"{cid}.bin", etag)
        headers |= _path_headers(request, (cid,), wanted)
        data = await self._workers.run(self._site.blocks.get, cid)
        if is_unchanged(request.headers, etag):
            return unchanged(headers)
        return _respond_part(request, headers, data, etag)

    async def _answer_car(self, request: Request, root: Cid, path: list[str], wanted: Wanted, query: CarQuery) -> Response:
        place = await self._workers.run(self._find, root, path)
        etag = tag(str(root), *path, "car", query.format(), weak=True)
        name = "_".join((str(root), *path[-1:]))
        headers = content_headers(query.content_type, request.query_params.get("filename") or f"{name}.car", etag)
        headers |= {"accept-ranges": "none", **_path_headers(request, (root, *place.path, place.cid), wanted)}
        if is_unchanged(request.headers, etag):
            return unchanged(headers)
        blocks = select(place, self._site.blocks, query.scope, query.byte_range, query.duplicates)
        return StreamedResponse(self._workers, encode_car([root], blocks), 200, headers)

    async def _answer_file(self, request: Request, root: Cid, path: list[str]) -> Response:
        try:
            file = await self._workers.run(self._find_file, root, path)
        except CodecError:
            return refuse(400, "no file: ask with format=raw or format=car")
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

    def _find(self, root: Cid, path: list[str]) -> Place:
        """Follow a path, and see that what it leads to is here."""
        place = follow(root, path, self._site.blocks)
        if not self._site.blocks.has(place.cid):
            raise BlockNotFoundError(f"block {place.cid} is not here")
        return place

    def _find_file(self, root: Cid, path: list[str]) -> _File:
        cid = self._find(root, path).cid
        size = decode_file_node(cid, self._site.blocks.get(cid)).file_size
        beginning = b"".join(read_file(cid, self._site.blocks, end=len(_ZSTD_MAGIC)))
        return _File(cid, size, beginning == _ZSTD_MAGIC)


def _respond_part(request: Request, headers: dict[str, str], data: bytes, etag: str) -> Response:
    part = parse_range(request.headers, len(data), etag)
    if part is None or part[0] == part[1]:
        return Response(data, headers=headers)
    start, stop = part
    headers["content-range"] = f"bytes {start}-{stop - 1}/{len(data)}"
    return Response(data[start:stop], 206, headers)


def _path_headers(request: Request, cids: tuple[Cid, ...], wanted: Wanted | None = None) -> dict[str, str]:
    """Give the path that was asked for and the CIDs it passes; where Accept chose the form, the URL that names it."""
    raw_path = request.scope["raw_path"].decode("ascii")
    headers = {"x-ipfs-path": raw_path, "x-ipfs-roots": ",".join(dict.fromkeys(map(str, cids))), "vary": "Accept"}
    if wanted is not None and wanted.by_accept:
        headers["content-location"] = f"{raw_path}?format={wanted.format}"
    return headers


def _parse_inline(text: str) -> bytes | None:
    """Give the content of an identity CID, None for any other text."""
    try:
        binary = decode_multibase(text)
    except CidError:
        return None
    is_inline = len(binary) >= 4 and binary[:3] == bytes((1, RAW, 0)) and binary[3] == len(binary) - 4
    return binary[4:] if is_inline and binary[3] <= _MAX_INLINE else None


def _answer_inline(text: str, content: bytes, wanted: Wanted, query: CarQuery) -> Response:
    """Answer for a CID that is its own content: with the empty one gateways are probed; a CAR never holds such a block."""
    etag = tag(text, wanted.format)
    if wanted.format == "car":
        body = _PROBE_CAR if text == EMPTY_IDENTITY_TEXT else encode_header([])
        return Response(body, headers=content_headers(query.content_type, f"{text}.car", etag) | {"accept-ranges": "none"})
    if content:
        raise UnsupportedError(400, "identity CIDs are not served, but for the empty one")
    return Response(b"", headers=content_headers(RAW_TYPE, f"{text}.bin", etag))
