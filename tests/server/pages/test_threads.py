"""Pages are made by few threads, and not for clients that left (docs/safety.md E13)."""

import asyncio
import threading
from types import SimpleNamespace

import pytest
from starlette.requests import Request

from catalog.limits import MAX_SLOW_PAGES
from catalog.server.guard.guard import ClientGoneError
from catalog.server.pages.threads import PagesBusyError, PageThreads
from catalog.server.response.streaming import Workers


class Client:
    """A client that can leave."""

    def __init__(self) -> None:
        self.gone = False
        transport = SimpleNamespace(is_closing=lambda: self.gone)
        self.request = Request({"type": "http", "headers": [], "extensions": {"dcat.transport": {"transport": transport}}})


def test_slow_pages_have_a_limit_hold_up_no_quick_one_and_end_with_their_clients() -> None:
    gate, made = threading.Event(), []

    def slow(gone: object) -> None:
        assert callable(gone)
        assert gate.wait(60)
        made.append(gone())

    async def run() -> None:
        workers = Workers()
        threads, client, leaver = PageThreads(workers), Client(), Client()
        waiting = [
            asyncio.create_task(threads.run((leaver if number else client).request, slow, is_slow=True))
            for number in range(MAX_SLOW_PAGES)
        ]
        await asyncio.sleep(0)
        with pytest.raises(PagesBusyError):
            await threads.run(client.request, slow, is_slow=True)
        assert await threads.run(client.request, lambda _: "quick", is_slow=False) == "quick"
        leaver.gone = True
        gate.set()
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert sum(isinstance(one, ClientGoneError) for one in ended) >= MAX_SLOW_PAGES - 3
        assert False in made  # the one that stayed
        assert await threads.run(client.request, lambda _: "slow", is_slow=True) == "slow"
        workers.close()

    asyncio.run(run())
