"""``dcat serve`` and docker-registry side by side with the same images, and pulls from them by real engines."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.harness import DCAT, Run, run, surroundings
from tests.benchmarks.images import ImageFile
from tests.benchmarks.network import FAR_ADDRESS, Line, read_line, started
from tests.compat.engines import PrivateEngine, run_registry

StartEngine = Callable[[Sequence[str]], AbstractContextManager[PrivateEngine]]
"""Start an engine in the network that the words lead to which stand before its command."""


@dataclass(frozen=True, slots=True)
class Servers:
    """The addresses of both, as ``host:port``, and the process of ``dcat serve``."""

    dcat: str
    registry: str
    process: int


@contextmanager
def serving(folder: Path, images: Sequence[ImageFile], line: Line | None = None) -> Iterator[Servers]:
    """Publish the images and serve them by dcat, and run an empty registry beside it: at the far end of a line, or here."""
    home = {"DCAT_HOME": str(folder / "far"), "HOME": str(folder)}
    for image in images:
        publish = [*DCAT, "publish", image.name, image.version, "--from", str(image.path), "--quiet"]
        run(publish, environment=surroundings(**home))
    within = line.far if line else ()
    public = ("--host", FAR_ADDRESS, "--public", "--yes") if line else ()
    host = FAR_ADDRESS if line else "127.0.0.1"
    serve = [*within, *DCAT, "serve", "--port", "0", "--json", *public]
    with run_registry(host, within) as registry, started(serve, **home) as process:
        port = json.loads(read_line(process.stdout))["url"].rstrip("/").rpartition(":")[2]
        yield Servers(f"{host}:{port}", registry, process.pid)


def push(engine: PrivateEngine, images: Sequence[ImageFile], registry: str) -> None:
    """Push the images, and leave the engine without them."""
    for image in images:
        tag = f"{registry}/{image.reference}"
        engine.run("load", "--input", str(image.path))
        engine.run("tag", image.reference, tag)
        engine.run("push", "--quiet", tag)
    engine.clear()


def pull(engine: PrivateEngine, image: str) -> Run:
    """Pull an image by the engine's own command, over plain HTTP."""
    flags = ("--tls-verify=false",) if engine.name == "podman" else ()
    os.sync()  # else the pull waits until what was done before it is on the disk
    return run([*engine.command, "pull", "--quiet", *flags, image], environment=engine.environment)
