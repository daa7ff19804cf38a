"""Slots: who counts as one client, who waits, and who makes room (docs/safety.md E7)."""

import asyncio
import contextlib
import socket
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from catalog.limits import MAX_WAITING_REQUESTS
from catalog.server.guard.slots import BusyError, Slots
from catalog.server.settings import ServerLimits
from tests.server.serving import Blocks, serving

ONE = replace(ServerLimits(), in_flight=1)


@pytest.mark.parametrize(
    ("addresses", "together"),
    [
        (("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"), True),
        (("2001:db8:1:2::1", "2001:db8:1:3::1"), False),
        (("192.0.2.1", "::ffff:192.0.2.1"), True),
        (("192.0.2.1", "192.0.2.2"), False),
        (("::1", "127.0.0.1"), False),
    ],
)
def test_an_ipv6_network_is_one_client(addresses: tuple[str, str], together: bool) -> None:
    slots = Slots(replace(ServerLimits(), per_client=1))
    with slots.take(addresses[0]), pytest.raises(BusyError) if together else contextlib.nullcontext(), slots.take(addresses[1]):
        pass


def test_those_who_wait_are_served_in_order_and_nobody_looks_for_a_slot_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    def look() -> float:
        nonlocal looks
        looks += 1
        return time.monotonic()

    monkeypatch.setattr("catalog.server.guard.slots.time", SimpleNamespace(monotonic=look))

    async def run() -> list[int]:
        slots, served = Slots(ONE), []

        async def ask(number: int) -> None:
            await slots.wait("192.0.2.1", 20)
            with slots.take("192.0.2.1"):
                served.append(number)
                await asyncio.sleep(0)

        with slots.take("192.0.2.9"):
            asking = [asyncio.create_task(ask(number)) for number in range(50)]
            await asyncio.sleep(0)
            assert (begun := looks) >= 50
            await asyncio.sleep(0.3)
            assert looks == begun
        await asyncio.gather(*asking)
        return served

    assert asyncio.run(run()) == list(range(50))


def test_only_so_many_wait() -> None:
    async def run() -> None:
        slots = Slots(ONE)
        with slots.take("192.0.2.9"):
            waiting = [asyncio.create_task(slots.wait("192.0.2.1", 20)) for _ in range(MAX_WAITING_REQUESTS)]
            await asyncio.sleep(0)
            await asyncio.wait_for(slots.wait("192.0.2.1", 20), 60)
            for one in waiting:
                one.cancel()

    asyncio.run(run())


def test_a_slot_that_its_client_does_not_use_is_for_the_next() -> None:
    async def run() -> None:
        slots = Slots(ONE)
        with slots.take("192.0.2.9"):
            gone, waiting = (asyncio.create_task(slots.wait("192.0.2.1", 20)) for _ in range(2))
            await asyncio.sleep(0)
        await gone
        slots.pass_on()
        await asyncio.wait_for(waiting, 60)

    asyncio.run(run())


def test_slow_readers_keep_nobody_out() -> None:
    """They may hold all slots while nobody else needs one; those who read what they asked for are not cut off."""
    blocks = Blocks()
    leaves = [blocks.add(bytes((number,)) * (1 << 20)) for number in range(16)]
    body = "\n".join(map(str, leaves)).encode()
    request = b"POST /dcat/v1/blocks HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with serving(blocks, limits=replace(ServerLimits(), in_flight=8, stall_grace=0.3)) as served, contextlib.ExitStack() as stack:
        for _ in range(8):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", served.port))
            connection.sendall(request)
        deadline = time.monotonic() + 60
        while served.ask("/health").status != 200:
            assert time.monotonic() < deadline
        assert len(served.ask("/dcat/v1/blocks", "POST", body).blocks()) == 16
        assert sum("the client left" in line for line in served.log) <= 2
