"""Upgrades by delta: what travels, how large deltas are, what writing and applying one costs beside ``docker save``, and Kubo.

``python -m tests.benchmarks.delta write|prepare|apply HOME NAME LEVEL FOLDER`` is one step in a process of its own, on one
processor: to write a delta, to put one and a home with its base into FOLDER, to apply it there.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from catalog.delivery.applying import apply_delta
from catalog.delta.writer import PUBLISHED_LEVEL, WIRE_LEVEL, write_delta
from catalog.home.home import Home, open_home
from catalog.image.walk import walk
from catalog.index.releases import get_release
from catalog.index.subscriptions import list_catalogues
from catalog.model.platform import Platform
from catalog.model.release import Image
from tests.benchmarks.harness import DCAT, Report, Run, by_turns, dcat_json, median, ratio, run, surroundings
from tests.benchmarks.images import ImageFile, Pair, image_pairs
from tests.benchmarks.network import read_line, started
from tests.compat.engines import PrivateEngine, run_docker20
from tests.compat.kubo import KuboNode, find_kubo, start_kubo, stop_kubo

ROUNDS = 5
MB = 1_000_000
WIRE = {"web": "≤ 1.3", "sci": "≤ 0.45"}
PUBLISHED = {"web": "≤ 1.0", "sci": "≤ 0.32"}
KUBO = {"web": "≤ 0.5", "sci": "≤ 0.4"}
_PLATFORM = Platform("linux", "amd64")


def measure(report: Report) -> None:
    """Measure both pairs: over HTTP, in a process, through two Kubo nodes."""
    pairs = image_pairs()
    with run_docker20() as engine, tempfile.TemporaryDirectory(prefix="dcat-bench-") as folder:
        for name, pair in pairs.items():
            for title, option in (("published", ()), ("made on request", ("--no-delta",))):
                _measure_wire(report, f"{name} 1.0 to 1.1, {title}", Path(folder), pair, option)
            _measure_work(report, name, Path(folder), engine, pair)
        engine.clear()
        _measure_kubo(report, Path(folder) / "kubo", engine, pairs)


def _environment(home: Path, engine: str = "unix:///nonexistent") -> dict[str, str]:
    return surroundings(DCAT_HOME=str(home), HOME=str(home.parent), DCAT_CONFIG=f"{home}.toml", DOCKER_HOST=engine)


def _publish(home: Path, image: ImageFile, *options: str) -> dict[str, object]:
    document = dcat_json(_environment(home), "publish", image.name, image.version, "--from", str(image.path), *options)
    assert isinstance(document, dict)
    return document


def _measure_wire(report: Report, title: str, folder: Path, pair: Pair, options: tuple[str, ...]) -> None:
    """Count what passes for the record, the index and the image, where the follower holds the first version."""
    far, near = folder / "far", folder / "near"
    for home in (far, near):
        shutil.rmtree(home, ignore_errors=True)
    _publish(far, pair.first, *options)
    with ExitStack() as stack:
        server = stack.enter_context(started([*DCAT, "serve", "--port", "0", "--json"], **_environment(far)))
        url = json.loads(read_line(server.stdout))["url"].removeprefix("http://").rstrip("/")
        relay = stack.enter_context(started([sys.executable, "-m", "tests.benchmarks.relay", url, "0"]))
        address = f"http://127.0.0.1:{int(read_line(relay.stdout))}"

        def passed() -> dict[str, int]:
            assert relay.stdin
            relay.stdin.write(b"\n")
            relay.stdin.flush()
            found: dict[str, int] = json.loads(read_line(relay.stdout))
            return found

        def follow(*arguments: str) -> None:
            run([*DCAT, *arguments], environment=_environment(near))

        follow("subscribe", "team", address, "--yes")
        follow("pull", f"team/{pair.first.name}@{pair.first.version}", "--no-load")
        _publish(far, pair.second, *options)
        passed()
        follow("sync")
        index = passed()
        follow("pull", f"team/{pair.second.name}@{pair.second.version}", "--no-load")
        image = passed()
    moved = index["sent"] + index["received"] + image["sent"] + image["received"]
    report.add(f"{title}: bytes both ways, record and index too", moved / MB, "MB", WIRE[pair.first.name])
    report.add(f"{title}: HTTP requests of the pull", image["requests"], "requests")


def _measure_work(report: Report, name: str, folder: Path, engine: PrivateEngine, pair: Pair) -> None:
    """Write and apply on one processor, by turns with ``docker save``."""
    far = folder / "published"
    shutil.rmtree(far, ignore_errors=True)
    _publish(far, pair.first)
    document = _publish(far, pair.second)
    shared = document["shared"]
    assert isinstance(shared, dict)
    (made,) = shared["deltas"]
    report.add(f"{name}: published delta", made["bytes"] / MB, "MB", PUBLISHED[name])
    report.add(f"{name}: the blocks that it stands for", made["blocks_bytes"] / MB, "MB")
    engine.run("load", "--input", str(pair.second.path))

    work, used = folder / "work", folder / "used"

    def step(verb: str, level: int) -> Callable[[], Run]:
        command = ["taskset", "-c", "0", sys.executable, "-m", __name__, verb, str(far), name, str(level), str(used)]

        def once() -> Run:
            shutil.rmtree(used, ignore_errors=True)
            if work.exists():
                shutil.copytree(work, used)
                os.sync()
            done = run(command, environment=surroundings(), keep=True)
            return Run(float(done.output), done.cpu, done.peak)

        return once

    step("prepare", WIRE_LEVEL)()
    used.rename(work)
    runs = by_turns(
        {
            "save": lambda: run([*engine.command, "save", pair.second.reference], environment=engine.environment),
            "write": step("write", WIRE_LEVEL),
            "publish": step("write", PUBLISHED_LEVEL),
            "apply": step("apply", WIRE_LEVEL),
        },
        ROUNDS,
    )
    report.add(f"{name}: docker save > /dev/null", median(runs["save"]), "s")
    for what, title in (("write", "writing, level 3"), ("publish", "writing, level 12"), ("apply", "applying")):
        report.add(f"{name}: {title}, one processor", median(runs[what]), "s")
        wanted = "≤ 0.35" if what != "publish" else ""
        report.add(f"{name}: {title} / docker save", ratio(runs[what], runs["save"]), "×", wanted)
        report.add(f"{name}: {title}, peak memory", max(one.peak for one in runs[what]) / 2**20, "MiB", "≤ 200")
    engine.run("rmi", pair.second.reference)
    shutil.rmtree(work)


def _measure_kubo(report: Report, folder: Path, engine: PrivateEngine, pairs: dict[str, Pair]) -> None:
    """Upgrade through two nodes, beside ``ipfs get`` of the plain ``docker save`` and ``docker load``; both have the first one."""
    folder.mkdir()
    with ExitStack() as stack:
        program = find_kubo()
        nodes: list[KuboNode] = []
        for name in ("a", "b"):
            running: list[subprocess.Popen[bytes]] = []
            nodes.append(start_kubo(program, folder / name, running))
            stack.callback(stop_kubo, running[0])
        far, near = nodes
        near.connect(far)
        bob, ann = folder / "bob", folder / "ann"
        for home, node in ((bob, far), (ann, near)):
            run([*DCAT, "config", "set", "kubo", node.url, "--yes"], environment=_environment(home))
        for pair in pairs.values():
            for image in (pair.first, pair.second):
                _publish(bob, image)
        catalogue = dcat_json(_environment(bob), "key", "show")["catalogue"]
        run([*DCAT, "subscribe", "bob", catalogue], environment=_environment(ann))
        for name, pair in pairs.items():
            _measure_kubo_pair(report, name, folder, engine, pair, (far, near))


def _measure_kubo_pair(
    report: Report, name: str, folder: Path, engine: PrivateEngine, pair: Pair, nodes: tuple[KuboNode, KuboNode]
) -> None:
    far, near = nodes
    ann, round_home = folder / "ann", folder / "round"
    plain = [far.run("add", "--quieter", str(image.path), timeout=600).decode().strip() for image in (pair.first, pair.second)]
    near.run("pin", "add", plain[0], timeout=600)
    environment = _environment(ann, engine.host)
    run([*DCAT, "pull", f"bob/{pair.first.reference}"], environment=environment)

    target = folder / "plain.tar"

    def pull(*options: str) -> Run:
        shutil.rmtree(round_home, ignore_errors=True)
        shutil.copytree(ann, round_home)
        os.sync()  # else the pull waits for the copy to be on the disk
        shutil.copy(f"{ann}.toml", f"{round_home}.toml")
        command = [*DCAT, "pull", f"bob/{pair.second.reference}", *options]
        pulled = run(command, environment=_environment(round_home, engine.host))
        if not options:
            engine.run("rmi", f"bob/{pair.second.reference}")
        near.run("repo", "gc", "--quiet", timeout=600)
        return pulled

    def get() -> Run:
        target.unlink(missing_ok=True)
        start = time.perf_counter()
        near.run("get", "--output", str(target), plain[1], timeout=600)
        got = Run(time.perf_counter() - start, 0.0, 0)
        near.run("repo", "gc", "--quiet", timeout=600)
        return got

    def load() -> Run:
        loaded = run([*engine.command, "load", "--input", target], environment=engine.environment)
        engine.run("rmi", pair.second.reference)
        return loaded

    runs = by_turns({"get": get, "load": load, "pull": pull, "fetch": lambda: pull("--no-load")}, 3)
    both = [Run(got.seconds + loaded.seconds, 0.0, 0) for got, loaded in zip(runs["get"], runs["load"], strict=True)]
    report.add(f"{name}: ipfs get of the docker save", median(runs["get"]), "s")
    report.add(f"{name}: docker load of it, with 1.0 in the engine", median(runs["load"]), "s")
    report.add(f"{name}: dcat pull --no-load through two Kubo nodes", median(runs["fetch"]), "s")
    report.add(f"{name}: dcat pull through two Kubo nodes", median(runs["pull"]), "s")
    report.add(f"{name}: dcat pull --no-load / ipfs get", ratio(runs["fetch"], runs["get"]), "×")
    report.add(f"{name}: dcat pull / ipfs get and docker load", ratio(runs["pull"], both), "×", KUBO[name])
    engine.clear()


def _images(home: Home, name: str) -> tuple[Image, Image]:
    with home.index.read() as connection:
        catalogue = list_catalogues(connection)[0].catalogue
        first, second = (get_release(connection, catalogue, name, version).images[_PLATFORM] for version in ("1.0", "1.1"))
    return first, second


def _step(verb: str, path: Path, name: str, level: int, folder: Path) -> float:
    """Do one step; return the seconds without what starting a process costs."""
    with open_home(path, now=datetime.now(UTC)) as home:
        base, target = _images(home, name)
        if verb != "apply":
            frames = io.BytesIO()
            start = time.perf_counter()
            written = write_delta(base.archive, target.archive, home.blocks, frames, level=level)
            seconds = time.perf_counter() - start
        if verb == "prepare":
            with open_home(folder, now=datetime.now(UTC)) as other:
                other.blocks.put_many(home.blocks.get_many(block.cid for block in walk(base.archive, home.blocks)))
            (folder / "made.delta").write_bytes(written.head + frames.getvalue())
    if verb != "apply":
        return seconds
    delta = (folder / "made.delta").read_bytes()
    with open_home(folder, now=datetime.now(UTC)) as other:
        start = time.perf_counter()
        rebuilt = apply_delta(
            [delta],
            base.archive,
            target.archive,
            other.blocks,
            unpacked=target.unpacked,
            size=target.size,
            file_size=len(delta),
        )
        assert rebuilt.failure is None
        return time.perf_counter() - start


if __name__ == "__main__":
    print(_step(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), Path(sys.argv[5])))
