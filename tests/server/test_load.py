"""Figures of docs/safety.md E7 that take a process of its own: many slow sockets, and the memory that they cost."""

import contextlib
import http.client
import resource
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from catalog.ipld.cid import cid_of
from catalog.limits import MIB
from tests.memory import peak_memory
from tests.needs import ROOT

SLOW = 1000
BLOCK = b"a" * 100_000
LARGE_SIZE = 64 * MIB
SCRIPT = """
import datetime
from catalog.server.running import run_server
from catalog.server.settings import ServerSettings
from catalog.server.site.site import Site
from tests.server.serving import Blocks, Records
from tests.server.test_load import BLOCK, large_blocks

blocks = Blocks()
for content in (BLOCK, *large_blocks()):
    blocks.add(content)
site = Site(blocks, Records(), lambda: None, lambda: datetime.datetime.now(datetime.UTC))
run_server(site, ServerSettings(port=0), ready=lambda server: print(server.port, flush=True), log=lambda line: None)
"""


def large_blocks() -> Iterator[bytes]:
    """Yield `LARGE_SIZE` bytes of different blocks."""
    return (bytes((number,)) * MIB for number in range(LARGE_SIZE // MIB))


@contextlib.contextmanager
def serving_process() -> Iterator[tuple[int, int]]:
    """Return the port and the process ID of a server; as many files may be open as the machine lets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192) if hard != resource.RLIM_INFINITY else 8192, hard))
    try:
        with subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
            assert process.stdout is not None
            try:
                yield int(process.stdout.readline()), process.pid
            finally:
                process.terminate()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def time_of_a_request(port: int, content: bytes = BLOCK, status: int = 200) -> float:
    """Ask for one block again and again; return the time that it normally takes, in seconds."""
    times: list[float] = []
    for _ in range(51):
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with contextlib.closing(connection):
            connection.request("GET", f"/ipfs/{cid_of(content)}?format=raw")
            response = connection.getresponse()
            assert response.status == status
            assert response.read() == content or status != 200
        times.append(time.monotonic() - began)
    return statistics.median(times)


HALVES = {
    "half a head": b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: ",
    "half a body": b"POST /dcat/v1/blocks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n\r\n" + b"a" * 20_000,
    "nothing": b"",
}


@pytest.mark.long
@pytest.mark.parametrize("half", HALVES)
def test_a_thousand_slow_sockets_keep_nobody_waiting(half: str) -> None:
    """A normal request within 200 ms while 1,000 sockets hold half a request each; memory at most 200 MiB."""
    with serving_process() as (port, pid), contextlib.ExitStack() as stack:
        for _ in range(SLOW):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            connection.sendall(HALVES[half])
        assert time_of_a_request(port) <= 0.2
        assert peak_memory(pid) - LARGE_SIZE <= 200 * MIB


@pytest.mark.long
def test_slow_readers_cost_bounded_memory() -> None:
    """200 clients ask for 64 MiB each and read none of it: memory at most 200 MiB, and others are served."""
    with serving_process() as (port, pid), contextlib.ExitStack() as stack:
        body = "\n".join(str(cid_of(content)) for content in large_blocks()).encode()
        for _ in range(200):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            connection.sendall(
                b"POST /dcat/v1/blocks HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            )
        time.sleep(3)
        assert time_of_a_request(port) <= 0.2
        assert peak_memory(pid) - LARGE_SIZE <= 200 * MIB


@pytest.mark.long
def test_what_is_not_held_is_said_at_once() -> None:
    """Figure of E8: 404 within 20 ms."""
    with serving_process() as (port, _):
        assert time_of_a_request(port, b"not held", 404) <= 0.02
