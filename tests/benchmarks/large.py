"""A catalogue of 1,000,000 releases: publishing one more, a first sync, a sync of one, and resolving in it."""

import json
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from catalog.home.home import open_home
from catalog.index.history import Change
from catalog.own.share import share_own
from catalog.sources.network import NO_NETWORK
from tests.benchmarks.catalogues import fill_home, make_release
from tests.benchmarks.harness import DCAT, Report, Run, run, surroundings
from tests.benchmarks.network import read_line, relayed_here, started
from tests.benchmarks.start import measure_start

RELEASES = 1_000_000
ROUNDS = 5
MIB = 2**20


def measure(report: Report) -> None:
    """Make the catalogue, share it, follow it."""
    with tempfile.TemporaryDirectory(prefix="dcat-bench-") as folder:
        start = time.perf_counter()
        fill_home(Path(folder) / "far", RELEASES).close()
        report.add(f"filling an index with {RELEASES:,} releases", RELEASES / (time.perf_counter() - start), "releases/s")
        measure_home(report, Path(folder), RELEASES)


def measure_home(report: Report, folder: Path, releases: int) -> None:
    """Add to and follow the home ``far`` in ``folder``, which has so many releases."""
    far = folder / "far"
    published = [_publish_one(far, releases + number) for number in range(ROUNDS)]
    report.add(f"one more among {releases:,}, snapshot signed", statistics.median(published), "s", "≤ 1")

    near = surroundings(DCAT_HOME=str(folder / "near"), DCAT_CONFIG=str(folder / "near.toml"), HOME=str(folder))

    def dcat(*arguments: str) -> Run:
        return run([*DCAT, *arguments, "--quiet"], environment=near)

    serve = [*DCAT, "serve", "--port", "0", "--json"]
    with started(serve, DCAT_HOME=str(far), DCAT_CONFIG=str(folder / "far.toml"), HOME=str(folder)) as server:
        address = json.loads(read_line(server.stdout))["url"].removeprefix("http://").rstrip("/")
        with relayed_here(address) as relay:
            first = dcat("subscribe", "team", f"http://{relay.address}")
            passed = relay.passed()
            report.add("first sync: releases a second", releases / first.seconds, "releases/s", "≥ 15,000")
            report.add("first sync", first.seconds, "s")
            report.add("first sync: moved", (passed.sent + passed.received) / 1_000_000, "MB")
            report.add("first sync: peak memory", first.peak / MIB, "MiB")
            syncs, moved = [], []
            for number in range(ROUNDS):
                _publish_one(far, releases + ROUNDS + number)
                relay.passed()
                syncs.append(dcat("sync"))
                passed = relay.passed()
                moved.append(passed.sent + passed.received)
            report.add("sync of one new release", statistics.median(one.seconds for one in syncs), "s", "≤ 1")
            report.add("sync of one new release: moved", max(moved) / 1000, "kB", "≤ 200")
            report.add("sync of one new release: peak memory", max(one.peak for one in syncs) / MIB, "MiB", "≤ 300")
            nothing = [dcat("sync") for _ in range(ROUNDS)]
            report.add("sync of nothing new", statistics.median(one.seconds for one in nothing), "s")
    with open_home(folder / "near", now=datetime.now(UTC)) as home:
        release = make_release(releases // 2, home.time)
    measure_start(report, folder / "near", release.reference, release.name, releases)


def _publish_one(path: Path, number: int) -> float:
    """Publish a release and share the catalogue, as ``dcat publish`` does when the image is stored; return the seconds."""
    with open_home(path, now=datetime.now(UTC)) as home:
        for opened in (home.index, home.trust):  # as a publish has them by then
            with opened.read():
                pass
        start = time.perf_counter()
        release = make_release(number, home.time)
        with home.lock("own"):
            home.put_own([release], [Change(home.own_catalogue() or "", home.time, "published", release.name, release.version)])
        share_own(home, NO_NETWORK)
        return time.perf_counter() - start
