"""Upgrades by delta: what they weigh, published and made on request, and what writing and applying one takes.

Writing and applying are measured in this process beside ``docker save`` of the same image, each with what the store has to do.
"""

import io
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from catalog.delivery.applying import apply_delta
from catalog.home import Home, open_home
from catalog.image.delta_writer import PUBLISHED_LEVEL, WIRE_LEVEL, write_delta
from catalog.image.walk import walk
from catalog.ipld.cid import Cid, parse_cid
from tests.benchmarks.harness import DCAT, Report, Run, by_turns, dcat_json, median, run, surroundings
from tests.benchmarks.images import ImageFile, Pair, image_pairs
from tests.benchmarks.network import read_line, relayed_here, started
from tests.compat.engines import PrivateEngine, run_docker20

ROUNDS = 5
MB = 1_000_000
WANTED = {"web": (1.3, 1.0), "sci": (0.45, 0.32)}


def measure(report: Report) -> None:
    """Both pairs."""
    with run_docker20() as engine:
        for name, pair in image_pairs().items():
            engine.run("load", "--input", str(pair.second.path))
            with tempfile.TemporaryDirectory(prefix="dcat-bench-") as folder:
                _measure_pair(report, name, pair, engine, Path(folder))
            engine.clear()


def _measure_pair(report: Report, name: str, pair: Pair, engine: PrivateEngine, folder: Path) -> None:
    on_wire, published = WANTED[name]
    far = _surroundings(folder, "far")
    for image in (pair.first, pair.second):
        with_none = [] if image is pair.first else ["--no-delta"]
        dcat_json(far, "publish", image.name, image.version, "--from", str(image.path), *with_none)
    report.add(
        f"{name} 1.0 → 1.1: from dcat serve on request, all bytes both ways", _pull(folder, far, name) / MB, "MB", f"≤ {on_wire}"
    )
    base, target = (parse_cid(_resolve(far, image)) for image in (pair.first, pair.second))
    with open_home(folder / "far", now=datetime.now(UTC)) as home:
        deltas = {level: io.BytesIO() for level in (WIRE_LEVEL, PUBLISHED_LEVEL)}
        sizes = {level: write_delta(base, target, home.blocks, file, level=level) for level, file in deltas.items()}
        for level, written in sizes.items():
            wanted = f"≤ {published}" if level == PUBLISHED_LEVEL else ""
            report.add(f"{name} 1.0 → 1.1: delta at level {level}", written.size / MB, "MB", wanted)
        report.add(f"{name} 1.0 → 1.1: the blocks in place of it", sizes[WIRE_LEVEL].new_bytes / MB, "MB")
        whole = sizes[WIRE_LEVEL].head + deltas[WIRE_LEVEL].getvalue()
        cases = {
            "save": lambda: run([*engine.command, "save", pair.second.reference], environment=engine.environment),
            "write": lambda: _timed(lambda: write_delta(base, target, home.blocks, io.BytesIO())),
            "apply": lambda: _apply(folder, whole, base, target),
        }
        runs = by_turns(cases, ROUNDS)
    report.add(f"{name} 1.1: docker save > /dev/null", median(runs["save"]), "s")
    for case in ("write", "apply"):
        cpu = min(one.cpu for one in runs[case])
        report.add(f"{name} 1.0 → 1.1: delta, {case}", median(runs[case]), "s")
        report.add(f"{name} 1.0 → 1.1: delta, {case}: CPU", cpu, "s")
        report.add(f"{name} 1.0 → 1.1: delta, {case}: CPU / docker save", cpu / median(runs["save"]), "×", "≤ 0.35")


def _resolve(environment: dict[str, str], image: ImageFile) -> str:
    return run([*DCAT, "resolve", f"{image.name}@{image.version}"], environment=environment, keep=True).output.decode().strip()


def _pull(folder: Path, far: dict[str, str], name: str) -> int:
    """Follow the served home, pull the first version, then the second: give the bytes that this one moved, sync included."""
    near = _surroundings(folder, "near")
    with ExitStack() as stack:
        server = stack.enter_context(started([*DCAT, "serve", "--port", "0", "--json"], **far))
        relay = stack.enter_context(relayed_here(json.loads(read_line(server.stdout))["url"].removeprefix("http://").rstrip("/")))
        dcat_json(near, "subscribe", "team", f"http://{relay.address}")
        run([*DCAT, "pull", f"team/{name}@1.0", "--no-load"], environment=near)
        relay.passed()
        dcat_json(near, "sync")
        run([*DCAT, "pull", f"team/{name}@1.1", "--no-load"], environment=near)
        passed = relay.passed()
    return passed.sent + passed.received


def _apply(folder: Path, delta: bytes, base: Cid, target: Cid) -> Run:
    """Apply a delta in a home that holds the base alone."""
    copy = folder / "copy"
    if not copy.exists():
        with open_home(folder / "far", now=datetime.now(UTC)) as home, open_home(copy, now=datetime.now(UTC)) as fresh:
            fresh.blocks.put_many(home.blocks.get_many(_walk(home, base)))
    shutil.rmtree(folder / "round", ignore_errors=True)
    shutil.copytree(copy, folder / "round")
    with open_home(folder / "round", now=datetime.now(UTC)) as home:
        return _timed(lambda: apply_delta([delta], base, target, home.blocks, unpacked=1 << 30, size=1 << 30, file_size=len(delta)))


def _walk(home: Home, root: Cid) -> Iterator[Cid]:
    for block in walk(root, home.blocks):
        yield block.cid


def _timed(action: Callable[[], object]) -> Run:
    start, cpu = time.perf_counter(), time.process_time()
    action()
    return Run(time.perf_counter() - start, time.process_time() - cpu, 0)


def _surroundings(folder: Path, home: str) -> dict[str, str]:
    return surroundings(DCAT_HOME=str(folder / home), DCAT_CONFIG=str(folder / f"{home}.toml"), HOME=str(folder))
