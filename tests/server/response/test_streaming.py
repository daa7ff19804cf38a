"""Bodies that are read while they are sent, and left when nobody wants them any more (docs/safety.md E13)."""

import asyncio
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from starlette.types import Message

from catalog.server.guard.guard import ClientGoneError
from catalog.server.response.streaming import Pieces, StreamedResponse, Workers


def test_a_chunk_is_what_came_in_its_time_and_the_end_is_noted() -> None:
    pieces = Pieces(iter([b"a", b"", b"b"]))
    assert (pieces.read(), pieces.ended) == ([b"a", b"b"], True)


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
