"""Bodies that are read while they are sent, and left when nobody wants them any more (docs/safety.md E13)."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace

import pytest
from starlette.types import Message

from catalog.limits import STREAM_CHUNK_SIZE
from catalog.server.guard.guard import ClientGoneError
from catalog.server.response.streaming import Pieces, StreamedResponse, Workers


def test_a_chunk_is_what_came_in_its_time_and_the_end_is_noted() -> None:
    pieces = Pieces(iter([b"a", b"", b"b"]))
    assert (pieces.read(), pieces.ended) == ([b"a", b"b"], True)


def test_several_pieces_may_come_at_once_and_empty_ones_are_no_chunk() -> None:
    pieces = Pieces(iter([(b"a", b"", b"b"), (), b"c", (b"",)]))
    assert (pieces.read(), pieces.ended) == ([b"a", b"b", b"c"], True)


def test_what_was_sent_is_not_kept_while_the_next_is_made() -> None:
    alive = 0

    class Counted(bytes):
        def __new__(cls, data: bytes) -> "Counted":
            nonlocal alive
            alive += 1
            return super().__new__(cls, data)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    held: list[int] = []

    def work() -> Iterator[bytes]:
        for _ in range(3):
            yield Counted(bytes(STREAM_CHUNK_SIZE))
            held.append(alive)

    async def send(message: Message) -> None:
        pass

    class Body:
        """A client that takes everything."""

        sent = 0

        async def open(self) -> None:
            pass

        def write(self, chunk: Sequence[bytes]) -> None:
            self.sent += sum(map(len, chunk))

        def flush(self) -> bool:
            return True

        takes_more = flush

        def finish(self) -> None:
            pass

        close = finish

    async def run() -> None:
        workers, body = Workers(), Body()
        extension = {"transport": SimpleNamespace(is_closing=lambda: False), "open_body": lambda _length: body}
        scope = {"type": "http", "method": "GET", "extensions": {"dcat.transport": extension}}
        await StreamedResponse(workers, work(), 200, {})(scope, None, send)  # type: ignore[arg-type]
        assert body.sent == 3 * STREAM_CHUNK_SIZE
        workers.close()

    asyncio.run(run())
    assert held == [0, 0, 0]


def test_work_without_output_is_left_when_the_client_leaves() -> None:
    worked = 0

    def work() -> Iterator[bytes]:
        nonlocal worked
        while True:
            worked += 1
            time.sleep(0.01)
            yield b""

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def run() -> None:
        workers = Workers()
        transport = SimpleNamespace(is_closing=lambda: worked > 5)
        scope = {"type": "http", "method": "GET", "extensions": {"dcat.transport": {"transport": transport}}}
        with pytest.raises(ClientGoneError):
            await asyncio.wait_for(StreamedResponse(workers, work(), 206, {})(scope, None, send), 60)  # type: ignore[arg-type]
        workers.close()

    asyncio.run(run())
    assert sent == []
    assert worked < 50
