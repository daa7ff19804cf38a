"""First pulls of *web* by real engines: from ``dcat serve`` by turns with docker-registry.

On a simulated line of 100 Mbit/s with a round trip of 20 ms, on the same machine, and on a line of 1 Gbit/s that delays nothing.
"""

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.benchmarks.harness import Report, Run, by_turns, median, ratio
from tests.benchmarks.images import ImageFile, image_pairs
from tests.benchmarks.network import FAR_ADDRESS, Line, Relayed, relayed, simulated_line
from tests.benchmarks.serve import cpu_of
from tests.benchmarks.servers import Servers, StartEngine, pull, push, serving
from tests.compat.engines import PrivateEngine, run_docker20, run_docker29, run_podman

MB = 1_000_000
ROUNDS = 3
_SLOW_ROUNDS = 2  # the line is most of the time of a pull there, and varies little
_ROUND_TRIP = 0.02
_INSECURE = (f"--insecure-registry={FAR_ADDRESS}/32",)  # docker speaks plain HTTP by itself only with this machine


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is asked for: of the time on the slow line, of the bytes there."""

    time: str
    wire: str


_ENGINES: Mapping[str, tuple[StartEngine, _Wanted]] = {
    "docker 29": (partial(run_docker29, flags=_INSECURE), _Wanted("≤ 1.05", "≤ 1.02")),
    "docker 20.10": (partial(run_docker20, flags=_INSECURE), _Wanted("≤ 1.05", "≤ 1.1")),
    "podman": (run_podman, _Wanted("≤ 1.2", "≤ 1.1")),
}


def measure(report: Report) -> None:
    """Measure on the slow line, on this machine, and on the fast line."""
    image = image_pairs()["web"].first
    with tempfile.TemporaryDirectory(prefix="dcat-bench-") as text, simulated_line() as line, ExitStack() as stack:
        servers = stack.enter_context(serving(Path(text), [image], line))
        relays = {
            source: stack.enter_context(relayed(line, address, _ROUND_TRIP / 2))
            for source, address in (("dcat", servers.dcat), ("registry", servers.registry))
        }
        line.shape(1000)
        with run_docker20(line.near) as engine:
            push(engine, [image], relays["registry"].address)
        line.shape(100)
        _measure_slow_line(report, image, line, relays)
        _measure_loopback(report, image)
        line.shape(1000)
        _measure_near(report, "1 Gbit/s", image, servers, line, "≤ 1.05")


def _measure_loopback(report: Report, image: ImageFile) -> None:
    """Serve and pull on this machine, without a line."""
    with tempfile.TemporaryDirectory(prefix="dcat-bench-") as text, serving(Path(text), [image]) as servers:
        with run_docker20() as engine:
            push(engine, [image], servers.registry)
        _measure_near(report, "loopback", image, servers, None, "≤ 1.0")


def _measure_slow_line(report: Report, image: ImageFile, line: Line, relays: Mapping[str, Relayed]) -> None:
    for name, (start, wanted) in _ENGINES.items():
        moved: dict[str, int] = {}
        with start(line.near) as engine:
            cases = {source: _counted(engine, image, relay, source, moved) for source, relay in relays.items()}
            runs = by_turns(cases, _SLOW_ROUNDS)
        what = f"100 Mbit/s, 20 ms: first pull by {name}"
        _tell(report, what, runs, wanted.time)
        report.add(f"{what} from docker-registry: moved", moved["registry"] / MB, "MB")
        report.add(f"{what} from dcat serve: moved", moved["dcat"] / MB, "MB")
        report.add(f"{what}, dcat / docker-registry, bytes", moved["dcat"] / moved["registry"], "×", wanted.wire)


def _counted(engine: PrivateEngine, image: ImageFile, relay: Relayed, source: str, moved: dict[str, int]) -> Callable[[], Run]:
    def pull_once() -> Run:
        relay.passed()
        done = pull(engine, f"{relay.address}/{image.reference}")
        passed = relay.passed()
        moved[source] = passed.sent + passed.received
        engine.clear()
        return done

    return pull_once


def _measure_near(report: Report, where: str, image: ImageFile, servers: Servers, line: Line | None, wanted: str) -> None:
    """Pull without a delay, and tell what of the time the processor of ``dcat serve`` was busy."""
    for name, (start, _) in _ENGINES.items():
        cpu: list[float] = []

        def pull_from(address: str, engine: PrivateEngine, cpu: list[float] = cpu) -> Run:
            before = cpu_of(servers.process)
            done = pull(engine, f"{address}/{image.reference}")
            cpu.append(cpu_of(servers.process) - before)
            engine.clear()
            return done

        with start(line.near if line else ()) as engine:
            cases = {
                "dcat": partial(pull_from, servers.dcat.replace("127.0.0.1", "localhost"), engine),
                "registry": partial(pull_from, servers.registry.replace("127.0.0.1", "localhost"), engine),
            }
            runs = by_turns(cases, ROUNDS)
        what = f"{where}: first pull by {name}"
        _tell(report, what, runs, wanted)
        report.add(f"{what}: processor time of dcat serve", sum(cpu) / ROUNDS, "s")


def _tell(report: Report, what: str, runs: Mapping[str, list[Run]], wanted: str) -> None:
    report.add(f"{what} from docker-registry", median(runs["registry"]), "s")
    report.add(f"{what} from dcat serve", median(runs["dcat"]), "s")
    report.add(f"{what}, dcat / docker-registry, time", ratio(runs["dcat"], runs["registry"]), "×", wanted)
