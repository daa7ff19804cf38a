"""Blocks and deltas over HTTP: from a dcat server, a trustless gateway or a host of plain files.

A dcat server answers ``POST /dcat/v1/blocks`` (at most 1024 CIDs, one a line) with one CARv1 of the blocks that it has, and makes
deltas. A server that does not know these paths is asked as a trustless gateway: ``?format=raw`` for a block, ``?format=car`` for a
whole DAG. The first request shows which of the two it is. Every block is compared with its CID before it is returned; blocks that
were not requested are counted, and too many of them end the request.
Sources: ipfs/specs, http-gateways/trustless-gateway.md; docs/formats/http.md.
"""

import contextlib
import threading
from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from catalog import limits
from catalog.clients.http import HttpClient
from catalog.clients.response import HttpResponse
from catalog.errors import BlockNotFoundError, CodecError, UnwantedBlocksError
from catalog.ipld import dag_pb
from catalog.ipld.block import Block
from catalog.ipld.car import CarReader
from catalog.ipld.cid import DAG_PB, Cid, convert_to_v1, verify_block
from catalog.sources.protocol import (
    BLOCKS_PATH,
    CAR_TYPE,
    CID_LIST_TYPE,
    DELTA_TYPE,
    RAW_TYPE,
    delta_path,
    gateway_path,
)
from catalog.sources.source import OfferedDelta
from catalog.sources.static import StaticFiles, find_static

_CAR_ACCEPT = f"{CAR_TYPE}; version=1; order=dfs; dups=n"
_CAR_QUERY = (("format", "car"), ("dag-scope", "all"), ("car-order", "dfs"), ("car-dups", "n"))
_NO_SUCH_REQUEST = (301, 302, 303, 400, 403, 404, 405, 410, 501)
_NOT_HERE = (404, 410, 451)
_BUSY = (429, 503)
_SECTION_OVERHEAD = 64
_STATIC_BATCH = 4096
_MAX_EXPECTED = 16


