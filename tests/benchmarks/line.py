"""Pulling from a teammate's ``dcat serve`` beside ``docker pull`` from a registry, on the same simulated line.

A first pull, and the upgrade to a second version where the engine (and dcat's home) has the first. Loading included. The line holds
back each byte for half its round trip; that TCP starts slowly on a real one is not simulated. Each row is one pull of one pair on
one line, and is run alone by its name: ``python -m tests.benchmarks line:100mbit-sci-upgrade``.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from tests.benchmarks.harness import DCAT, Report, Run, by_turns, median, ratio, run, surroundings
from tests.benchmarks.images import PACKAGES, ImageFile, Pair, image_pairs
from tests.benchmarks.relay import Passed
from tests.benchmarks.servers import ENGINES, NearEnd, Rate, across, pull

MB = 1_000_000
_ENGINE = "docker20"
_FIRST, _UPGRADE = "first", "upgrade"
_WIRE = {"web": "≤ 0.7, by delta ≤ 1.3 MB", "sci": "≤ 0.25, by delta ≤ 0.45 MB"}


@dataclass(frozen=True, slots=True)
class _Rate(Rate):
    """A line: which pulls are measured on it and how often, and what is wanted of an upgrade's time, by pair."""

    rounds: Mapping[tuple[str, str], int]
    wanted: Mapping[str, str]


_RATES: Mapping[str, _Rate] = {
    # Of what takes longest there are fewer rounds: nearly all of its time is the line, and varies little.
    "100mbit": _Rate(
        100,
        20,
        {("web", _FIRST): 2, ("web", _UPGRADE): 3, ("sci", _FIRST): 1, ("sci", _UPGRADE): 3},
        {"web": "≤ 0.75, by delta ≤ 0.9", "sci": "≤ 0.5, by delta ≤ 0.35"},
    ),
    "10mbit": _Rate(10, 40, {("web", _UPGRADE): 3, ("sci", _UPGRADE): 1}, {"web": "≤ 0.35", "sci": "≤ 0.08"}),
}


@dataclass(frozen=True, slots=True)
class _Place(NearEnd):
    """Everything one round needs."""

    def dcat(self, home: str, *arguments: str) -> Run:
        """Run dcat at the near end."""
        folder = self.folder / home
        environment = surroundings(DCAT_HOME=str(folder), HOME=str(self.folder), DOCKER_HOST=self.engine.host)
        environment["DCAT_CONFIG"] = str(self.folder / "config.toml")
        return run([*self.line.near, *DCAT, *arguments, "--quiet"], environment=environment)


def measure(report: Report) -> None:
    """Measure every row."""
    for row in ROWS.values():
        row(report)


def _measure(rate_name: str, name: str, what: str, report: Report) -> None:
    """Serve a pair at the far end, by dcat and by a registry, and pull one of its images at the near end."""
    rate, pair = _RATES[rate_name], image_pairs()[name]
    _, start = ENGINES[_ENGINE]
    with across(_Place, pair, rate, start) as place:
        place.line.shape(1000)
        place.dcat("near", "subscribe", "team", f"http://{place.server.address}", "--yes")
        if what == _UPGRADE:
            _bring_first(place, pair)
        place.line.shape(rate.megabits)
        image = pair.second if what == _UPGRADE else pair.first
        times, wire = _pull_by_turns(place, image, rate.rounds[name, what])
    if what == _UPGRADE:
        _tell(report, f"{rate}: upgrade of {name} to {image.version}", times, wire, rate.wanted[name], _WIRE[name])
    else:
        _tell(report, f"{rate}: first pull of {name} {image.version}", times, wire, "≤ 1.2", "≤ 1.05")


def _bring_first(place: _Place, pair: Pair) -> None:
    """Bring the first version to the near end: into dcat's home, and into the engine."""
    place.dcat("near", "pull", f"team/{pair.first.name}@{pair.first.version}", "--no-load")
    pull(place.engine, f"{place.registry.address}/{pair.first.reference}")


def _pull_by_turns(place: _Place, image: ImageFile, rounds: int) -> tuple[dict[str, list[Run]], dict[str, Passed]]:
    wire: dict[str, Passed] = {}

    def pull_by_dcat() -> Run:
        home = place.folder / "round"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(place.folder / "near", home)
        os.sync()  # else the pull waits for the copy to be on the disk
        place.server.passed()
        pulled = place.dcat("round", "pull", f"team/{image.name}@{image.version}")
        wire["dcat"] = place.server.passed()
        place.engine.run("rmi", f"team/{image.reference}")
        return pulled

    def pull_by_docker() -> Run:
        tag = f"{place.registry.address}/{image.reference}"
        place.registry.passed()
        pulled = pull(place.engine, tag)
        wire["docker"] = place.registry.passed()
        place.engine.run("rmi", tag)
        return pulled

    return by_turns({"dcat": pull_by_dcat, "docker": pull_by_docker}, rounds), wire


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


ROWS: Mapping[str, Callable[[Report], None]] = {
    f"{rate_name}-{name}-{what}": partial(_measure, rate_name, name, what)
    for rate_name, rate in _RATES.items()
    for name in PACKAGES
    for what in (_FIRST, _UPGRADE)
    if (name, what) in rate.rounds
}
