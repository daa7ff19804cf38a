"""One local server of blocks and records that can be told to misbehave in about twenty ways.

It speaks what dcat asks for: ``POST /dcat/v1/blocks``, ``/ipfs/<cid>?format=raw|car``, ``/routing/v1/ipns/<name>``,
``/ipns/<name>?format=ipns-record``, ``/dcat/v1/catalogue``, ``/dcat/v1/delta/<base>/<target>``. `LyingSource.behaviour` is one of
`BEHAVIOURS`, and may be changed while it runs. ``cut`` and ``slow-line`` need a figure. With an ``upstream`` it passes on what an
honest server answers, and misbehaves with that. It notes every request, and every byte of a body that it sent.
"""

import datetime
import gzip
import http.client
import io
import random
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from catalog.blockstores.base import Block
from catalog.ipld import dag_pb
from catalog.ipld.car import CarReader, encode_car
from catalog.ipld.cid import DAG_PB, Cid, cid_of, convert_to_v1, parse_cid

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
    "busy-once",  # 503 for the first request, then honest
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
    knows_lists: bool = True
    knows_cars: bool = True
    token: str | None = None
    certificate: tuple[Path, Path] | None = None
    target: str = "http://10.255.255.1:9/"  # of redirect-private
    status: int = 307  # of redirect-private
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
        self._answers = 0

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
                    source.released.wait(30)
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
        """Give the number of requests whose path begins so."""
        return sum(target.startswith(path) for _, target, _ in self.requests)

    def foreign_blocks(self, size: int) -> Iterator[Block]:
        """Give valid blocks that nobody asked for."""
        while size > 0:
            data = self.random.randbytes(min(size, 16384))
            size -= len(data)
            yield Block(cid_of(data), data)

    def walk(self, root: Cid) -> Iterator[Block]:
        """Give the blocks of a DAG, depth first, each once, ending where one is missing."""
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


