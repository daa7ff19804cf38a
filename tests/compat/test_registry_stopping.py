"""`dcat serve` is told to stop while real clients pull: what runs ends whole, and a second server serves the rest."""

import json
import random
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from catalog.home.home import open_home
from catalog.intake.intake import Wanted
from catalog.operations.publish import publish
from tests.compat.engines import PrivateEngine
from tests.compat.tools import find_tool
from tests.factory.exports import source_of
from tests.factory.images import make_image
from tests.factory.platforms import HOST
from tests.factory.tars import make_layer
from tests.factory.times import NOW
from tests.fakes.relay import relaying
from tests.needs import ROOT

pytestmark = pytest.mark.xdist_group("engines")

_LAYER = 16_000_000  # more than the buffers of the sockets on the way hold
_HELD_AFTER = 1_000_000
_ENGINES = ("docker20", "podman")
_TOOLS = ("crane", "skopeo")
_GIVES_UP = "skopeo"  # it asks for the config last, when nobody listens any more
_PLAIN = re.compile(r"connection (reset|refused)|EOF")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with an image of noise for each client, so that none has a layer of another, or has to ask for a second one."""
    path = tmp_path_factory.mktemp("stopping")
    with open_home(path, now=NOW) as opened:
        for client in (*_ENGINES, *_TOOLS):
            noise = random.Random(client).randbytes(_LAYER)
            publish(opened, client, "1.0", source_of(make_image([make_layer({"noise": noise})])), Wanted(HOST))
    return path


@contextmanager
def serving(home: Path) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    command = [sys.executable, "-m", "cli.main", "serve", "--port", "0", "--json"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={"DCAT_HOME": str(home), "HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, int(json.loads(process.stdout.readline())["url"].rstrip("/").rpartition(":")[2])
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@dataclass
class Holding:
    """A relay that holds each connection which brings more than `_HELD_AFTER` bytes until it is let go on."""

    target: int
    port: int = 0
    holds: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)


@contextmanager
def holding_relay(target: int) -> Iterator[Holding]:
    holding = Holding(target)

    def answer(server: socket.socket, client: socket.socket) -> None:
        sent = 0
        while data := server.recv(65536):
            client.sendall(data)
            sent += len(data)
            if sent > _HELD_AFTER:
                holding.holds.set()
                holding.go_on.wait(60)

    with relaying(lambda: holding.target, answer) as holding.port:
        try:
            yield holding
        finally:
            holding.go_on.set()


def _stop_meanwhile(home: Path, client: str, start: Callable[[str], AbstractContextManager["subprocess.Popen[str]"]]) -> str:
    """Stop the server in the middle of a client's pull, whose layer must end; pull again from a second one. Return the image."""
    with serving(home) as (process, port), holding_relay(port) as holding:
        image = f"localhost:{holding.port}/{client}:1.0"
        with start(image) as pull:
            assert holding.holds.wait(60), "the client asked for no layer"
            process.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):  # it waits for what runs
                process.wait(1)
            holding.go_on.set()
            _, error = pull.communicate(timeout=300)
        assert process.wait(60) == 0
        if client == _GIVES_UP:
            assert pull.returncode == 0 or _PLAIN.search(error), error[-2000:]
        else:
            assert pull.returncode == 0, error[-2000:]
        with serving(home) as (_, second):
            holding.target = second
            with start(image) as again:
                _, error = again.communicate(timeout=300)
            assert again.returncode == 0, error[-2000:]
    return image


@contextmanager
def _start(command: list[str], **variables: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("name", [pytest.param("docker20", marks=pytest.mark.long), "podman"])
def test_engines(name: str, home: Path, request: pytest.FixtureRequest) -> None:
    engine: PrivateEngine = request.getfixturevalue(name)
    flags = ["--tls-verify=false"] if name == "podman" else []
    image = _stop_meanwhile(home, name, lambda image: _start([*engine.command, "pull", *flags, image], **engine.environment))
    engine.run("rmi", image)


@pytest.mark.parametrize("name", _TOOLS)
def test_tools(name: str, home: Path, tmp_path: Path) -> None:
    path = find_tool(name)
    commands: dict[str, Callable[[str], list[str]]] = {
        "skopeo": lambda image: [
            "--insecure-policy", "copy", "--src-tls-verify=false", f"docker://{image}", f"oci:{tmp_path}/layout:here"
        ],
        "crane": lambda image: ["pull", image, str(tmp_path / "image.tar")],
    }  # fmt: skip
    _stop_meanwhile(home, name, lambda image: _start([path, *commands[name](image)], HOME=str(tmp_path)))
