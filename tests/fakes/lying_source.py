"""One local server of blocks and records that can be told to misbehave in about twenty ways.

It speaks what dcat asks for: ``POST /dcat/v1/blocks``, ``/ipfs/<cid>?format=raw|car``, ``/routing/v1/ipns/<name>``,
``/ipns/<name>?format=ipns-record``, ``/dcat/v1/catalogue``, ``/dcat/v1/delta/<base>/<target>``. `LyingSource.behaviour` is one of
`BEHAVIOURS`, and may be changed while it runs. ``cut`` and ``slow-line`` need a figure. With an ``upstream`` it passes on what an
honest server answers, and misbehaves with that. It notes every request, and every byte of a body that it sent.
"""

import http.client
import io
import random
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from catalog.ipld import dag_pb
from catalog.ipld.block import Block
from catalog.ipld.car import CarReader, encode_car
from catalog.ipld.cid import DAG_PB, Cid, cid_of, convert_to_v1, parse_cid
from tests.fakes.misbehaving import MisbehavingHandler

CAR = "application/vnd.ipld.car"
RAW = "application/vnd.ipld.raw"
RECORD = "application/vnd.ipfs.ipns-record"
DELTA = "application/vnd.dcat.delta"

BEHAVIOURS = (
    "honest",
    "flip",  # one bit of each answer
    "truncate",  # a whole length is stated, half is sent, the connection ends
    "truncate-silently",  # chunked, and ended as if it were whole
    "stall",  # never answers
    "stall-inside",  # sends half and then nothing
    "drip",  # one byte at a time
    "drip-headers",
    "endless",
    "gzip-bomb",
    "wrong-root",  # valid blocks that nobody asked for, in place of those
    "extra-blocks",  # valid blocks that nobody asked for, beside those
    "reorder",
    "duplicate",
    "page",  # 200 and HTML: a captive portal
    "busy",  # 429 with Retry-After
    "unavailable",  # 503 for ever
    "busy-once",  # ``busy`` for the first request, then honest
    "redirect-private",  # to an address of the local network
    "redirect-loop",
    "realm",  # 401, and the token to be brought to another host
    "reset",  # RST in the middle
    "wrong-type",
    "stale-record",
    "equivocate",  # another record each time
    "skewed-date",
    "poison",  # a second answer that nobody asked for, left on the kept connection
    "not-found",
    "slow-tls",  # the handshake stalls
)


@dataclass
class LyingSource:
    """The server; start it with ``with``. ``blocks`` and ``records`` are what it has; ``knows_lists`` makes it a dcat server."""

    blocks: Iterable[Block] = ()
    records: dict[str, bytes] = field(default_factory=dict)
    other_records: dict[str, list[bytes]] = field(default_factory=dict)
    behaviour: str = "honest"
    deltas: dict[tuple[str, str], bytes] = field(default_factory=dict)  # by base and target
    delta_behaviour: str | None = None  # where its deltas lie otherwise than the rest
    inside: float = 0.5  # of an answer: how much comes before it stalls inside
    knows_lists: bool = True
    knows_cars: bool = True
    token: str | None = None
    certificate: tuple[Path, Path] | None = None
    target: str = "http://10.255.255.1:9/"  # of redirect-private
    status: int = 307  # of redirect-private
    busy: int = 503  # of busy-once
    page: tuple[str, bytes] = ("text/html; charset=utf-8", b"<!DOCTYPE html><title>Welcome</title>Log in to go on\n")
    seed: int = 1
    latency: float = 0.0
    cut: int = 0  # where ``cut`` ends a body
    rate: int = 0  # bytes a second of ``slow-line``
    upstream: str = ""  # the URL of a server whose answers these are

    def __post_init__(self) -> None:
        self.store = {convert_to_v1(block.cid): block for block in self.blocks}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.sent = 0
        self.random = random.Random(self.seed)
        self.released = threading.Event()
        self.answers = 0

    def __enter__(self) -> Self:
        source = self

        handler = type("Handler", (_Handler,), {"lying": source})

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request: object, client_address: object) -> None:
                """A client that goes away is no news."""

            def finish_request(self, request: object, client_address: object) -> None:
                assert isinstance(request, socket.socket)
                if source.certificate is None:
                    handler(request, client_address, self)
                    return
                if source.behaviour == "slow-tls":
                    source.released.wait(60)
                    return
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*source.certificate)
                with context.wrap_socket(request, server_side=True) as wrapped:
                    handler(wrapped, client_address, self)

        self._server = Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        port: int = self._server.server_address[1]
        return port

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"

    def count(self, path: str) -> int:
        """Return the number of requests whose path begins so."""
        return sum(target.startswith(path) for _, target, _ in self.requests)

    def foreign_blocks(self, size: int) -> Iterator[Block]:
        """Return valid blocks that nobody asked for."""
        while size > 0:
            data = self.random.randbytes(min(size, 16384))
            size -= len(data)
            yield Block(cid_of(data), data)

    def walk(self, root: Cid) -> Iterator[Block]:
        """Return the blocks of a DAG, depth first, each once, ending where one is missing."""
        seen: set[Cid] = set()
        stack = [root]
        while stack:
            cid = convert_to_v1(stack.pop())
            if cid in seen:
                continue
            seen.add(cid)
            block = self.store.get(cid)
            if block is None:
                return
            yield block
            if cid.codec == DAG_PB:
                stack.extend(reversed([link.cid for link in dag_pb.decode_node(block.data).links]))


