"""A real server over stores in memory, and the ways that tests talk to it: whole requests, and bytes as they are."""

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from catalog.errors import BlockNotFoundError
from catalog.home.home import Home
from catalog.ipld.block import Block
from catalog.ipld.car import CarReader
from catalog.ipld.cid import Cid, cid_of, convert_to_v1, parse_cid, verify_block
from catalog.ipns.name import IpnsName
from catalog.ipns.record import check_record
from catalog.server.chores import Chore
from catalog.server.running import RunningServer, run_server
from catalog.server.settings import ServerLimits, ServerSettings
from catalog.server.site.opening import open_site
from catalog.server.site.site import OfferedDeltas, Site
from tests.factory.times import NOW


class Blocks:
    """Blocks in memory, verified when they are read; some of them bad on purpose."""

    def __init__(self, blocks: Iterable[Block] = ()) -> None:
        self.kept = {convert_to_v1(cid).binary: data for cid, data in blocks}

    def add(self, data: bytes) -> Cid:
        cid = cid_of(data)
        self.kept[cid.binary] = data
        return cid

    def spoil(self, cid: Cid) -> None:
        data = bytearray(self.kept[cid.binary])
        data[len(data) // 2] ^= 1
        self.kept[cid.binary] = bytes(data)

    def has(self, cid: Cid) -> bool:
        return convert_to_v1(cid).binary in self.kept

    def missing(self, cids: Iterable[Cid]) -> list[Cid]:
        return [cid for cid in dict.fromkeys(cids) if not self.has(cid)]

    def get(self, cid: Cid) -> bytes:
        data = self.kept.get(convert_to_v1(cid).binary)
        if data is None:
            raise BlockNotFoundError(f"block {cid} is not here")
        verify_block(cid, data)
        return data

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        for cid in dict.fromkeys(cids):
            if self.has(cid):
                yield Block(cid, self.get(cid))


class Records:
    """Records in memory, of the names that count as followed."""

    def __init__(self, records: Mapping[IpnsName, bytes] | None = None) -> None:
        self.kept = dict(records or {})
        self.followed = set(self.kept)
        self.puts = 0

    def get(self, name: IpnsName) -> bytes | None:
        return self.kept.get(name)

    def put(self, name: IpnsName, record: bytes) -> None:
        self.puts += 1
        self.kept[name] = record

    def snapshot(self, name: IpnsName) -> Cid | None:
        encoded = self.kept.get(name)
        return None if encoded is None else parse_cid(check_record(name, encoded).value.decode().removeprefix("/ipfs/"))

    def knows(self, name: IpnsName) -> bool:
        return name in self.followed


class Answer(NamedTuple):
    """A whole response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def blocks(self) -> list[Block]:
        """Read the body as a CAR; every block of it is verified."""
        return list(CarReader(_Stream(self.body)))


class _Stream:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def read(self, size: int, /) -> bytes:
        piece = self._data[self._at : self._at + size]
        self._at += len(piece)
        return piece


@dataclass
class Served:
    """A running server, what it serves, and what it logged."""

    server: RunningServer
    blocks: Blocks
    records: Records
    log: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.server.port

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, /, **headers: str) -> Answer:
        """Make one request on a connection of its own. Names of headers have ``_`` for ``-``."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())

    def wait_for_log(self, part: str) -> str:
        """Return the first line with ``part``: a line is written when its request has ended, which may be after the answer came."""
        deadline = time.monotonic() + 60
        while True:
            for line in list(self.log):
                if part in line:
                    return line
            assert time.monotonic() < deadline, f"no line with {part!r}"
            time.sleep(0.01)

    def wait_for_requests(self, number: int) -> None:
        """Wait until so many requests are in flight, beside the one that asks."""
        deadline = time.monotonic() + 60
        while f"dcat_requests_in_flight {number + 1}\n" not in self.ask("/metrics").body.decode():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    @contextlib.contextmanager
    def connect(self) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            yield connection

    def converse(self, *pieces: bytes) -> bytes:
        """Send bytes as they are, then give all that comes until the server closes."""
        with self.connect() as connection:
            received = b""
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                for piece in pieces:
                    connection.sendall(piece)
                while data := connection.recv(65536):
                    received += data
            return received


@contextlib.contextmanager
def serving(
    blocks: Blocks | None = None,
    records: Records | None = None,
    *,
    settings: ServerSettings | None = None,
    limits: ServerLimits | None = None,
    catalogue: IpnsName | None = None,
    chores: tuple[Chore, ...] = (),
    deltas: OfferedDeltas | None = None,
    now: datetime = NOW,
) -> Iterator[Served]:
    """Run a server in a thread until the block ends."""
    settings = settings or ServerSettings(port=0, limits=limits or ServerLimits())
    held, known = blocks or Blocks(), records or Records()
    site = Site(held, known, lambda: catalogue, lambda: now, deltas)
    with running(site, settings, chores) as (server, log):
        yield Served(server, held, known, log)


@contextlib.contextmanager
def running(site: Site, settings: ServerSettings, chores: tuple[Chore, ...] = ()) -> Iterator[tuple[RunningServer, list[str]]]:
    """Run a server of any site in a thread until the block ends; its log grows meanwhile."""
    log: list[str] = []
    started = threading.Event()
    found: list[RunningServer] = []
    failed: list[BaseException] = []

    def ready(server: RunningServer) -> None:
        found.append(server)
        started.set()

    def run() -> None:
        try:
            run_server(site, settings, ready=ready, log=log.append, chores=chores)
        except BaseException as error:
            failed.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=run)
    thread.start()
    started.wait()
    try:
        if failed:
            raise failed[0]
        yield found[0], log
    finally:
        if found:
            found[0].stop()
        thread.join(60)
        assert not thread.is_alive(), "the server does not stop"
    if failed:
        raise failed[0]


@contextlib.contextmanager
def serving_home(home: Home) -> Iterator[Served]:
    """Serve a home until the block ends."""
    with running(open_site(home, lambda: NOW), ServerSettings(port=0)) as (server, log):
        yield Served(server, Blocks(), Records(), log)
