"""Listening, stopping, chores; what a server binds by default (docs/safety.md E9)."""

import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from typing import Any

import pytest

from catalog.errors import InvalidConfigError, LockedError
from catalog.server.chores import Chore
from catalog.server.settings import ServerLimits, ServerSettings
from tests.needs import ROOT
from tests.server.guard.test_guard import SlowBlocks, held_up
from tests.server.serving import Blocks, Served, serving


def test_the_default_is_loopback(served: Served) -> None:
    assert ServerSettings().listening_host == "127.0.0.1"
    assert ServerSettings().port == 5078
    assert served.server.host == "127.0.0.1"
    assert served.server.url == f"http://127.0.0.1:{served.port}"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org", "127.0.0.1.example.org"])
def test_what_others_can_reach_needs_to_be_said(host: str) -> None:
    with pytest.raises(InvalidConfigError, match="reached from outside"):
        _ = ServerSettings(host=host).listening_host
    assert ServerSettings(host=host, public=True).listening_host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "::ffff:127.0.0.1"])
def test_loopback_has_many_addresses(host: str) -> None:
    assert ServerSettings(host=host).listening_host == host


def test_an_address_in_brackets_is_that_address() -> None:
    assert ServerSettings(host="[::1]").listening_host == "::1"


@pytest.mark.parametrize("host", ["::ffff:192.0.2.1", "no such host", "h\u00f6" * 40, "192.0.2.1"])
def test_what_it_cannot_listen_on_is_said_plainly(host: str) -> None:
    with (
        pytest.raises(InvalidConfigError, match="cannot listen on") as caught,
        serving(settings=ServerSettings(host=host, port=0, public=True)),
    ):
        pass
    assert "[Errno" not in caught.value.why
    assert caught.value.hint


def test_public_means_every_address() -> None:
    assert ServerSettings(public=True).listening_host == "0.0.0.0"
    with serving(settings=ServerSettings(port=0, public=True)) as served:
        assert served.server.host == "0.0.0.0"
        assert served.ask("/health").status == 200


def test_a_taken_port_says_so(served: Served) -> None:
    with pytest.raises(LockedError, match="is taken"), serving(settings=ServerSettings(port=served.port)):
        pass
    with pytest.raises(InvalidConfigError, match="cannot listen"), serving(settings=ServerSettings(port=70000)):
        pass


def test_chores_run_again_and_failures_are_logged() -> None:
    done = threading.Semaphore(0)

    def fail() -> None:
        done.release()
        raise RuntimeError("no\nluck")

    with serving(chores=(Chore("renew", 0.01, fail),)) as served:
        for _ in range(3):
            assert done.acquire(timeout=60)
        served.wait_for_log(r"renew failed: RuntimeError: no\x0aluck")


def test_stopping_waits_for_what_is_in_flight_but_not_for_ever() -> None:
    blocks = SlowBlocks()
    cid = blocks.add(b"slow")
    with serving(blocks) as served, held_up(served, cid, 1):
        served.server.stop()
        blocks.gate.set()
    blocks = SlowBlocks()
    cid = blocks.add(b"slow")
    with serving(blocks, limits=replace(ServerLimits(), shutdown_timeout=0.2)) as served, held_up(served, cid, 3):
        served.server.stop()
    blocks.gate.set()


SCRIPT = """
import datetime, sys
from catalog.server.running import run_server
from catalog.server.settings import ServerSettings
from catalog.server.site.site import Site
from tests.server.serving import Blocks, Records

site = Site(Blocks(), Records(), lambda: None, lambda: datetime.datetime.now(datetime.UTC))
run_server(site, ServerSettings(port=0), ready=lambda server: print(server.port, flush=True), log=lambda line: None)
print("ended", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_in_order(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            process.send_signal(number)
            assert process.wait(60) == 0
            assert process.stdout.read() == "ended\n"
            assert connection.recv(1) == b""


def test_local_blocks_are_all_that_is_asked() -> None:
    """Figure of E8: what is not held is 404, and no socket is opened for it."""
    opened: list[object] = []
    with serving(Blocks()) as served:
        connect = socket.socket.connect
        thread = threading.get_ident()

        def watch(self: socket.socket, address: Any) -> None:
            if threading.get_ident() != thread:
                opened.append(address)
            connect(self, address)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket.socket, "connect", watch)
            for number in range(200):
                cid = Blocks().add(b"%d" % number)
                for query in ("?format=raw", "?format=car", ""):
                    assert served.ask(f"/ipfs/{cid}{query}").status == 404
    assert opened == []
