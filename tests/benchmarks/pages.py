"""The pages of a server with 100,000 releases in its index, and looking into the two pairs of real images."""

import http.client
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.catalogues import fill_home, make_release
from tests.benchmarks.harness import DCAT, Report, run, surroundings
from tests.benchmarks.images import Pair, image_pairs
from tests.memory import PeakWatch

RELEASES = 100_000
CLIENTS = 8
REQUESTS = 40  # of each client, for each page
ROUNDS = 7


def measure(report: Report) -> None:
    """Measure the pages first, then the files of images."""
    with tempfile.TemporaryDirectory(prefix="dcat-bench-") as text:
        folder = Path(text)
        with fill_home(folder / "home", RELEASES) as home:
            releases = [make_release(number, home.time) for number in range(0, RELEASES, RELEASES // (CLIENTS * REQUESTS))]
        measure_pages(report, folder / "home", [(release.name, release.version) for release in releases])
        for name, pair in image_pairs().items():
            measure_files(report, folder, name, pair)


def measure_pages(report: Report, home: Path, releases: list[tuple[str, str]]) -> None:
    """Ask for each kind of page from 8 clients at once, first each page once, then all of them again: the server keeps pages."""
    pages = {
        "first page": ["/"],
        "catalogue": ["/c/mine", *(f"/c/mine?after={name}" for name, _ in releases)],
        "search": ["/search?q=billing", "/search?q=the", "/search?q=cache+edge", "/search?q=web"],
        "name": [f"/r/mine/{name}" for name, _ in releases],
        "release": [f"/r/mine/{name}@{version}" for name, version in releases],
    }
    with serving(home) as (port, process), PeakWatch(process) as watch:
        for kind, paths in pages.items():
            ask(port, paths[0])
            for when in ("the first time", "again"):
                seconds, sizes = ask_at_once(port, paths)
                ordered = sorted(seconds)
                report.add(
                    f"{kind} page, p95 with {CLIENTS} clients, {when}", 1000 * ordered[int(len(ordered) * 0.95)], "ms", "≤ 100"
                )
                report.add(f"{kind} page, median, {when}", 1000 * statistics.median(ordered), "ms")
            report.add(f"{kind} page, largest", max(sizes) / 1000, "kB", "≤ 50")
        before = watch.peak
        for _ in range(5):
            ask_at_once(port, pages["release"])
        report.add("growth of the server's memory over 1,600 more pages", (watch.peak - before) / 1e6, "MB", "flat")


def measure_files(report: Report, folder: Path, name: str, pair: Pair) -> None:
    """List an image's files, the first time and later, and compare the pair's files."""
    home = folder / f"home-{name}"
    environment = surroundings(DCAT_HOME=str(home), HOME=str(home))
    for image in (pair.first, pair.second):
        run(
            [*DCAT, "publish", name, image.version, "--from", image.path, "--offline", "--platform", "linux/amd64"],
            environment=environment,
        )
    path = f"/r/mine/{name}@1.1/files"
    first, again = [], []
    for _ in range(ROUNDS):
        shutil.rmtree(home / "files", ignore_errors=True)
        with serving(home) as (port, _process):
            first.append(ask(port, path)[0])
        with serving(home) as (port, _process):  # nothing is in memory, the listing is kept
            ask(port, "/")
            again.append(ask(port, path)[0])
    report.add(f"{name}: list of files, the first time", 1000 * statistics.median(first), "ms", "≤ 1,000")
    report.add(f"{name}: list of files, listing kept", 1000 * statistics.median(again), "ms", "≤ 100")
    with serving(home) as (port, _process):
        shutil.rmtree(home / "files", ignore_errors=True)
        seconds, _ = ask(port, f"/diff/mine/{name}@1.0/mine/{name}@1.1")
        report.add(f"{name}: difference by files, nothing listed before", seconds, "s", "≤ 2")
        measure_fetching(report, folder, name, port)


def measure_fetching(report: Report, folder: Path, name: str, port: int) -> None:
    """Compare the pair from a home that holds the older image only."""
    follower = folder / f"follower-{name}"
    environment = surroundings(DCAT_HOME=str(follower), HOME=str(follower))
    run([*DCAT, "subscribe", "bench", f"http://127.0.0.1:{port}"], environment=environment)
    run([*DCAT, "pull", "--no-load", "--platform", "linux/amd64", f"bench/{name}@1.0"], environment=environment)
    before = sent(port)
    done = run(
        [*DCAT, "diff", "--files", "--platform", "linux/amd64", f"bench/{name}@1.0", f"bench/{name}@1.1"], environment=environment
    )
    report.add(f"{name}: difference by files, only the older one held: fetched", (sent(port) - before) / 1e6, "MB", "≤ 1")
    report.add(f"{name}: the same, whole command", done.seconds, "s")


@contextmanager
def serving(home: Path) -> Iterator[tuple[int, int]]:
    """Run ``dcat serve`` on a home; yield its port and process."""
    environment = surroundings(DCAT_HOME=str(home), HOME=str(home))
    process = subprocess.Popen(
        [*DCAT, "serve", "--port", "0"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline().rpartition(":")[2]), process.pid
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def ask(port: int, path: str) -> tuple[float, int]:
    """Ask for a page; return the seconds and the size of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    start = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    size = len(answer.read())
    seconds = time.perf_counter() - start
    assert answer.status == 200, f"{path}: {answer.status}"
    connection.close()
    return seconds, size


def ask_at_once(port: int, paths: list[str]) -> tuple[list[float], list[int]]:
    """Ask from all clients at once, each for pages of its own as far as there are enough."""
    seconds: list[float] = []
    sizes: list[int] = []

    def client(number: int) -> None:
        for turn in range(REQUESTS):
            one, size = ask(port, paths[(number * REQUESTS + turn) % len(paths)])
            seconds.append(one)
            sizes.append(size)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seconds, sizes


def sent(port: int) -> int:
    """Return the bytes of bodies that a server has sent."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith("dcat_sent_bytes_total ")))
