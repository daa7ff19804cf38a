"""Sharing through an IPFS Cluster of three peers on loopback, beside sharing into one Kubo node."""

import statistics
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from catalog.home.home import Home, open_home
from catalog.index.history import Change
from catalog.model.digest import ConfigDigest, ManifestDigest
from catalog.model.platform import parse_platform
from catalog.model.release import Image, Release
from catalog.own.replicas import ClusterPin
from catalog.own.share import share_own
from catalog.sources.network import ClusterSetting, KuboSetting, open_network
from tests.benchmarks.harness import DCAT, Report, Run, by_turns, dcat_json, median, run, surroundings
from tests.compat.cluster import ClusterPeer, run_cluster
from tests.compat.kubo import find_kubo, start_kubo, stop_kubo
from tests.factory.exports import write_save
from tests.factory.images import APP, BASE, make_image
from tests.factory.tars import make_layer
from tests.fakes.dags import make_leaves, make_node

ROUNDS = 5
RELEASES = 10_000
_SIZE = 20_000_000
_AMD64 = parse_platform("linux/amd64")


def measure(report: Report) -> None:
    """Publish new versions by turns, then pin one release more of a catalogue of 10,000."""
    with run_cluster(3) as peers, tempfile.TemporaryDirectory(prefix="dcat-bench-") as folder:
        _measure_publish(report, peers, Path(folder))
        _measure_many(report, peers, Path(folder) / "many")


def _measure_publish(report: Report, peers: tuple[ClusterPeer, ...], folder: Path) -> None:
    processes: list[subprocess.Popen[bytes]] = []
    alone = start_kubo(find_kubo(), folder / "kubo", processes)
    try:
        homes = {"alone": folder / "alone", "cluster": folder / "cluster"}
        settings = {"alone": {"DCAT_KUBO": alone.url}, "cluster": {"DCAT_KUBO": peers[0].kubo.url, "DCAT_CLUSTER": peers[0].rest}}
        environments = {name: surroundings(DCAT_HOME=str(home), HOME=str(folder), **settings[name]) for name, home in homes.items()}
        for name in homes:
            run([*DCAT, "config", "set", "kubo", settings[name]["DCAT_KUBO"], "--yes"], environment=environments[name])
        count = 0

        def publish(name: str) -> Run:
            nonlocal count
            count += 1
            path = folder / "image.tar"
            content = make_layer({"data": make_leaves(1, seed=count, size=2 * _SIZE)[0].data[:_SIZE]})
            write_save(path, make_image([BASE, content, APP]))
            started = time.perf_counter()
            document = dcat_json(environments[name], "publish", "web", str(count), "--from", str(path))
            seconds = time.perf_counter() - started
            assert document["shared"]["pending"] is None, document["shared"]
            return Run(seconds, 0, 0)

        for name in homes:
            publish(name)
        runs = by_turns({name: lambda name=name: publish(name) for name in homes}, ROUNDS)  # type: ignore[misc]
        more = statistics.median(one.seconds - other.seconds for one, other in zip(runs["cluster"], runs["alone"], strict=True))
        report.add("publish of a new version, 20 MB, into Kubo alone", median(runs["alone"]), "s")
        report.add("publish of a new version, 20 MB, with 2 of 3 replicas proven", median(runs["cluster"]), "s")
        report.add("the latter over the former", more, "s", "<= 3")
    finally:
        for process in processes:
            stop_kubo(process)


def _measure_many(report: Report, peers: tuple[ClusterPeer, ...], path: Path) -> None:
    with _fill(path) as home:
        started = time.perf_counter()
        _share(home, peers[0])
        report.add(f"first share of {RELEASES} releases, 11 blocks each, 2 replicas proven", time.perf_counter() - started, "s")
    pins, shares = [], []
    for number in range(ROUNDS):
        with open_home(path, now=datetime.now(UTC)) as home:
            _publish(home, [_make_release(home, RELEASES + number)])
            seconds, pinning = _timed_share(home, peers[0])
            shares.append(seconds)
            pins.append(pinning)
    report.add(
        f"one release more in a catalogue of {RELEASES}: pinning it, 2 replicas proven", statistics.median(pins), "s", "<= 1"
    )
    report.add("the same: signing, importing and pinning", statistics.median(shares), "s")


def _timed_share(home: Home, peer: ClusterPeer) -> tuple[float, float]:
    """Share; return the seconds of all, and those from asking the cluster until enough nodes pinned."""
    ensure, taken = ClusterPin.ensure, []

    def timed(self: ClusterPin, *arguments: object) -> object:
        started = time.perf_counter()
        try:
            return ensure(self, *arguments)  # type: ignore[arg-type]
        finally:
            taken.append(time.perf_counter() - started)

    ClusterPin.ensure = timed  # type: ignore[assignment, method-assign]
    try:
        started = time.perf_counter()
        _share(home, peer)
        return time.perf_counter() - started, sum(taken)
    finally:
        ClusterPin.ensure = ensure  # type: ignore[method-assign]


def _share(home: Home, peer: ClusterPeer) -> None:
    with open_network([], KuboSetting(peer.kubo.url, public=True), cluster=ClusterSetting(peer.rest)) as network:
        shared = share_own(home, network)
        while shared is not None and shared.pending:
            shared = share_own(home, network)


def _fill(path: Path) -> Home:
    home = open_home(path, now=datetime.now(UTC))
    _publish(home, [_make_release(home, number) for number in range(RELEASES)])
    return home


def _make_release(home: Home, number: int) -> Release:
    """Return a release whose archive has ten small leaves of its own."""
    leaves = make_leaves(10, seed=number, size=200)
    root = make_node(leaves)
    home.blocks.put_many([*leaves, root], durable=False)
    config, manifest = ConfigDigest.of(leaves[0].data), ManifestDigest.of(leaves[1].data)
    image = Image(root.cid, config, manifest, 3, 1500, 3000)
    return Release(f"app{number // 20:04d}", f"1.{number % 20}", home.time, {_AMD64: image}, {})


def _publish(home: Home, releases: list[Release]) -> None:
    home.blocks.flush()
    catalogue, _ = home.create_own_catalogue()
    with home.lock("own"):
        home.put_own(releases, [Change(catalogue, home.time, "published", one.name, one.version) for one in releases])
