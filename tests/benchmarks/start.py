"""What commands cost before they do anything: over a bare interpreter, with 100,000 releases in the index."""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from catalog.operations.search import search
from tests.benchmarks.catalogues import fill_home, make_release
from tests.benchmarks.harness import Report, Run, by_turns, median, run, surroundings

RELEASES = 100_000
INSTALLED = (sys.executable, Path(sys.executable).with_name("dcat"))  # as users start it; ``-m`` takes 2 ms more
ROUNDS = 21
_SEARCHES = ("billing", "the", "cache of edge", "web-000", "nothing-like-it")


def measure(report: Report) -> None:
    """Start the quick commands and the help."""
    with tempfile.TemporaryDirectory(prefix="dcat-bench-") as folder, fill_home(Path(folder) / "home", RELEASES) as home:
        release = make_release(RELEASES // 2, home.time)
        measure_start(report, Path(folder) / "home", release.reference, release.name, RELEASES)
        for words in _SEARCHES:
            seconds = []
            for _ in range(ROUNDS):
                start = time.perf_counter()
                search(home, words)
                seconds.append(time.perf_counter() - start)
            report.add(f'search "{words}" inside the process', 1000 * statistics.median(seconds), "ms", "≤ 20")


def measure_start(report: Report, home: Path, reference: str, name: str, releases: int) -> None:
    """Start the commands that answer from the index of ``home``."""
    environment = surroundings(DCAT_HOME=str(home), HOME=str(home))

    def start(*arguments: str) -> Run:
        return run([*INSTALLED, *arguments], environment=environment)

    bare = "python -c pass"
    cases = {
        bare: lambda: run([sys.executable, "-c", "pass"], environment=environment),
        "dcat --version": lambda: start("--version"),
        "dcat resolve": lambda: start("resolve", reference),
        "completion of a verb": lambda: start("__complete", "bash", "dcat "),
        "completion of a reference": lambda: start("__complete", "bash", f"dcat resolve {name[:-2]}"),
        "dcat --help": lambda: start("--help"),
    }
    runs = by_turns(cases, ROUNDS)
    floor = median(runs[bare])
    report.add(f"{bare} ({releases:,} releases in the index)", 1000 * floor, "ms")
    for case, of_case in runs.items():
        if case != bare:
            report.add(f"{case}, over that", 1000 * (median(of_case) - floor), "ms", "≤ 120" if case == "dcat --help" else "≤ 60")
            ratio = min(one.cpu for one in of_case) / min(one.cpu for one in runs[bare])
            report.add(f"{case} / {bare}, processor time", ratio, "×", "" if case == "dcat --help" else "≤ 3")