class HttpBlockSource:
    """The blocks of one server, as a `RemoteSource`."""

    def __init__(self, client: HttpClient, *, name: str | None = None) -> None:
        self._client = client
        self.name = name or client.name
        self._is_dcat: bool | None = None
        self._gives_cars = True
        self._static: StaticFiles | None = None
        self._expected: list[Cid] = []
        self._lock = threading.Lock()
        self._received = 0
        self._unwanted = 0

    @property
    def batch(self) -> int:
        if self._static is not None:
            return _STATIC_BATCH
        return limits.MAX_BLOCKS_A_REQUEST if self._is_dcat else 16

    @property
    def lanes(self) -> int:
        return 1 if self._is_dcat is None else 4 if self._is_dcat or self._static is not None else 8

    @property
    def eager(self) -> bool:
        return self._is_dcat is False and self._static is None

    @property
    def gives_dags(self) -> bool:
        """Whether `get_dag` is worth a request: a server that takes lists of CIDs is better asked by list."""
        return self._is_dcat is False and self._static is None and self._gives_cars

    def expect(self, roots: Iterable[Cid]) -> None:
        """Note which DAGs are wanted next: plain files are found by the root of their DAG only."""
        with self._lock:
            roots = list(roots)
            self._expected = [*self._expected, *roots][-_MAX_EXPECTED:]
            if self._static is not None:
                self._static.expect(roots)

    def get(self, cid: Cid) -> bytes:
        """Return the block, verified; raise `BlockNotFoundError` where the server lacks it."""
        for block in self.get_many([cid]):
            return block.data
        raise BlockNotFoundError(f"{self.name} does not have block {cid}")

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        """Yield the blocks that the server has, verified, as they arrive, by one request after another.

        Raise `UnwantedBlocksError` where the server sends too much that was not requested, `CodecError` for a malformed CAR, and
        what `HttpClient.open` raises.
        """
        pending = iter({convert_to_v1(cid): cid for cid in cids}.values())
        while batch := list(islice(pending, limits.MAX_BLOCKS_A_REQUEST)):
            if self._is_dcat is not False:
                yield from self._post(batch)
            if self._static is not None:
                yield from self._get_static(batch, pending)
                return
            if self._is_dcat is False:
                yield from self._get_each(batch)

    def get_dag(self, root: Cid) -> Iterator[Block]:
        """Yield the blocks of the DAG in the order of one CAR: the root, then what earlier blocks link.

        The end does not mean that the DAG is complete: the caller checks what is missing. A server without CARs yields nothing.
        """
        answers = (200, 400, 404, 406, 410, 451, 501)
        with self._client.open("GET", gateway_path(root), query=_CAR_QUERY, accept=_CAR_ACCEPT, answers=answers) as response:
            if response.status != 200:
                self._gives_cars = self._gives_cars and response.status in _NOT_HERE
                return
            response.require_media_type(CAR_TYPE)
            expected = {convert_to_v1(root)}
            for block in self._read_car(response, limits.MAX_DAG_BLOCKS * limits.MAX_BLOCK_SIZE):
                key = convert_to_v1(block.cid)
                if key not in expected:
                    self._count_unwanted(block)
                    continue
                expected.discard(key)
                yield block
                if key.codec == DAG_PB:
                    with contextlib.suppress(CodecError):  # the caller meets the malformed node and raises
                        expected.update(convert_to_v1(link.cid) for link in dag_pb.decode_node(block.data).links)

    def delta_bases(self, target: Cid) -> None:
        """Return None: a server makes deltas from any archive that it holds."""

    @contextlib.contextmanager
    def open_delta(self, base: Cid, target: Cid) -> Iterator[OfferedDelta | None]:
        """Yield a delta from a dcat server, which may have to make it first; None where it has none or is too busy."""
        with self._ask_for_delta("GET", base, target) as response:
            size = None if response is None else _delta_size(response)
            yield None if response is None or size is None else OfferedDelta(size, response.chunks(size))

    def find_delta_size(self, base: Cid, target: Cid) -> int | None:
        """Return the size of a dcat server's delta, which it makes for the answer; None where it has none or is too busy."""
        with self._ask_for_delta("HEAD", base, target) as response:
            return None if response is None else _delta_size(response)

    @contextlib.contextmanager
    def _ask_for_delta(self, method: str, base: Cid, target: Cid) -> Iterator[HttpResponse | None]:
        if self._is_dcat is False:
            yield None
            return
        answers = (200, *_NO_SUCH_REQUEST, *_BUSY)
        with self._client.open(method, delta_path(base, target), accept=DELTA_TYPE, answers=answers) as response:
            yield response if response.status == 200 and response.media_type == DELTA_TYPE else None

    def abort(self, threads: Collection[int] | None = None) -> None:
        """Abort the requests of other threads."""
        self._client.abort(threads)

    def close(self) -> None:
        """Abort all requests and close the connections."""
        self._client.close()
        if self._static is not None:
            self._static.close()

    def _post(self, cids: list[Cid]) -> Iterator[Block]:
        """Ask for a list, and again for those behind the last block that came, unless the answer stated its length.

        Proxies are in use that make a proper end of an answer that was cut off (Caddy 2.6): the rest of it would count as lacking.
        Blocks come in the order of the list, so what is missing before one that came is really not there.
        """
        while cids:
            body = "".join(f"{cid}\n" for cid in cids).encode()
            answers = (200, *_NO_SUCH_REQUEST) if self._is_dcat is None else (200,)
            with self._client.open(
                "POST", BLOCKS_PATH, accept=CAR_TYPE, body=body, content_type=CID_LIST_TYPE, answers=answers
            ) as response:
                if response.status == 200:
                    response.require_media_type(CAR_TYPE)
                elif self._is_dcat is None:
                    self._look_for_files()
                    return
                self._is_dcat = True
                wanted = {convert_to_v1(cid): place for place, cid in enumerate(cids)}
                limit = len(cids) * (limits.MAX_BLOCK_SIZE + _SECTION_OVERHEAD) + limits.MAX_CAR_HEADER_SIZE + limits.MAX_UNWANTED
                last = -1
                for block in self._read_car(response, limit):
                    place = wanted.pop(convert_to_v1(block.cid), None)
                    if place is None:
                        self._count_unwanted(block)
                    else:
                        last = max(last, place)
                        yield Block(cids[place], block.data)
                is_whole = response.header("Content-Length") is not None
            cids = [] if is_whole or last < 0 else cids[last + 1 :]

    def _look_for_files(self) -> None:
        """Find out whether a server that takes no lists of CIDs holds plain files, or is a gateway."""
        if find_static(self._client):
            static = StaticFiles(self._client)
            static.expect(self._expected)
            self._static = static
        self._is_dcat = False

    def _get_static(self, batch: list[Cid], pending: Iterator[Cid]) -> Iterator[Block]:
        assert self._static is not None
        for block in self._static.get_many([*batch, *pending]):
            self._count(len(block.data))
            yield block

    def _get_each(self, cids: list[Cid]) -> Iterator[Block]:
        for cid in cids:
            with self._client.open(
                "GET", gateway_path(cid), query=(("format", "raw"),), accept=RAW_TYPE, answers=(200, *_NOT_HERE)
            ) as response:
                if response.status != 200:
                    continue
                response.require_media_type(RAW_TYPE, "application/octet-stream")
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
                f"{self.name} sends blocks that were not requested", why=f"{unwanted} of {received} bytes, among them {block.cid}"
            )


def _delta_size(response: HttpResponse) -> int | None:
    """Return the stated size of a delta; None where it states none, since it is not taken then."""
    length = response.header("Content-Length") or ""
    return int(length) if length.isascii() and length.isdecimal() and len(length) < 16 else None
