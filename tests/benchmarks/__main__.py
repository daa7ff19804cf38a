"""``make bench``: all suites, or with ``python -m tests.benchmarks SUITE … SUITE:ROW …`` some of them.

A suite that has rows of its own names them when it is asked for one that it does not have.
"""

import compileall
import importlib
import sys
from pathlib import Path

from tests.benchmarks.harness import Figure, Report, write_results
from tests.benchmarks.images import FOLDER

SUITES = (
    "store",
    "start",
    "publish",
    "pull",
    "memory",
    "delta",
    "delta_memory",
    "line",
    "stall",
    "large",
    "pages",
    "serve",
    "feeder",
    "engines",
    "static",
    "static_many",
    "cluster",
)


def main(wanted: list[str]) -> int:
    """Run the suites, print their figures as they come, and keep them in a file."""
    unknown = sorted({name.partition(":")[0] for name in wanted} - set(SUITES))
    if unknown:
        print(f"no suite {', '.join(unknown)}; there are {', '.join(SUITES)}", file=sys.stderr)
        return 2
    figures: list[Figure] = []
    for package in ("catalog", "cli"):  # as an installation has them, also where the environment keeps Python from writing bytecode
        compileall.compile_dir(Path(importlib.import_module(package).__path__[0]), quiet=1)
    try:
        for name in wanted or SUITES:
            suite, _, row = name.partition(":")
            report = Report(suite)
            figures_of_suite = report.figures
            try:
                module = importlib.import_module(f"tests.benchmarks.{suite}")
                if not row:
                    module.measure(report)
                elif row in (rows := getattr(module, "ROWS", {})):
                    rows[row](report)
                else:
                    print(f"{suite} has no row {row}; it has {', '.join(rows) or 'none'}", file=sys.stderr)
                    return 2
            finally:
                figures += figures_of_suite
    finally:
        if figures:
            print(f"written to {write_results(figures, FOLDER / 'results')}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