class _Handler(BaseHTTPRequestHandler):
    lying: LyingSource
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def do_GET(self) -> None:
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

    def do_POST(self) -> None:
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

    def do_PUT(self) -> None:
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
        upstream = http.client.HTTPConnection(urlsplit(self.lying.upstream).netloc, timeout=30)
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

    def _reply(self, body: bytes, media_type: str, status: int = 200, behaviour: str | None = None) -> None:
        if self.lying.token is not None and self.headers.get("Authorization") != f"Bearer {self.lying.token}":
            self._send(b"who are you?\n", "text/plain", 401)
            return
        behaviour = behaviour or self.lying.behaviour
        if status != 200 and behaviour not in {
            "stall",
            "page",
            "busy",
            "unavailable",
            "redirect-private",
            "redirect-loop",
            "realm",
        }:
            self._send(body, media_type, status)
            return
        self.lying._answers += 1
        method = getattr(self, f"_reply_{behaviour.replace('-', '_')}", None)
        if method is None:
            self._send(body, media_type, status)
        else:
            method(body, media_type)

    def _send(self, body: bytes, media_type: str, status: int = 200, **headers: str) -> None:
        self._send_head(media_type, status, Content_Length=str(len(body)), **headers)
        self._write(body)

    def _send_head(self, media_type: str, status: int = 200, **headers: str) -> None:
        self.send_response_only(status)
        if "Date" not in headers:
            self.send_header("Date", self.date_time_string())
        for name, value in {"Content_Type": media_type, **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _write(self, data: bytes) -> None:
        self.lying.sent += len(data)  # first: whoever reads it all may look at once
        self.wfile.write(data)
        self.wfile.flush()

    def _end(self) -> None:
        self.close_connection = True

    def _reply_flip(self, body: bytes, media_type: str) -> None:
        changed = bytearray(body)
        if changed:
            changed[self.lying.random.randrange(len(changed))] ^= 1 << self.lying.random.randrange(8)
        self._send(bytes(changed), media_type)

    def _reply_truncate(self, body: bytes, media_type: str) -> None:
        self._send_head(media_type, Content_Length=str(len(body)))
        self._write(body[: self.lying.random.randrange(max(1, len(body)))])
        self._end()

    def _reply_truncate_silently(self, body: bytes, media_type: str) -> None:
        self._send_head(media_type, Transfer_Encoding="chunked")
        if half := body[: self.lying.random.randrange(max(1, len(body)))]:
            self._write(b"%x\r\n%b\r\n" % (len(half), half))
        self._write(b"0\r\n\r\n")

    def _reply_cut(self, body: bytes, media_type: str) -> None:
        self._send_head(media_type, Content_Length=str(len(body)))
        self._write(body[: self.lying.cut])
        self._end()

    def _reply_slow_line(self, body: bytes, media_type: str) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        self._send_head(media_type, Content_Length=str(len(body)))
        began = time.monotonic()
        for start in range(0, len(body), 1 << 15):
            self._write(body[start : start + (1 << 15)])
            time.sleep(max(0.0, began + start / self.lying.rate - time.monotonic()))

    def _reply_stall(self, body: bytes, media_type: str) -> None:
        self.lying.released.wait(60)
        self._end()

    def _reply_stall_inside(self, body: bytes, media_type: str) -> None:
        self._send_head(media_type, Content_Length=str(len(body)))
        self._write(body[: len(body) // 2])
        self.lying.released.wait(60)
        self._end()

    def _reply_drip(self, body: bytes, media_type: str) -> None:
        self._send_head(media_type, Content_Length=str(len(body)))
        for position in range(len(body)):
            self._write(body[position : position + 1])
            if self.lying.released.wait(0.01):
                break
        self._end()

    def _reply_drip_headers(self, body: bytes, media_type: str) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Padding: ")
        for _ in range(60000):
            self.wfile.write(b"x")
            self.wfile.flush()
            if self.lying.released.wait(0.01):
                break
        self._end()

    def _reply_endless(self, body: bytes, media_type: str) -> None:
        self._send_head(media_type, Connection="close")
        self._write(body)
        while not self.lying.released.is_set():
            self._write(bytes(1 << 16))
        self._end()

    def _reply_gzip_bomb(self, body: bytes, media_type: str) -> None:
        self._send(_bomb(), media_type, Content_Encoding="gzip")

    def _reply_page(self, body: bytes, media_type: str) -> None:
        media_type, body = self.lying.page
        self._send(body, media_type)

    def _reply_busy(self, body: bytes, media_type: str) -> None:
        self._send(b"slow down\n", "text/plain", 429, Retry_After="3600")

    def _reply_unavailable(self, body: bytes, media_type: str) -> None:
        self._send(b"later\n", "text/plain", 503)

    def _reply_busy_once(self, body: bytes, media_type: str) -> None:
        if self.lying._answers == 1:
            self._send(b"later\n", "text/plain", 503, Retry_After="0")
        else:
            self._send(body, media_type)

    def _reply_redirect_private(self, body: bytes, media_type: str) -> None:
        self._send(b"", media_type, self.lying.status, Location=self.lying.target)

    def _reply_realm(self, body: bytes, media_type: str) -> None:
        self._send(b"", media_type, 401, WWW_Authenticate=f'Bearer realm="{self.lying.target}",service="blocks"')

    def _reply_redirect_loop(self, body: bytes, media_type: str) -> None:
        self._send(b"", media_type, 307, Location=self.path)

    def _reply_reset(self, body: bytes, media_type: str) -> None:
        self._send_head(media_type, Content_Length=str(len(body)))
        self._write(body[: len(body) // 2])
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self._end()

    def _reply_wrong_type(self, body: bytes, media_type: str) -> None:
        self._send(body, "application/json")

    def _reply_skewed_date(self, body: bytes, media_type: str) -> None:
        date = datetime.datetime(1999, 12, 31, tzinfo=datetime.UTC)
        self._send(body, media_type, Date=format_datetime(date, usegmt=True), Expires="0")

    def _reply_poison(self, body: bytes, media_type: str) -> None:
        self._send(body, media_type)
        self._send(b"poison", media_type)

    def _reply_not_found(self, body: bytes, media_type: str) -> None:
        self._send(b"not here\n", "text/plain", 404)


def _bomb() -> bytes:
    """About 1 MB that inflates to 1 GiB of zeros."""
    if not _BOMB:
        piece = gzip.compress(bytes(1 << 26), 9)
        _BOMB.append(piece * 16)  # members of gzip may follow each other
    return _BOMB[0]


_BOMB: list[bytes] = []
