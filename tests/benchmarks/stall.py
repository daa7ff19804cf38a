"""A pull from one good source beside three that stall: never answering, going silent half-way, dripping."""

import json
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks.harness import DCAT, Report, Run, by_turns, dcat_json, median, run, surroundings
from tests.benchmarks.images import image_pairs
from tests.benchmarks.network import read_line, started
from tests.fakes.lying_source import LyingSource

ROUNDS = 3
_STALLING = ("stall", "stall-inside", "drip")


def measure(report: Report) -> None:
    """Pull web 1.0, with the three and without."""
    image = image_pairs()["web"].first
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dcat-bench-")))
        far = surroundings(DCAT_HOME=str(folder / "far"), DCAT_CONFIG=str(folder / "far.toml"), HOME=str(folder))
        near = surroundings(DCAT_HOME=str(folder / "near"), DCAT_CONFIG=str(folder / "near.toml"), HOME=str(folder))
        dcat_json(far, "publish", image.name, image.version, "--from", str(image.path))
        server = stack.enter_context(started([*DCAT, "serve", "--port", "0", "--json"], **far))
        url = json.loads(read_line(server.stdout))["url"].rstrip("/")
        dcat_json(near, "subscribe", "team", url)
        liars = [stack.enter_context(LyingSource(behaviour=behaviour, upstream=url)) for behaviour in _STALLING]

        def pull(sources: str) -> Run:
            shutil.rmtree(folder / "round", ignore_errors=True)
            shutil.copytree(folder / "near", folder / "round")
            environment = near | {"DCAT_HOME": str(folder / "round"), "DCAT_SOURCES": sources}
            return run([*DCAT, "pull", f"team/{image.reference.replace(':', '@')}", "--no-load"], environment=environment)

        runs = by_turns({"alone": lambda: pull(""), "beside": lambda: pull(",".join(liar.url for liar in liars))}, ROUNDS)
        report.add("web 1.0 from one good source", median(runs["alone"]), "s")
        report.add("web 1.0 from it and three that stall", median(runs["beside"]), "s")
        report.add("the three cost", median(runs["beside"]) - median(runs["alone"]), "s", "≤ 12")
        report.add("peak memory beside them", max(one.peak for one in runs["beside"]) / 2**20, "MiB")
