"""``dcat pull`` of a second version beside ``docker load`` of its full archive, and how fast ``dcat save`` writes.

A load is measured twice: into an engine that has the first version, as the pull, and into an empty one.
"""

import tempfile
from pathlib import Path

from tests.benchmarks.harness import DCAT, Report, Run, by_turns, median, ratio, run, surroundings
from tests.benchmarks.images import Pair, image_pairs
from tests.compat.engines import PrivateEngine, run_docker20

ROUNDS = 5
MB = 1_000_000


def measure(report: Report) -> None:
    """Publish both pairs from their files; pull the second of each where the first is in a classic engine; save it to nowhere."""
    with run_docker20() as engine, tempfile.TemporaryDirectory(prefix="dcat-bench-") as folder:
        environment = surroundings(DCAT_HOME=f"{folder}/home", HOME=folder, DOCKER_HOST=engine.host)
        for name, pair in image_pairs().items():
            for image in (pair.first, pair.second):
                run([*DCAT, "publish", image.name, image.version, "--from", str(image.path), "--quiet"], environment=environment)
            _measure_pull(report, name, engine, pair, environment)
            _measure_save(report, pair, environment)


def _measure_pull(report: Report, name: str, engine: PrivateEngine, pair: Pair, environment: dict[str, str]) -> None:
    def load() -> Run:
        return run([*engine.command, "load", "--input", pair.second.path], environment=engine.environment)

    def load_into_empty() -> Run:
        engine.clear()
        loaded = load()
        engine.clear()
        engine.run("load", "--input", str(pair.first.path))
        return loaded

    def load_beside_first() -> Run:
        loaded = load()
        engine.run("rmi", pair.second.reference)
        return loaded

    def pull() -> Run:
        pulled = run([*DCAT, "pull", pair.second.reference, "--quiet"], environment=environment)
        engine.run("rmi", pair.second.reference)
        return pulled

    runs = by_turns({"empty": load_into_empty, "beside": load_beside_first, "pull": pull}, ROUNDS)
    report.add(f"{name} 1.1: docker load of the full archive into an empty docker 20.10", median(runs["empty"]), "s")
    report.add(f"{name} 1.1 with 1.0 in docker 20.10: docker load of the full archive", median(runs["beside"]), "s")
    report.add(f"{name} 1.1 with 1.0 in docker 20.10: dcat pull", median(runs["pull"]), "s")
    report.add(f"{name} 1.1: dcat pull / docker load into an empty engine", ratio(runs["pull"], runs["empty"]), "×", "≤ 0.6")
    report.add(f"{name} 1.1: dcat pull / docker load with 1.0 in the engine", ratio(runs["pull"], runs["beside"]), "×")


def _measure_save(report: Report, pair: Pair, environment: dict[str, str]) -> None:
    name, size = pair.second.name, Path(pair.second.path).stat().st_size
    saved = [run([*DCAT, "save", pair.second.reference, "--output", "-"], environment=environment) for _ in range(ROUNDS)]
    report.add(f"{name} 1.1: dcat save, uncompressed bytes a second", size / MB / median(saved), "MB/s", "≥ 300")
    report.add(f"{name} 1.1: peak memory of dcat save", max(one.peak for one in saved) / 2**20, "MiB", "≤ 200")
