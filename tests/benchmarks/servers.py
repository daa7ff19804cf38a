"""``dcat serve`` and docker-registry side by side with the same images, and pulls from them by real engines."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.benchmarks.harness import DCAT, Run, run, surroundings
from tests.benchmarks.images import FOLDER, ImageFile, Pair
from tests.benchmarks.network import FAR_ADDRESS, Line, Relayed, read_line, relayed, simulated_line, started
from tests.compat.containerd import run_node
from tests.compat.engines import PrivateEngine, run_docker20, run_docker29, run_podman, run_registry

_INSECURE = (f"--insecure-registry={FAR_ADDRESS}/32",)  # docker speaks plain HTTP by itself only with this machine
_PULL_FLAGS = {"podman": ("--quiet", "--tls-verify=false"), "containerd": ()}

StartEngine = Callable[[Sequence[str], Sequence[str]], AbstractContextManager[PrivateEngine]]
"""Start an engine in the network that the words lead to which stand before its command; it pulls from those registries by HTTP."""


@dataclass(frozen=True, slots=True)
class Servers:
    """The addresses of both, as ``host:port``, and the process of ``dcat serve``."""

    dcat: str
    registry: str
    process: int


@contextmanager
def serving(folder: Path, pair: Pair, images: Sequence[ImageFile], line: Line | None = None) -> Iterator[Servers]:
    """Publish images of a pair and serve them by dcat, beside a registry that has the pair: at the far end of a line, or here."""
    data = _filled_registry(pair)
    home = {"DCAT_HOME": str(folder / "far"), "HOME": str(folder)}
    for image in images:
        publish = [*DCAT, "publish", image.name, image.version, "--from", str(image.path), "--quiet"]
        run(publish, environment=surroundings(**home))
    within = line.far if line else ()
    public = ("--host", FAR_ADDRESS, "--public", "--yes") if line else ()
    host = FAR_ADDRESS if line else "127.0.0.1"
    serve = [*within, *DCAT, "serve", "--port", "0", "--json", *public]
    with run_registry(host, within, data) as registry, started(serve, **home) as process:
        port = json.loads(read_line(process.stdout))["url"].rstrip("/").rpartition(":")[2]
        yield Servers(f"{host}:{port}", registry, process.pid)


@dataclass(frozen=True, slots=True)
class Rate:
    """How quick a line is."""

    megabits: int
    round_trip: int  # ms

    def __str__(self) -> str:
        return f"{self.megabits} Mbit/s, {self.round_trip} ms"


@dataclass(frozen=True, slots=True)
class NearEnd:
    """The near end of a line: an engine, a folder for homes, and relays to both servers at the far end."""

    line: Line
    engine: PrivateEngine
    folder: Path
    server: Relayed
    registry: Relayed


NearEndT = TypeVar("NearEndT", bound=NearEnd)


@contextmanager
def across(kind: type[NearEndT], pair: Pair, rate: Rate, start: StartEngine) -> Iterator[NearEndT]:
    """Serve both versions of a pair at the far end of a line, with the delay of ``rate``; its megabits are not set yet."""
    delay = rate.round_trip / 2000
    with (
        simulated_line() as line,
        tempfile.TemporaryDirectory(prefix="dcat-bench-") as text,
        serving(Path(text), pair, [pair.first, pair.second], line) as servers,
        relayed(line, servers.dcat, delay) as server,
        relayed(line, servers.registry, delay) as registry,
        start(line.near, ()) as engine,
    ):
        yield kind(line, engine, Path(text), server, registry)


def pull(engine: PrivateEngine, image: str) -> Run:
    """Pull an image by the engine's own command, over plain HTTP."""
    os.sync()  # else the pull waits until what was done before it is on the disk
    flags = _PULL_FLAGS.get(engine.name, ("--quiet",))
    return run([*engine.command, "pull", *flags, image], environment=engine.environment)


def _filled_registry(pair: Pair) -> Path:
    """Return the data of a registry into which Docker 20.10 pushed a pair: made once beside the images, and whenever these are."""
    images = (pair.first, pair.second)
    data = FOLDER / f"registry-{pair.first.name}"
    if data.exists() and all(image.path.stat().st_mtime < data.stat().st_mtime for image in images):
        return data
    partial = data.with_suffix(".partial")
    for folder in (data, partial):
        shutil.rmtree(folder, ignore_errors=True)
    with run_registry(data=partial) as registry, run_docker20() as engine:
        for image in images:
            tag = f"{registry}/{image.reference}"
            engine.run("load", "--input", str(image.path))
            engine.run("tag", image.reference, tag)
            engine.run("push", "--quiet", tag)
    return partial.replace(data)


class _Containerd(PrivateEngine):
    """containerd alone, asked by crictl as kubelet asks."""

    def clear(self) -> None:
        """Remove all images; their layers are collected before this returns."""
        self.run("rmi", "--all")


@contextmanager
def _run_containerd(within: Sequence[str], registries: Sequence[str]) -> Iterator[PrivateEngine]:
    with run_node(within=within, snapshotter="overlayfs", plain=registries) as node:
        yield _Containerd("containerd", node.socket, node.command, {"PATH": os.environ["PATH"], "HOME": str(node.socket.parent)})


ENGINES: Mapping[str, tuple[str, StartEngine]] = {
    "docker29": ("docker 29", lambda within, _: run_docker29(within, _INSECURE)),
    "docker20": ("docker 20.10", lambda within, _: run_docker20(within, _INSECURE)),
    "containerd": ("containerd", _run_containerd),
    "podman": ("podman", lambda within, _: run_podman(within)),
}
"""By the name that rows have: its name in figures, and how it is started."""
