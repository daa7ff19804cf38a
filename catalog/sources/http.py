"""Blocks over HTTP: a teammate's dcat server, or any trustless gateway.

A dcat server answers ``POST /dcat/v1/blocks`` (at most 1024 CIDs, one a line) with one CARv1 of those that it has, and makes deltas
(``GET /dcat/v1/delta/<base>/<target>``). A server that does not know this is asked as a trustless gateway:
``/ipfs/<cid>?format=raw`` for a block, ``?format=car`` for a whole DAG. Which of the two it is shows with the first request.
Whatever comes back is compared with its CID before it is given; what nobody asked for is counted, and ends it.
Sources: ipfs/specs, http-gateways/trustless-gateway.md; design.md sections 6 and 8.
"""

import contextlib
import threading
from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from catalog import limits
from catalog.clients.http import HttpClient
from catalog.clients.response import HttpResponse
from catalog.errors import BlockNotFoundError, CodecError, UnavailableError, UnwantedBlocksError
from catalog.ipld import dag_pb
from catalog.ipld.block import Block
from catalog.ipld.car import CarReader
from catalog.ipld.cid import DAG_PB, Cid, convert_to_v1, verify_block
from catalog.ipns.name import IpnsName
from catalog.limits import MAX_RECORD_SIZE
from catalog.sources.source import OfferedDelta

_CAR = "application/vnd.ipld.car"
_RAW = "application/vnd.ipld.raw"
_DELTA = "application/vnd.dcat.delta"
_CAR_OPTIONS = (
    "; version=1; order=dfs; dups=n",
    (("format", "car"), ("dag-scope", "all"), ("car-order", "dfs"), ("car-dups", "n")),
)
_NO_SUCH_REQUEST = (301, 302, 303, 400, 403, 404, 405, 410, 501)
_NOT_HERE = (404, 410, 451)
_BUSY = (429, 503)
_SECTION_OVERHEAD = 64


class HttpBlockSource:
    """One server. ``batch`` blocks are worth one request, ``lanes`` requests are worth having under way at once.

    ``eager`` says whether a further request is worth its price before a whole batch is wanted.
    """

    def __init__(self, client: HttpClient, *, name: str | None = None) -> None:
        self._client = client
        self.name = name or client.name
        self._is_dcat: bool | None = None
        self._gives_cars = True
        self._lock = threading.Lock()
        self._received = 0
        self._unwanted = 0

    @property
    def batch(self) -> int:
        return limits.MAX_BLOCKS_A_REQUEST if self._is_dcat else 16

    @property
    def lanes(self) -> int:
        return 1 if self._is_dcat is None else 4 if self._is_dcat else 8

    @property
    def eager(self) -> bool:
        return self._is_dcat is False

    @property
    def gives_dags(self) -> bool:
        """Whether `get_dag` is worth asking for: a server that takes lists of CIDs is better asked for these."""
        return self._is_dcat is False and self._gives_cars

    def get(self, cid: Cid) -> bytes:
        """Give the block, verified; raise `BlockNotFoundError` where the server lacks it."""
        for block in self.get_many([cid]):
            return block.data
        raise BlockNotFoundError(f"{self.name} does not have block {cid}")

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        """Give those that the server has, verified, as they come; one request after the other.

        Raises `UnwantedBlocksError` where the server floods, `CodecError` where its CAR is none, and what `HttpClient.open` raises.
        """
        pending = iter({convert_to_v1(cid): cid for cid in cids}.values())
        while batch := list(islice(pending, limits.MAX_BLOCKS_A_REQUEST)):
            if self._is_dcat is not False:
                yield from self._post(batch)
            if self._is_dcat is False:
                yield from self._get_each(batch)

    def get_dag(self, root: Cid) -> Iterator[Block]:
        """Give the blocks of the DAG as one CAR brings them: the root, then what is linked from blocks that came before.

        The end means nothing: who asked checks what is missing. A server without CARs gives nothing.
        """
        options, query = _CAR_OPTIONS
        path = f"/ipfs/{root}"
        with self._client.open(
            "GET", path, query=query, accept=_CAR + options, answers=(200, 400, 404, 406, 410, 451, 501)
        ) as response:
            if response.status != 200:
                self._gives_cars = self._gives_cars and response.status in _NOT_HERE
                return
            response.require_media_type(_CAR)
            expected = {convert_to_v1(root)}
            for block in self._read_car(response, limits.MAX_DAG_BLOCKS * limits.MAX_BLOCK_SIZE):
                key = convert_to_v1(block.cid)
                if key not in expected:
                    self._count_unwanted(block)
                    continue
                expected.discard(key)
                yield block
                if key.codec == DAG_PB:
                    with contextlib.suppress(CodecError):  # a node that is none ends the walk of whoever asked
                        expected.update(convert_to_v1(link.cid) for link in dag_pb.decode_node(block.data).links)

    def delta_bases(self, target: Cid) -> None:
        """A server makes deltas from whatever it holds."""

    @contextlib.contextmanager
    def open_delta(self, base: Cid, target: Cid) -> Iterator[OfferedDelta | None]:
        """Ask a dcat server for a delta, and wait for a while if it has to be made; None where it gives none, or is too busy."""
        with self._ask_for_delta("GET", base, target) as response:
            size = None if response is None else _delta_size(response)
            yield None if response is None or size is None else OfferedDelta(size, response.chunks(size))

    def find_delta_size(self, base: Cid, target: Cid) -> int | None:
        """Ask a dcat server how large a delta would be."""
        with self._ask_for_delta("HEAD", base, target) as response:
            return None if response is None else _delta_size(response)

    @contextlib.contextmanager
    def _ask_for_delta(self, method: str, base: Cid, target: Cid) -> Iterator[HttpResponse | None]:
        if self._is_dcat is False:
            yield None
            return
        path = f"/dcat/v1/delta/{base}/{target}"
        with self._client.open(method, path, accept=_DELTA, answers=(200, *_NO_SUCH_REQUEST, *_BUSY)) as response:
            yield response if response.status == 200 and response.media_type == _DELTA else None

    def abort(self, threads: Collection[int] | None = None) -> None:
        """Cut what is under way in other threads."""
        self._client.abort(threads)

    def close(self) -> None:
        """Abort, and let go of the connections."""
        self._client.close()

    def _post(self, cids: list[Cid]) -> Iterator[Block]:
        body = "".join(f"{cid}\n" for cid in cids).encode()
        answers = (200, *_NO_SUCH_REQUEST) if self._is_dcat is None else (200,)
        with self._client.open(
            "POST", "/dcat/v1/blocks", accept=_CAR, body=body, content_type="text/plain; charset=utf-8", answers=answers
        ) as response:
            if response.status != 200:
                self._is_dcat = False
                return
            response.require_media_type(_CAR)
            self._is_dcat = True
            wanted = {convert_to_v1(cid): cid for cid in cids}
            limit = len(cids) * (limits.MAX_BLOCK_SIZE + _SECTION_OVERHEAD) + limits.MAX_CAR_HEADER_SIZE + limits.MAX_UNWANTED
            for block in self._read_car(response, limit):
                asked = wanted.pop(convert_to_v1(block.cid), None)
                if asked is None:
                    self._count_unwanted(block)
                else:
                    yield Block(asked, block.data)

    def _get_each(self, cids: list[Cid]) -> Iterator[Block]:
        for cid in cids:
            with self._client.open(
                "GET", f"/ipfs/{cid}", query=(("format", "raw"),), accept=_RAW, answers=(200, *_NOT_HERE)
            ) as response:
                if response.status != 200:
                    continue
                response.require_media_type(_RAW, "application/octet-stream")
                data = response.read_all(limits.MAX_BLOCK_SIZE)
                self._count(len(data))
                verify_block(cid, data)
            yield Block(cid, data)

    def _read_car(self, response: HttpResponse, limit: int) -> Iterator[Block]:
        response.start_reading(limit)
        reader = CarReader(response)
        for block in reader:
            self._count(len(block.data))
            yield block

    def _count(self, size: int) -> None:
        with self._lock:
            self._received += size

    def _count_unwanted(self, block: Block) -> None:
        with self._lock:
            self._unwanted += len(block.data) + _SECTION_OVERHEAD
            unwanted, received = self._unwanted, self._received
        if unwanted > limits.MAX_UNWANTED or unwanted > max(limits.MAX_UNWANTED_SLACK, limits.MAX_UNWANTED_SHARE * received):
            raise UnwantedBlocksError(
                f"{self.name} sends blocks that nobody asked for", why=f"{unwanted} of {received} bytes, among them {block.cid}"
            )


