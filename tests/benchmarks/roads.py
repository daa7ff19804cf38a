"""The roads that an image takes out of an engine, by turns in one run: dcat by push and by export, and ``docker push``.

``docker push`` goes to Debian's registry and to ``dcat serve --push``. Each road takes the first version into something empty, then
the second one, of which it has most. Layers are plain, as of images that were loaded, or gzip, as of images that were pulled.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.harness import DCAT, Report, Run, by_turns, median, ratio, run, surroundings
from tests.benchmarks.images import Pair, image_pairs
from tests.compat.engines import PrivateEngine, run_docker20, run_docker29, run_registry, stop_process

ROUNDS = 3
# dcat as it is where an engine cannot push: it has images exported.
_EXPORT = """import sys
from catalog.intake import sources
from cli.main import main
sources.start_push = lambda *_: (None, "it was told to")
sys.exit(main())"""
EXPORTING = (sys.executable, "-c", _EXPORT)

Road = Callable[[Sequence[str], Path], list[Run]]
"""Takes references of the first and the second version, and an empty folder; returns one run for each."""


def measure_roads(name: str, origin: str, report: Report) -> None:
    """Measure a fresh Docker 29 with the containerd store, and a pair with ``plain`` or ``gzip`` layers."""
    pair = image_pairs()[name]
    with run_registry() as registry:
        if origin == "gzip":
            _compress(pair, registry)
        with run_docker29() as engine, tempfile.TemporaryDirectory(prefix="dcat-bench-") as folder:
            references = _fill(engine, pair, registry if origin == "gzip" else "")
            _measure(report, f"docker 29, {name}, {origin}", engine, references, Path(folder), origin)


def _compress(pair: Pair, registry: str) -> None:
    """Put a pair into a registry with gzip layers, as the classic store pushes them."""
    with run_docker20() as classic:
        for image in (pair.first, pair.second):
            classic.run("load", "--input", str(image.path))
            classic.run("tag", image.reference, f"{registry}/{image.reference}")
            classic.run("push", f"{registry}/{image.reference}")


def _fill(engine: PrivateEngine, pair: Pair, registry: str) -> list[str]:
    """Load a pair, or pull it from a registry; return its references."""
    references = []
    for image in (pair.first, pair.second):
        if registry:
            references.append(f"{registry}/{image.reference}")
            engine.run("pull", references[-1])
        else:
            references.append(image.reference)
            engine.run("load", "--input", str(image.path))
    return references


def _measure(report: Report, title: str, engine: PrivateEngine, references: Sequence[str], folder: Path, origin: str) -> None:
    roads: Mapping[str, Road] = {
        "export": lambda refs, place: _publish(engine, refs, place, EXPORTING),
        "push": lambda refs, place: _publish(engine, refs, place, DCAT),
        "registry": lambda refs, _: _push_to_registry(engine, refs),
        "serve": lambda refs, place: _push_to_dcat(engine, refs, place),
    }
    tours: dict[str, list[list[Run]]] = {name: [] for name in roads}

    def take(name: str) -> Run:
        place = folder / name
        shutil.rmtree(place, ignore_errors=True)
        os.sync()
        runs = roads[name](references, place)
        tours[name].append(runs)
        return runs[0]

    by_turns({name: lambda name=name: take(name) for name in roads}, ROUNDS)  # type: ignore[misc]
    goals = {"plain": ("≤ 0.45", "≤ 2.0"), "gzip": ("≤ 0.65", "≤ 2.0")}[origin], ("≤ 0.25", "≤ 1.2")
    for which, (label, (over_export, over_push)) in enumerate(zip(("first", "second"), goals, strict=True)):
        runs = {name: [tour[which] for tour in taken] for name, taken in tours.items()}
        for name, what in (
            ("export", "dcat publish by export"),
            ("push", "dcat publish by push"),
            ("registry", "docker push to Debian's registry"),
            ("serve", "docker push to dcat serve --push"),
        ):
            report.add(f"{title}, {label}: {what}", median(runs[name]), "s")
        report.add(f"{title}, {label}: publish by push / by export", ratio(runs["push"], runs["export"]), "×", over_export)
        report.add(f"{title}, {label}: publish by push / docker push", ratio(runs["push"], runs["registry"]), "×", over_push)
        report.add(f"{title}, {label}: docker push to dcat / to a registry", ratio(runs["serve"], runs["registry"]), "×", over_push)
        for name in ("export", "push"):
            cpu = min(one.cpu for one in runs[name])
            wanted = "≤ 1.8" if "web" in title and label == "first" else ""
            report.add(f"{title}, {label}: CPU of publish by {name}", cpu, "s", wanted)
            peak = max(one.peak for one in runs[name]) / 2**20
            report.add(f"{title}, {label}: peak memory of publish by {name}", peak, "MiB", "≤ 200")


def _publish(engine: PrivateEngine, references: Sequence[str], place: Path, program: Sequence[str]) -> list[Run]:
    environment = surroundings(DCAT_HOME=str(place), HOME=str(place.parent), DOCKER_HOST=engine.host)
    options = ("--quiet", "--no-delta", "--image")
    return [
        run([*program, "publish", "web", f"1.{number}", *options, reference], environment=environment)
        for number, reference in enumerate(references)
    ]


def _push_to_registry(engine: PrivateEngine, references: Sequence[str]) -> list[Run]:
    with run_registry() as registry:
        return _push(engine, references, registry)


def _push_to_dcat(engine: PrivateEngine, references: Sequence[str], place: Path) -> list[Run]:
    with _serving(place) as address:
        return _push(engine, references, address)


def _push(engine: PrivateEngine, references: Sequence[str], address: str) -> list[Run]:
    runs = []
    for number, reference in enumerate(references):
        tag = f"{address}/web:1.{number}"
        engine.run("tag", reference, tag)
        runs.append(run([*engine.command, "push", "--quiet", tag], environment=engine.environment))
        engine.run("rmi", tag)
    return runs


@contextmanager
def _serving(place: Path) -> Iterator[str]:
    command = [*DCAT, "--json", "serve", "--push", "--port", "0"]
    environment = surroundings(DCAT_HOME=str(place), HOME=str(place.parent))
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        yield str(json.loads(process.stdout.readline())["url"]).removeprefix("http://")
        process.stdout.close()
    finally:
        stop_process(process)
