"""What every suite measures with: commands run by turns in one run, so that what else the machine does falls on all alike.

Nothing here judges: a figure stands beside the one that the design asks for, and people compare them.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from tests.memory import PeakWatch
from tests.needs import ROOT

DCAT = (sys.executable, "-m", "cli.main")
_PASSED_ON = ("PATH", "LANG", "PYTHONDONTWRITEBYTECODE")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one command: seconds by the clock, CPU seconds of the process and its children, its own largest resident size."""

    seconds: float
    cpu: float
    peak: int
    output: bytes = b""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure; ``wanted`` is what the design asks for, in words, empty where it asks for nothing."""

    suite: str
    what: str
    value: float
    unit: str
    wanted: str = ""


@dataclass(slots=True)
class Report:
    """The figures of one suite, told as they come."""

    suite: str
    figures: list[Figure] = field(default_factory=list)

    def add(self, what: str, value: float, unit: str, wanted: str = "") -> None:
        """Note a figure and print it."""
        figure = Figure(self.suite, what, value, unit, wanted)
        self.figures.append(figure)
        print(format_figure(figure), flush=True)


def format_figure(figure: Figure) -> str:
    """Write one line of the table."""
    value = f"{figure.value:,.0f}" if figure.value >= 1000 or figure.value == int(figure.value) else f"{figure.value:.4g}"
    wanted = f"   (wanted: {figure.wanted})" if figure.wanted else ""
    return f"{figure.suite:<9}{figure.what:<72}{value:>14} {figure.unit}{wanted}"


def surroundings(**variables: str) -> dict[str, str]:
    """Return an environment with nothing in it of the user's own dcat and Docker."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**passed, "PYTHONPATH": str(ROOT), "HOME": variables.get("HOME", "/nonexistent"), **variables}


def run(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    stdin: IO[bytes] | None = None,
    keep: bool = False,
) -> Run:
    """Run a command to its end; its output is thrown away unless ``keep``. It must succeed."""
    start = time.perf_counter()
    # Errors go to a file: two pipes that are read one after the other would block a child that fills the second one.
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [str(part) for part in command],
            env=surroundings() if environment is None else dict(environment),
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=subprocess.PIPE if keep else subprocess.DEVNULL,
            stderr=errors,
        )
        with PeakWatch(process.pid) as memory:
            output = process.stdout.read() if process.stdout else b""
            _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.stdout is not None:
            process.stdout.close()
        if process.returncode:
            errors.seek(0)
            told = errors.read().decode(errors="replace")[-2000:]
            raise SystemExit(f"{' '.join(map(str, command))} ended with {process.returncode}: {told}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, memory.peak, output)


def by_turns(cases: Mapping[str, Callable[[], Run]], rounds: int) -> dict[str, list[Run]]:
    """Run every case once a round: A B C, A B C, …"""
    runs: dict[str, list[Run]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            runs[name].append(case())
    return runs


def median(runs: Sequence[Run]) -> float:
    """Return the median of the seconds."""
    return statistics.median(one.seconds for one in runs)


def ratio(runs: Sequence[Run], others: Sequence[Run]) -> float:
    """Return the median of the ratios of runs that stood beside each other."""
    return statistics.median(one.seconds / other.seconds for one, other in zip(runs, others, strict=True))


def dcat_json(environment: Mapping[str, str], *arguments: str) -> Any:
    """Run a dcat command and give what ``--json`` prints."""
    return json.loads(run([*DCAT, *arguments, "--json"], environment=environment, keep=True).output)


def write_results(figures: Sequence[Figure], folder: Path) -> Path:
    """Write the figures with what they were measured on."""
    now = datetime.now(UTC)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{now:%Y-%m-%dT%H%M%SZ}.json"
    machine = {"processors": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    document = {"at": now.isoformat(timespec="seconds"), "machine": machine, "figures": [asdict(figure) for figure in figures]}
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return path
