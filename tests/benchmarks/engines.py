"""First pulls of *web* into an empty engine: from ``dcat serve`` by turns with docker-registry.

On a simulated line of 100 Mbit/s with a round trip of 20 ms, on the same machine, and on a line of 1 Gbit/s that delays nothing.
Each row is one engine at one of these places, takes less than a minute and a half on a quiet machine, and is run alone by its name:
``python -m tests.benchmarks engines:1gbit-podman``.
"""

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.benchmarks.harness import Report, Run, by_turns, median, ratio
from tests.benchmarks.images import image_pairs
from tests.benchmarks.network import Relayed, relayed, simulated_line
from tests.benchmarks.serve import cpu_of
from tests.benchmarks.servers import ENGINES, Servers, pull, serving
from tests.compat.engines import PrivateEngine

MB = 1_000_000
_ROUND_TRIP = 0.02
_ALL = tuple(ENGINES)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where is pulled, and by engine what is wanted of the time there; with no ``megabits`` on the same machine."""

    title: str
    megabits: int
    rounds: int
    wanted: Mapping[str, str]


_SLOW = "100mbit"
_PLACES: Mapping[str, _Place] = {
    # two rounds: the line is most of the time of a pull, and varies little
    _SLOW: _Place("100 Mbit/s, 20 ms", 100, 2, dict.fromkeys(_ALL, "≤ 1.05") | {"podman": "≤ 1.2"}),
    "loopback": _Place("loopback", 0, 3, dict.fromkeys(("docker29", "docker20", "podman"), "≤ 1.0")),
    "1gbit": _Place("1 Gbit/s", 1000, 3, dict.fromkeys(_ALL, "≤ 1.05")),
}
_WIRE = dict.fromkeys(_ALL, "≤ 1.02") | dict.fromkeys(("docker20", "podman"), "≤ 1.1")  # who takes zstd, who only gzip


def measure(report: Report) -> None:
    """Measure every row."""
    for row in ROWS.values():
        row(report)


def _measure(where: str, engine_name: str, report: Report) -> None:
    """Pull by one engine at one place."""
    place = _PLACES[where]
    pair = image_pairs()["web"]
    name, start = ENGINES[engine_name]
    what = f"{place.title}: first pull by {name}"
    with tempfile.TemporaryDirectory(prefix="dcat-bench-") as text, ExitStack() as stack:
        line = stack.enter_context(simulated_line()) if place.megabits else None
        servers = stack.enter_context(serving(Path(text), pair, [pair.first], line))
        addresses = {"dcat": servers.dcat, "registry": servers.registry}
        relays: dict[str, Relayed] = {}
        if line is not None:
            line.shape(place.megabits)
            if where == _SLOW:  # elsewhere nothing is delayed, and a relay would take a processor of its own
                relays = {source: stack.enter_context(relayed(line, to, _ROUND_TRIP / 2)) for source, to in addresses.items()}
                addresses = {source: relay.address for source, relay in relays.items()}
        engine = stack.enter_context(start(line.near if line else (), tuple(addresses.values())))
        cpu: list[float] = []
        cases = {
            source: partial(_pull_once, engine, f"{address.replace('127.0.0.1', 'localhost')}/{pair.first.reference}", servers, cpu)
            for source, address in addresses.items()
        }
        moved: dict[str, int] = {}
        runs = by_turns({source: _counted(case, relays.get(source), source, moved) for source, case in cases.items()}, place.rounds)
    report.add(f"{what} from docker-registry", median(runs["registry"]), "s")
    report.add(f"{what} from dcat serve", median(runs["dcat"]), "s")
    wanted = place.wanted.get(engine_name, "")
    report.add(f"{what}, dcat / docker-registry, time", ratio(runs["dcat"], runs["registry"]), "×", wanted)
    report.add(f"{what}: processor time of dcat serve", sum(cpu) / place.rounds, "s")
    if moved:
        report.add(f"{what} from docker-registry: moved", moved["registry"] / MB, "MB")
        report.add(f"{what} from dcat serve: moved", moved["dcat"] / MB, "MB")
        report.add(f"{what}, dcat / docker-registry, bytes", moved["dcat"] / moved["registry"], "×", _WIRE[engine_name])


def _pull_once(engine: PrivateEngine, image: str, servers: Servers, cpu: list[float]) -> Run:
    before = cpu_of(servers.process)
    done = pull(engine, image)
    cpu.append(cpu_of(servers.process) - before)
    engine.clear()
    return done


def _counted(case: Callable[[], Run], relay: Relayed | None, source: str, moved: dict[str, int]) -> Callable[[], Run]:
    def counted() -> Run:
        if relay is None:
            return case()
        relay.passed()
        done = case()
        passed = relay.passed()
        moved[source] = passed.sent + passed.received
        return done

    return counted


ROWS: Mapping[str, Callable[[Report], None]] = {
    f"{where}-{engine}": partial(_measure, where, engine) for where in _PLACES for engine in ENGINES
}
