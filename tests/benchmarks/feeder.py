"""An upgrade by plain ``docker pull`` from ``dcat serve --fetch`` beside one from docker-registry, on the same simulated line.

The feeder follows a ``dcat serve`` at the far end and holds the first version, as the engine does; its copy of the second arrives
while the engine pulls it. The engine reads from it on its own machine, so what is on the line is the delta.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.harness import DCAT, Report, Run, by_turns, median, ratio, run, surroundings
from tests.benchmarks.images import Pair, image_pairs
from tests.benchmarks.network import Line, Relayed, read_line, relayed, simulated_line, started
from tests.benchmarks.serve import cpu_of
from tests.benchmarks.servers import StartEngine, pull, push, serving
from tests.compat.engines import PrivateEngine, run_docker20, run_docker29

MB = 1_000_000
_PORT = 5078
_ENGINES: Mapping[str, StartEngine] = {"docker 29": run_docker29, "docker 20.10": run_docker20}
_WIRE = {"web": "≤ 1.3", "sci": "≤ 0.45"}


@dataclass(frozen=True, slots=True)
class _Rate:
    """A line, the engines that are measured on it, and what is wanted of the time, by pair."""

    megabits: int
    round_trip: int  # ms
    engines: tuple[str, ...]
    rounds: int
    wanted: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.megabits} Mbit/s, {self.round_trip} ms"


_RATES = (
    _Rate(100, 20, ("docker 29", "docker 20.10"), 3, {"web": "≤ 1.05", "sci": "≤ 0.45"}),
    _Rate(10, 40, ("docker 29",), 2, {"web": "≤ 0.35", "sci": "≤ 0.1"}),
)


@dataclass(frozen=True, slots=True)
class _Place:
    """The near end: an engine, the homes of the feeder below ``folder``, and relays to the servers at the far end."""

    line: Line
    engine: PrivateEngine
    folder: Path
    server: Relayed
    registry: Relayed

    def environment(self, home: str) -> dict[str, str]:
        folder = self.folder / "near"
        return {"DCAT_HOME": str(folder / home), "HOME": str(folder), "DCAT_CONFIG": str(folder / "config.toml")}

    def dcat(self, *arguments: str) -> None:
        """Run dcat with the home that each round begins with."""
        run([*self.line.near, *DCAT, *arguments, "--quiet"], environment=surroundings(**self.environment("held")))

    @contextmanager
    def feeding(self, home: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Run the feeder."""
        serve = [*self.line.near, *DCAT, "serve", "--fetch", "--port", str(_PORT), "--json"]
        with started(serve, **self.environment(home)) as process:
            json.loads(read_line(process.stdout))
            yield process


def measure(report: Report) -> None:
    """Serve both pairs at the far end, by dcat and by a registry, and upgrade from the first to the second at the near end."""
    pairs = image_pairs()
    images = [image for pair in pairs.values() for image in (pair.first, pair.second)]
    with tempfile.TemporaryDirectory(prefix="dcat-bench-") as text, simulated_line() as line, ExitStack() as stack:
        folder = Path(text)
        servers = stack.enter_context(serving(folder, images, line))
        line.shape(1000)
        with relayed(line, servers.registry, 0) as registry, run_docker20(line.near) as engine:
            push(engine, images, registry.address)
        for rate in _RATES:
            delay = rate.round_trip / 2000
            with relayed(line, servers.dcat, delay) as server, relayed(line, servers.registry, delay) as registry:
                for name in rate.engines:
                    with _ENGINES[name](line.near) as engine:
                        place = _Place(line, engine, folder, server, registry)
                        for pair in pairs.values():
                            _measure_upgrade(report, place, pair, rate, name)


def _measure_upgrade(report: Report, place: _Place, pair: Pair, rate: _Rate, engine: str) -> None:
    name, old, new = pair.first.name, pair.first.reference, pair.second.reference
    fed = f"localhost:{_PORT}/team"
    place.line.shape(1000)
    (place.folder / "near").mkdir()
    place.dcat("subscribe", "team", f"http://{place.server.address}", "--yes")
    place.dcat("pull", f"team/{name}@{pair.first.version}", "--no-load")
    with place.feeding("held"):
        pull(place.engine, f"{fed}/{old}")
    pull(place.engine, f"{place.registry.address}/{old}")
    place.line.shape(rate.megabits)
    moved: dict[str, int] = {}
    cpu: list[float] = []

    def pull_new(source: str, image: str, relay: Relayed) -> Run:
        relay.passed()
        done = pull(place.engine, image)
        passed = relay.passed()
        moved[source] = passed.sent + passed.received
        place.engine.run("rmi", image)
        return done

    def from_feeder() -> Run:
        home = place.folder / "near/round"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(place.folder / "near/held", home)
        os.sync()
        with place.feeding("round") as process:
            before = cpu_of(process.pid)
            done = pull_new("feeder", f"{fed}/{new}", place.server)
            cpu.append(cpu_of(process.pid) - before)
        return done

    def from_registry() -> Run:
        return pull_new("registry", f"{place.registry.address}/{new}", place.registry)

    runs = by_turns({"feeder": from_feeder, "registry": from_registry}, rate.rounds)
    what = f"{rate}: upgrade of {name} by {engine}"
    report.add(f"{what} from docker-registry", median(runs["registry"]), "s")
    report.add(f"{what} from the feeder", median(runs["feeder"]), "s")
    report.add(f"{what}, feeder / docker-registry, time", ratio(runs["feeder"], runs["registry"]), "×", rate.wanted[name])
    report.add(f"{what} from docker-registry: moved", moved["registry"] / MB, "MB")
    report.add(f"{what} from the feeder: moved", moved["feeder"] / MB, "MB", _WIRE[name])
    report.add(f"{what}: processor time of the feeder", sum(cpu) / rate.rounds, "s")
    place.engine.clear()
    shutil.rmtree(place.folder / "near")