def _delta_size(response: HttpResponse) -> int | None:
    """Give the stated size of a delta; one that states none is not taken."""
    length = response.header("Content-Length") or ""
    return int(length) if length.isascii() and length.isdecimal() and len(length) < 16 else None


RECORD_TYPE = "application/vnd.ipfs.ipns-record"
_NO_RECORD = (404, 410)
_NO_RECORD_TYPES = ("text/plain", "application/json", "")  # behind a 200: a page for people is something else, and is an error
_NO_ROUTER = (400, 405, 406, 501)


class HttpRouting:
    """A dcat server, a gateway or a delegated router."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self.name = client.name
        self._is_router: bool | None = None

    def get(self, name: IpnsName) -> bytes | None:
        """Give the record that the server has, unvalidated, or None."""
        if self._is_router is not False:
            record = self._ask_router(name)
            if record is not None or self._is_router:
                return record
        return self._ask_gateway(name)

    def put(self, name: IpnsName, record: bytes) -> None:
        """Offer ``record``; raise `UnavailableError` where the server takes none of this name."""
        path = f"/routing/v1/ipns/{name}"
        with self._client.open("PUT", path, body=record, content_type=RECORD_TYPE, answers=(200, 202, 204)):
            return

    def _ask_router(self, name: IpnsName) -> bytes | None:
        path = f"/routing/v1/ipns/{name}"
        with self._client.open("GET", path, accept=RECORD_TYPE, answers=(200, *_NO_RECORD, *_NO_ROUTER)) as response:
            if response.status == 200:
                if response.media_type in _NO_RECORD_TYPES:
                    self._is_router = True
                    return None
                response.require_media_type(RECORD_TYPE)
                self._is_router = True
                return response.read_all(MAX_RECORD_SIZE)
            if response.status in _NO_ROUTER:
                self._is_router = False
            return None

    def _ask_gateway(self, name: IpnsName) -> bytes | None:
        query = (("format", "ipns-record"),)
        answers = (200, *_NO_RECORD, *_NO_ROUTER)
        with self._client.open("GET", f"/ipns/{name}", query=query, accept=RECORD_TYPE, answers=answers) as response:
            if response.status in _NO_RECORD:
                return None
            if response.status != 200:
                raise UnavailableError(f"{self.name} gives no records", why=f"it answers {response.status}")
            if self._is_router is None:
                self._is_router = False
            response.require_media_type(RECORD_TYPE)
            return response.read_all(MAX_RECORD_SIZE)