class _Handler(MisbehavingHandler):
    """What there is to answer; the class above it says how."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""

    def do_GET(self) -> None:  # noqa: N802
        self._note()
        if self.lying.upstream:
            self._pass_on(b"")
            return
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        head, _, rest = parts.path.lstrip("/").partition("/")
        if head == "ipfs":
            self._answer_block(rest, query.get("format", ["raw"])[0])
        elif parts.path.startswith("/routing/v1/ipns/"):
            self._answer_record(parts.path.rpartition("/")[2])
        elif head == "ipns" and query.get("format") == ["ipns-record"]:
            self._answer_record(rest)
        elif parts.path.startswith("/dcat/v1/delta/") and self.lying.knows_lists:
            self._answer_delta(*parts.path.split("/")[4:6])
        elif parts.path == "/dcat/v1/catalogue" and self.lying.knows_lists:
            names = list(self.lying.records) or ["k51"]
            self._reply(b'{"name":"%s","schema":"dcat/catalogue/v1"}' % names[0].encode(), "application/json")
        else:
            self._reply(b"no such thing\n", "text/plain", 404)

    def do_POST(self) -> None:  # noqa: N802
        self._note()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.lying.upstream:
            self._pass_on(body)
            return
        if self.path != "/dcat/v1/blocks" or not self.lying.knows_lists:
            self._reply(b"no such thing\n", "text/plain", 405)
            return
        cids = [parse_cid(line) for line in body.decode().split()]
        self._reply_car([], [block for cid in cids if (block := self.lying.store.get(convert_to_v1(cid))) is not None])

    def do_PUT(self) -> None:  # noqa: N802
        self._note()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.lying.upstream:
            self._pass_on(body)
            return
        if self.path.startswith("/routing/v1/ipns/") and self.headers.get("Content-Type") == RECORD:
            self.lying.records[self.path.rpartition("/")[2]] = body
            self._reply(b"", "text/plain")
        else:
            self._reply(b"no\n", "text/plain", 406)

    def _note(self) -> None:
        self.lying.requests.append((self.command, self.path, dict(self.headers)))
        time.sleep(self.lying.latency)

    def _pass_on(self, body: bytes) -> None:
        """Answer as the honest server does, and misbehave with that."""
        upstream = http.client.HTTPConnection(urlsplit(self.lying.upstream).netloc, timeout=60)
        headers = {name: self.headers[name] for name in ("Accept", "Content-Type") if name in self.headers}
        upstream.request(self.command, self.path, body=body or None, headers=headers)
        reply = upstream.getresponse()
        data, media_type = reply.read(), reply.headers.get("Content-Type", "")
        upstream.close()
        name = self.path.partition("?")[0].rpartition("/")[2]
        if media_type == RECORD and self.lying.behaviour in {"stale-record", "equivocate"} and name in self.lying.other_records:
            self.lying.records[name] = data
            self._answer_record(name)
        elif media_type.startswith(CAR) and reply.status == 200:
            reader = CarReader(io.BytesIO(data))
            self._reply_car(list(reader.roots), list(reader))
        elif media_type == RAW and reply.status == 200 and self.lying.behaviour in {"wrong-root", "extra-blocks"}:
            self._reply(next(self.lying.foreign_blocks(len(data) or 1)).data, RAW)
        else:
            self._reply(data, media_type, reply.status)

    def _answer_block(self, text: str, form: str) -> None:
        cid = convert_to_v1(parse_cid(text))
        block = self.lying.store.get(cid)
        if block is None or (form == "car" and not self.lying.knows_cars):
            self._reply(b"not here\n", "text/plain", 404 if block is None else 400)
        elif form == "car":
            self._reply_car([cid], list(self.lying.walk(cid)))
        elif self.lying.behaviour in {"wrong-root", "extra-blocks"}:
            self._reply(next(self.lying.foreign_blocks(len(block.data))).data, RAW)
        else:
            self._reply(block.data, RAW)

    def _answer_delta(self, base: str, target: str) -> None:
        delta = self.lying.deltas.get((base, target))
        if delta is None:
            self._reply(b"no delta\n", "text/plain", 404)
            return
        self._reply(delta, DELTA, behaviour=self.lying.delta_behaviour)

    def _answer_record(self, name: str) -> None:
        others = self.lying.other_records.get(name, [])
        record = self.lying.records.get(name)
        if self.lying.behaviour == "stale-record" and others:
            record = others[0]
        elif self.lying.behaviour == "equivocate" and others:
            record = others[len(self.lying.requests) % len(others)]
        if record is None:
            self._reply(b"delegate error: routing: not found\n", "text/plain")
        else:
            self._reply(record, RECORD)

    def _reply_car(self, roots: list[Cid], blocks: list[Block]) -> None:
        behaviour = self.lying.behaviour
        if behaviour == "wrong-root":
            size = sum(len(block.data) for block in blocks)
            blocks = list(self.lying.foreign_blocks(max(size, 256 << 10)))
            roots = [blocks[0].cid]
        elif behaviour == "extra-blocks":
            blocks = [entry for block in blocks for entry in (block, *self.lying.foreign_blocks(16384))]
            blocks += self.lying.foreign_blocks(128 << 10)
        elif behaviour == "reorder":
            blocks = blocks[::-1]
        elif behaviour == "duplicate":
            blocks = [block for block in blocks for _ in range(2)]
        self._reply(b"".join(encode_car(roots, blocks)), CAR + "; version=1; order=dfs; dups=n")
