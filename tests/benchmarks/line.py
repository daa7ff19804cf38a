"""Pulling from a teammate's ``dcat serve`` beside ``docker pull`` from a registry, on the same simulated line.

A first pull, and the upgrade to a second version where the engine (and dcat's home) has the first. Loading included. The line holds
back each byte for half its round trip; that TCP starts slowly on a real one is not simulated.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.harness import DCAT, Report, Run, by_turns, median, ratio, run, surroundings
from tests.benchmarks.images import ImageFile, Pair, image_pairs
from tests.benchmarks.network import FAR_ADDRESS, Line, Relayed, read_line, relayed, simulated_line, started
from tests.benchmarks.relay import Passed
from tests.compat.engines import PrivateEngine, run_docker20, run_registry

MB = 1_000_000
ROUNDS = 3
# (Mbit/s, round trip in ms) → what is wanted of the upgrade's time, by pair
LINES = {
    (100, 20): {"web": "≤ 0.75, by delta ≤ 0.9", "sci": "≤ 0.5, by delta ≤ 0.35"},
    (10, 40): {"web": "≤ 0.35", "sci": "≤ 0.08"},
}
WIRE = {"web": "≤ 0.7, by delta ≤ 1.3 MB", "sci": "≤ 0.25, by delta ≤ 0.45 MB"}


@dataclass(frozen=True, slots=True)
class _Place:
    """Everything one round needs."""

    line: Line
    engine: PrivateEngine
    folder: Path
    server: Relayed
    registry: Relayed

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    def dcat(self, home: str, *arguments: str) -> Run:
        """Run dcat at the near end."""
        folder = self.folder / home
        environment = surroundings(DCAT_HOME=str(folder), HOME=str(self.folder), DOCKER_HOST=self.engine.host)
        environment["DCAT_CONFIG"] = str(self.config)
        return run([*self.line.near, *DCAT, *arguments], environment=environment)


def measure(report: Report) -> None:
    """Serve both pairs at the far end, by dcat and by a registry, and pull them at the near end."""
    pairs = image_pairs()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dcat-bench-")))
        line = stack.enter_context(simulated_line())
        engine = stack.enter_context(run_docker20(line.near))
        registry = stack.enter_context(run_registry(FAR_ADDRESS, line.far))
        far = {"DCAT_HOME": str(folder / "far"), "HOME": str(folder)}
        for pair in pairs.values():
            for image in (pair.first, pair.second):
                publish = [*DCAT, "publish", image.name, image.version, "--from", str(image.path), "--quiet"]
                run(publish, environment=surroundings(**far))
        serving = [*line.far, *DCAT, "serve", "--host", FAR_ADDRESS, "--port", "0", "--public", "--yes", "--json"]
        server = stack.enter_context(started(serving, **far))
        url = json.loads(read_line(server.stdout))["url"]
        for round_trip in sorted({ms for _, ms in LINES}):
            delay = round_trip / 2000
            place = _Place(
                line,
                engine,
                folder,
                stack.enter_context(relayed(line, url.removeprefix("http://").rstrip("/"), delay)),
                stack.enter_context(relayed(line, registry, delay)),
            )
            for pair in pairs.values():
                _push(place, pair)
            for megabits in sorted((rate for rate, ms in LINES if ms == round_trip), reverse=True):
                _measure_line(report, place, pairs, megabits, round_trip)


def _push(place: _Place, pair: Pair) -> None:
    """Put both images into the registry (the second time nothing travels), and leave the engine without them."""
    for image in (pair.first, pair.second):
        tag = f"{place.registry.address}/{image.reference}"
        place.engine.run("load", "--input", str(image.path))
        place.engine.run("tag", image.reference, tag)
        place.engine.run("push", "--quiet", tag)
    place.engine.clear()


def _measure_line(report: Report, place: _Place, pairs: dict[str, Pair], megabits: int, round_trip: int) -> None:
    place.line.shape(1000)
    place.dcat("near", "subscribe", "team", f"http://{place.server.address}", "--yes", "--quiet")
    title = f"{megabits} Mbit/s, {round_trip} ms"
    for name, pair in pairs.items():
        if megabits >= 100:
            place.line.shape(megabits)
            times, wire = _measure(place, pair.first, place.engine.clear)
            _tell(report, f"{title}: first pull of {name} 1.0", times, wire, "≤ 1.2", "≤ 1.05")
        place.line.shape(1000)
        place.dcat("near", "pull", f"team/{name}@1.0", "--no-load", "--quiet")
        place.engine.run("pull", f"{place.registry.address}/{pair.first.reference}")
        place.line.shape(megabits)
        times, wire = _measure(place, pair.second, lambda: None)
        _tell(report, f"{title}: upgrade of {name} to 1.1", times, wire, LINES[megabits, round_trip][name], WIRE[name])
        place.engine.clear()
    shutil.rmtree(place.folder / "near")
    place.config.unlink()  # which names the relay of this line as a source


def _measure(place: _Place, image: ImageFile, reset: Callable[[], None]) -> tuple[dict[str, list[Run]], dict[str, Passed]]:
    wire: dict[str, Passed] = {}

    def pull_by_dcat() -> Run:
        home = place.folder / "round"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(place.folder / "near", home)
        os.sync()  # else the pull waits for the copy to be on the disk
        place.server.passed()
        pulled = place.dcat("round", "pull", f"team/{image.name}@{image.version}", "--quiet")
        wire["dcat"] = place.server.passed()
        place.engine.run("rmi", f"team/{image.reference}")
        reset()
        return pulled

    def pull_by_docker() -> Run:
        tag = f"{place.registry.address}/{image.reference}"
        place.registry.passed()
        pulled = run([*place.engine.command, "pull", "--quiet", tag], environment=place.engine.environment)
        wire["docker"] = place.registry.passed()
        place.engine.run("rmi", tag)
        reset()
        return pulled

    return by_turns({"dcat": pull_by_dcat, "docker": pull_by_docker}, ROUNDS), wire


def _tell(
    report: Report, what: str, times: dict[str, list[Run]], wire: dict[str, Passed], time_wanted: str, wire_wanted: str
) -> None:
    moved = {name: passed.sent + passed.received for name, passed in wire.items()}
    report.add(f"{what}: docker pull", median(times["docker"]), "s")
    report.add(f"{what}: dcat pull", median(times["dcat"]), "s")
    report.add(f"{what}: dcat / docker, time", ratio(times["dcat"], times["docker"]), "×", time_wanted)
    report.add(f"{what}: docker pull, bytes both ways", moved["docker"] / MB, "MB")
    report.add(f"{what}: dcat pull, bytes both ways", moved["dcat"] / MB, "MB")
    report.add(f"{what}: dcat / docker, bytes", moved["dcat"] / moved["docker"], "×", wire_wanted)
    report.add(f"{what}: dcat pull, HTTP requests", wire["dcat"].requests, "requests", "≤ 4 for blocks")
