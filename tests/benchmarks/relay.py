"""A relay that puts a line's delay between a client and a server, and counts what passes.

``python -m tests.benchmarks.relay HOST:PORT SECONDS`` listens on a free port of loopback, prints it, and holds each piece back for
so long in either direction; a new connection costs one round trip. For each line on its standard input it prints what passed since
the last one.
"""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass

_PIECE = 64 * 1024
_HELD = 4096  # pieces on their way at once in one direction: far more than a line holds
_REQUEST = b" HTTP/1.1\r\n"


@dataclass(slots=True)
class Passed:
    """What passed: bytes sent by the client and by the server, connections, and HTTP requests that were not encrypted."""

    sent: int = 0
    received: int = 0
    connections: int = 0
    requests: int = 0


class Relay:
    """One listening port."""

    def __init__(self, host: str, port: int, delay: float) -> None:
        self.passed = Passed()
        self._host = host
        self._port = port
        self._delay = delay

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.passed.connections += 1
        await asyncio.sleep(2 * self._delay)
        try:
            far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self._pass(reader, far_writer, True), self._pass(far_reader, writer, False))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_sent: bool) -> None:
        held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_HELD)
        forwarding = asyncio.create_task(self._forward(held, writer))
        clock = asyncio.get_running_loop().time
        try:
            while piece := await reader.read(_PIECE):
                if is_sent:
                    self.passed.sent += len(piece)
                    self.passed.requests += piece.count(_REQUEST)
                else:
                    self.passed.received += len(piece)
                await held.put((clock() + self._delay, piece))
        except OSError:
            pass
        await held.put((clock() + self._delay, b""))
        await forwarding

    async def _forward(self, held: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        clock = asyncio.get_running_loop().time
        broken = False
        while True:
            due, piece = await held.get()
            await asyncio.sleep(max(0.0, due - clock()))
            if not piece:
                break
            try:
                if not broken:
                    writer.write(piece)
                    await writer.drain()
            except OSError:
                broken = True  # what the other side still sends is read and dropped
        writer.close()


async def relay(target: str, delay: float) -> None:
    """Run a relay until standard input ends."""
    host, _, port = target.rpartition(":")
    relaying = Relay(host, int(port), delay)
    server = await asyncio.start_server(relaying.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(asdict(relaying.passed)), flush=True)
        relaying.passed = Passed()
    server.close()


if __name__ == "__main__":
    asyncio.run(relay(sys.argv[1], float(sys.argv[2])))
