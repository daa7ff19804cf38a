"""Run as a process of its own: many processes publish into one home and many resolve from it, all at once, for some seconds.

Arguments: the home, an exported image, how many publish, how many resolve, seconds, and the seconds for which each waits for a
database. Prints JSON: what was acknowledged, what failed, how long each resolve took, and the largest write-ahead log that was
seen.
"""

import contextlib
import io
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from catalog import limits
from tests.faults.forking import import_all


def run(arguments: list[str]) -> tuple[int, str, str]:
    from cli.main import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    return code, out.getvalue(), err.getvalue()


def publish(number: int, image: str, until: float) -> dict[str, Any]:
    done: dict[str, str] = {}
    failed = []
    version = 0
    while time.monotonic() < until or version == 0:
        name = f"app{number}"
        code, out, err = run(["publish", "-q", name, str(version), "--from", image])
        if code == 0 and "not shared yet: " not in err:
            done[f"{name}@{version}"] = out.strip()
        else:
            failed.append(err)
        version += 1
    return {"done": done, "failed": failed, "times": []}


def resolve(number: int, publishers: int, until: float) -> dict[str, Any]:
    failed: list[str] = []
    times: list[float] = []
    while time.monotonic() < until or not times:
        started = time.perf_counter()
        code, _, err = run(["resolve", f"app{number % publishers}@0"])
        times.append(time.perf_counter() - started)
        if code not in {0, 10}:  # 10: not published yet
            failed.append(err)
    return {"done": {}, "failed": failed, "times": times}


def crowd(home: Path, image: str, publishers: int, resolvers: int, seconds: float) -> dict[str, Any]:
    until = time.monotonic() + seconds
    for number in range(publishers + resolvers):
        if os.fork() == 0:
            found = publish(number, image, until) if number < publishers else resolve(number, publishers, until)
            home.with_name(f"{number}.json").write_text(json.dumps(found))
            os._exit(0)
    largest, running = 0, publishers + resolvers
    while running:
        while running and os.waitpid(-1, os.WNOHANG)[0]:
            running -= 1
        for log in home.glob("*-wal"):
            with contextlib.suppress(OSError):
                largest = max(largest, log.stat().st_size)
        time.sleep(0.02)
    whole: dict[str, Any] = {"done": {}, "failed": [], "times": [], "largest": largest}
    for number in range(publishers + resolvers):
        found = json.loads(home.with_name(f"{number}.json").read_text())
        whole["done"] |= found["done"]
        whole["failed"] += found["failed"]
        whole["times"] += found["times"]
    return whole


if __name__ == "__main__":
    _, place, exported, *counts, patience = sys.argv
    limits.BUSY_TIMEOUT = float(patience)  # before anything is imported that reads it
    import_all()
    sys.stdout.write(json.dumps(crowd(Path(place), exported, int(counts[0]), int(counts[1]), float(counts[2]))))
