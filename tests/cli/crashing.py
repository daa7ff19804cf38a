"""Run as a process of its own: kill a command at its first, second, third … crash point, each time in a fresh copy of one home.

It imports everything once and forks for each run, so that a run costs what the command does and not what Python's start does.
Arguments: the folder to work in, the home to start from, then, each divided by ``--``, the command that is killed and the commands
that must succeed afterwards. Prints a JSON list: for every crash point, the exit codes of the killed command and of those after it.
"""

import contextlib
import io
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from cli.main import main

MOST_POINTS = 500


def run_forked(arguments: Sequence[str], home: Path, crash_at: int | None) -> int:
    """Run a command in a fork of this process; give its exit code, 137 where it was killed."""
    child = os.fork()
    if child == 0:
        os.environ["DCAT_HOME"] = str(home)
        if crash_at is not None:
            os.environ["DCAT_CRASH_AT"] = str(crash_at)
        code = 99
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                code = main(list(arguments))
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def split(words: Sequence[str]) -> list[list[str]]:
    """Take ``a b -- c d`` apart."""
    commands: list[list[str]] = [[]]
    for word in words:
        if word == "--":
            commands.append([])
        else:
            commands[-1].append(word)
    return commands


def run_all(folder: Path, start: Path, killed: Sequence[str], after: Sequence[Sequence[str]]) -> list[list[int]]:
    """Kill at every point until the command ends by itself."""
    results: list[list[int]] = []
    for point in range(1, MOST_POINTS):
        home = folder / f"home-{point}"
        shutil.copytree(start, home)
        code = run_forked(killed, home, point)
        results.append([code, *(run_forked(command, home, None) for command in after)])
        shutil.rmtree(home)
        if code != 137:
            break
    return results


def warm_up(folder: Path, commands: Sequence[Sequence[str]]) -> None:
    """Import what the commands import, by running them here on an empty home; that they fail there is no matter."""
    os.environ["DCAT_HOME"] = str(folder / "warm")
    for command in commands:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            main(list(command))


if __name__ == "__main__":
    _, work, origin, *words = sys.argv
    first, *rest = split(words)
    warm_up(Path(work), [first, *rest])
    sys.stdout.write(json.dumps(run_all(Path(work), Path(origin), first, rest)))
