"""An upgrade by plain ``docker pull`` from ``dcat serve --fetch`` beside one from docker-registry, on the same simulated line.

The feeder follows a ``dcat serve`` at the far end and holds the first version, as the engine does; its copy of the second arrives
while the engine pulls it. The engine reads from it on its own machine, so what is on the line is the delta. Each row is one engine
and one pair on one line, takes less than a minute and a half on a quiet machine, and is run alone by its name:
``python -m tests.benchmarks feeder:100mbit-docker29-sci``.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from tests.benchmarks.harness import DCAT, Report, Run, by_turns, median, ratio, run, surroundings
from tests.benchmarks.images import PACKAGES, Pair, image_pairs
from tests.benchmarks.network import Relayed, read_line, started
from tests.benchmarks.serve import cpu_of
from tests.benchmarks.servers import ENGINES, NearEnd, Rate, across, pull

MB = 1_000_000
_PORT = 5078
_MEASURED = ("docker29", "docker20")
_WIRE = {"web": "≤ 1.3", "sci": "≤ 0.45"}


@dataclass(frozen=True, slots=True)
class _Rate(Rate):
    """A line, and by pair what is wanted of the time on it, and how many rounds there are."""

    rounds: Mapping[str, int]
    wanted: Mapping[str, str]


_RATES: Mapping[str, _Rate] = {
    "100mbit": _Rate(100, 20, {"web": 3, "sci": 3}, {"web": "≤ 1.05", "sci": "≤ 0.45"}),
    # one round of sci: it takes the registry a minute, nearly all of which is the line
    "10mbit": _Rate(10, 40, {"web": 2, "sci": 1}, {"web": "≤ 0.35", "sci": "≤ 0.1"}),
}


@dataclass(frozen=True, slots=True)
class _Place(NearEnd):
    """The near end: an engine, the homes of the feeder below ``folder``, and relays to the servers at the far end."""

    def environment(self, home: str) -> dict[str, str]:
        folder = self.folder / "near"
        return {"DCAT_HOME": str(folder / home), "HOME": str(folder), "DCAT_CONFIG": str(folder / "config.toml")}

    def dcat(self, home: str, *arguments: str) -> None:
        """Run dcat at the near end."""
        run([*self.line.near, *DCAT, *arguments, "--quiet"], environment=surroundings(**self.environment(home)))

    def copy(self, home: str, to: str) -> None:
        """Copy a home; the copy is on the disk when this returns."""
        shutil.rmtree(self.folder / "near" / to, ignore_errors=True)
        shutil.copytree(self.folder / "near" / home, self.folder / "near" / to)
        os.sync()

    @contextmanager
    def feeding(self, home: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Run the feeder."""
        serve = [*self.line.near, *DCAT, "serve", "--fetch", "--port", str(_PORT), "--json"]
        with started(serve, **self.environment(home)) as process:
            json.loads(read_line(process.stdout))
            yield process


def measure(report: Report) -> None:
    """Measure every row."""
    for row in ROWS.values():
        row(report)


def _measure(rate_name: str, engine_name: str, name: str, report: Report) -> None:
    """Serve a pair at the far end, by dcat and by a registry, and upgrade from the first to the second at the near end."""
    rate, pair = _RATES[rate_name], image_pairs()[name]
    title, start = ENGINES[engine_name]
    with across(_Place, pair, rate, start) as place:
        _prepare(place, pair)
        place.line.shape(rate.megabits)
        _measure_upgrade(report, place, pair, rate, title)


def _prepare(place: _Place, pair: Pair) -> None:
    """Bring the first version to the near end, over a fast line: to the feeder's home ``old``, and to the engine from both.

    The home ``whole`` has both versions.
    """
    place.line.shape(1000)
    (place.folder / "near").mkdir()
    place.dcat("old", "subscribe", "team", f"http://{place.server.address}", "--yes")
    place.dcat("old", "pull", f"team/{pair.first.name}@{pair.first.version}", "--no-load")
    place.copy("old", "whole")
    place.dcat("whole", "pull", f"team/{pair.second.name}@{pair.second.version}", "--no-load")
    # Docker 20.10 pulls nothing of an image whose ID it has, and so would not learn what the layers of the other server are called.
    of_registry = f"{place.registry.address}/{pair.first.reference}"
    pull(place.engine, of_registry)
    place.engine.run("rmi", of_registry)
    with place.feeding("old"):
        pull(place.engine, f"localhost:{_PORT}/team/{pair.first.reference}")
    pull(place.engine, of_registry)


def _measure_upgrade(report: Report, place: _Place, pair: Pair, rate: _Rate, engine: str) -> None:
    name, new = pair.second.name, pair.second.reference
    moved: dict[str, int] = {}
    requests: list[int] = []
    cpu: dict[str, list[float]] = {}

    def pull_new(source: str, image: str, relay: Relayed) -> Run:
        relay.passed()
        done = pull(place.engine, image)
        passed = relay.passed()
        moved[source] = passed.sent + passed.received
        if source == "feeder":
            requests.append(passed.requests)
        place.engine.run("rmi", image)
        return done

    def from_feeder(source: str, home: str) -> Run:
        place.copy(home, "round")
        with place.feeding("round") as process:
            before = cpu_of(process.pid)
            done = pull_new(source, f"localhost:{_PORT}/team/{new}", place.server)
            cpu.setdefault(source, []).append(cpu_of(process.pid) - before)
        return done

    def from_registry() -> Run:
        return pull_new("registry", f"{place.registry.address}/{new}", place.registry)

    rounds = rate.rounds[name]
    cases: Mapping[str, Callable[[], Run]] = {
        "feeder": partial(from_feeder, "feeder", "old"),
        "registry": from_registry,
        "holding": partial(from_feeder, "holding", "whole"),
    }
    runs = by_turns(cases, rounds)
    what = f"{rate}: upgrade of {name} by {engine}"
    report.add(f"{what} from docker-registry", median(runs["registry"]), "s")
    report.add(f"{what} from the feeder", median(runs["feeder"]), "s")
    report.add(f"{what}, feeder / docker-registry, time", ratio(runs["feeder"], runs["registry"]), "×", rate.wanted[name])
    report.add(f"{what} from a feeder that has it", median(runs["holding"]), "s")
    report.add(f"{what}, a feeder that has it / docker-registry, time", ratio(runs["holding"], runs["registry"]), "×")
    report.add(f"{what} from docker-registry: moved", moved["registry"] / MB, "MB")
    report.add(f"{what} from the feeder: moved", moved["feeder"] / MB, "MB", _WIRE[name])
    report.add(f"{what}: HTTP requests of the feeder", max(requests), "requests")
    report.add(f"{what}: processor time of the feeder", min(cpu["feeder"]), "s")
    report.add(f"{what}: processor time of a feeder that has it", min(cpu["holding"]), "s")


ROWS: Mapping[str, Callable[[Report], None]] = {
    f"{rate}-{engine}-{name}": partial(_measure, rate, engine, name) for rate in _RATES for engine in _MEASURED for name in PACKAGES
}
