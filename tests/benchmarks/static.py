"""A catalogue of plain files behind nginx, on the simulated line, beside docker-registry on the same line.

``export --static`` of both pairs; first pulls and upgrades by dcat into Docker 20.10, by published deltas and without them;
``docker pull`` of Docker 29 from the files, beside the same from the registry; and a folder of 100,000 releases and one more.
"""

import shutil
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from catalog.home.home import open_home
from catalog.index.history import Change
from catalog.own.share import share_own
from catalog.sources.network import NO_NETWORK
from tests.benchmarks.catalogues import fill_home, make_release
from tests.benchmarks.harness import DCAT, Report, Run, by_turns, dcat_json, median, ratio, run, surroundings
from tests.benchmarks.images import ImageFile, Pair, image_pairs
from tests.benchmarks.network import FAR_ADDRESS, Line, Relayed, relayed, relayed_here, simulated_line
from tests.benchmarks.relay import Passed
from tests.compat.engines import PrivateEngine, program, run_docker20, run_docker29, run_registry, start_process, stop_process

MB = 1_000_000
ROUNDS = 3
RELEASES = 100_000
_DELTA = {"web": 0.95, "sci": 0.32}
_BLOCKS = {"web": 9, "sci": 15}
_NGINX = """\
daemon off; master_process off; user root; pid {folder}/nginx.pid; error_log stderr; events {{ worker_connections 512; }}
http {{ access_log off; sendfile on; {server} }}
"""


@dataclass(frozen=True, slots=True)
class _Place:
    """Everything one round needs; ``bare`` is the host of the same files without deltas."""

    line: Line
    engine: PrivateEngine
    folder: Path
    files: Relayed
    bare: Relayed
    registry: Relayed

    def dcat(self, home: str, *arguments: str) -> Run:
        """Run dcat at the near end."""
        environment = surroundings(DCAT_HOME=str(self.folder / home), HOME=str(self.folder), DOCKER_HOST=self.engine.host)
        return run([*self.line.near, *DCAT, *arguments], environment=environment)


def measure(report: Report) -> None:
    """Export both pairs, serve them at the far end, pull them at the near end; then the large folder."""
    pairs = image_pairs()
    with tempfile.TemporaryDirectory(prefix="dcat-bench-") as text:
        folder = Path(text)
        _measure_export(report, folder, pairs)
        with simulated_line() as line, ExitStack() as stack:
            registry = stack.enter_context(run_registry(FAR_ADDRESS, line.far))
            hosts = [stack.enter_context(_nginx(folder, name, port, line)) for name, port in (("site", 8081), ("bare", 8082))]
            relays = [stack.enter_context(relayed(line, address, 0.01)) for address in (*hosts, registry)]
            with run_docker20(line.near) as engine:
                place = _Place(line, engine, folder, *relays)
                for pair in pairs.values():
                    _push(place, pair)
                    _measure_dcat(report, place, pair)
            with run_docker29(line.near) as engine:
                _measure_docker(report, _Place(line, engine, folder, *relays), pairs["web"].first)
        _measure_large(report, folder)


def _measure_export(report: Report, folder: Path, pairs: dict[str, Pair]) -> None:
    far = surroundings(DCAT_HOME=str(folder / "far"), HOME=str(folder))
    export = [*DCAT, "export", "--static", str(folder / "site")]

    def publish(image: ImageFile) -> None:
        run([*DCAT, "publish", image.name, image.version, "--from", str(image.path), "--quiet"], environment=far)

    for pair in pairs.values():
        publish(pair.first)
    times = []
    for _ in range(ROUNDS):
        shutil.rmtree(folder / "site", ignore_errors=True)
        times.append(run(export, environment=far).seconds)
    size = _size(folder / "site")
    report.add("export --static of web and sci", size / MB / statistics.median(times), "MB/s", "≥ 200")
    for pair in pairs.values():
        publish(pair.second)
        done = dcat_json(far, "export", "--static", str(folder / "site"))
        known = {blob.name for blob in (folder / f"site/v2/{pair.second.name}/blobs").iterdir()}
        new = sum(
            (folder / f"site/v2/{pair.second.name}/blobs/{name}").stat().st_size
            for name in known
            if (folder / f"site/v2/{pair.second.name}/blobs/{name}").stat().st_mtime > _written_before(folder, pair)
        )
        report.add(
            f"one more release of {pair.second.name}: written beside its layers",
            (done["written"] - new) / 1000,
            "kB",
            "≤ 200 and its delta",
        )
    shutil.copytree(folder / "site", folder / "bare", copy_function=_link)
    for delta in (folder / "bare").glob("deltas/*/*.delta"):
        next((folder / "bare").glob(f"outlines/*/{delta.stem}.car")).unlink()


def _written_before(folder: Path, pair: Pair) -> float:
    """Return when the first version's manifest was written."""
    return (folder / f"site/v2/{pair.first.name}/manifests/{pair.first.version}").stat().st_mtime


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@contextmanager
def _nginx(folder: Path, name: str, port: int, line: Line) -> Iterator[str]:
    """Run nginx at the far end with the settings that stand in the folder; yield its address."""
    address = f"{FAR_ADDRESS}:{port}"
    server = (folder / name / "settings/nginx.conf").read_text().replace("127.0.0.1:8080", address)
    configuration = folder / f"{name}.conf"
    configuration.write_text(_NGINX.format(folder=folder / name, server=server.replace("/srv/catalogue", str(folder / name))))
    path = program("nginx")
    if path is None:
        raise SystemExit("nginx is not installed (.ci/packages installs it)")
    process = start_process([*line.far, path, "-c", str(configuration)], folder / f"{name}.log", surroundings())
    try:
        yield address
    finally:
        stop_process(process)


def _push(place: _Place, pair: Pair) -> None:
    place.line.shape(1000)
    for image in (pair.first, pair.second):
        tag = f"{place.registry.address}/{image.reference}"
        place.engine.run("load", "--input", str(image.path))
        place.engine.run("tag", image.reference, tag)
        place.engine.run("push", "--quiet", tag)
    place.engine.clear()


def _measure_dcat(report: Report, place: _Place, pair: Pair) -> None:
    name = pair.first.name
    place.dcat("near", "subscribe", "team", f"http://{place.files.address}", "--yes", "--quiet")
    place.dcat("nearby", "subscribe", "team", f"http://{place.bare.address}", "--yes", "--quiet")
    place.line.shape(100)
    passed: dict[str, Passed] = {}
    first = {
        "dcat": lambda: _pull(place, "near", pair.first, place.files, passed),
        "docker": lambda: _pull_by_docker(place, pair.first, place.registry, passed, "docker"),
    }
    times = by_turns(first, ROUNDS)
    report.add(f"first pull of {name}: dcat / docker, time", ratio(times["dcat"], times["docker"]), "×", "≤ 1.1")
    report.add(f"first pull of {name}: dcat", median(times["dcat"]), "s")
    report.add(f"first pull of {name}: docker from the registry", median(times["docker"]), "s")
    report.add(f"first pull of {name}: dcat / docker, bytes", _moved(passed["near"]) / _moved(passed["docker"]), "×", "≤ 1.03")
    report.add(f"first pull of {name}: requests", passed["near"].requests, "requests", "≤ 40")
    for home, how, wanted, requests in (("near", "by delta", _DELTA, 8), ("nearby", "by blocks", _BLOCKS, 60)):
        host = place.files if home == "near" else place.bare
        place.line.shape(1000)
        place.dcat(home, "pull", f"team/{name}@1.0", "--no-load", "--quiet")
        place.line.shape(100)
        upgrades = [_pull(place, home, pair.second, host, passed) for _ in range(ROUNDS)]
        report.add(f"upgrade of {name} {how}", median(upgrades), "s")
        report.add(f"upgrade of {name} {how}: moved", _moved(passed[home]) / MB, "MB", f"≤ {wanted[name]}")
        report.add(f"upgrade of {name} {how}: requests", passed[home].requests, "requests", f"≤ {requests}")
    place.engine.clear()
    for home in ("near", "nearby"):
        shutil.rmtree(place.folder / home)


def _pull(place: _Place, home: str, image: ImageFile, host: Relayed, passed: dict[str, Passed]) -> Run:
    """Pull by dcat into a copy of a home and an engine without images."""
    shutil.rmtree(place.folder / "round", ignore_errors=True)
    shutil.copytree(place.folder / home, place.folder / "round")
    host.passed()
    pulled = place.dcat("round", "pull", f"team/{image.name}@{image.version}", "--quiet")
    passed[home] = host.passed()
    place.engine.clear()
    return pulled


def _pull_by_docker(place: _Place, image: ImageFile, host: Relayed, passed: dict[str, Passed], key: str) -> Run:
    tag = f"{host.address}/{image.reference}"
    host.passed()
    pulled = run([*place.engine.command, "pull", "--quiet", tag], environment=place.engine.environment)
    passed[key] = host.passed()
    place.engine.clear()
    return pulled


def _measure_docker(report: Report, place: _Place, image: ImageFile) -> None:
    place.line.shape(100)
    passed: dict[str, Passed] = {}
    cases = {
        "files": lambda: _pull_by_docker(place, image, place.files, passed, "files"),
        "registry": lambda: _pull_by_docker(place, image, place.registry, passed, "registry"),
    }
    times = by_turns(cases, ROUNDS)
    report.add("docker 29 pull from the files", median(times["files"]), "s")
    report.add("docker 29 pull, files / registry, time", ratio(times["files"], times["registry"]), "×", "≤ 1.1")
    report.add("docker 29 pull, files / registry, bytes", _moved(passed["files"]) / _moved(passed["registry"]), "×", "≤ 1.05")


def _moved(passed: Passed) -> int:
    return passed.sent + passed.received


def _measure_large(report: Report, folder: Path) -> None:
    """Export an index of many releases (their archives are none, so nothing but the index is written), and follow it."""
    fill_home(folder / "large", RELEASES).close()
    large = surroundings(DCAT_HOME=str(folder / "large"), HOME=str(folder))
    near = surroundings(DCAT_HOME=str(folder / "follower"), HOME=str(folder))

    def export() -> Run:
        return run([*DCAT, "export", "--static", str(folder / "many"), "--quiet"], environment=large)

    report.add(f"export --static of {RELEASES:,} releases without images", export().seconds, "s")
    with ExitStack() as stack:
        address = stack.enter_context(_nginx_here(folder))
        relay = stack.enter_context(relayed_here(address))
        first = run([*DCAT, "subscribe", "team", f"http://{relay.address}", "--yes", "--quiet"], environment=near)
        passed = relay.passed()
        report.add("first sync", first.seconds, "s")
        report.add("first sync: moved", _moved(passed) / MB, "MB")
        report.add("first sync: requests", passed.requests, "requests")
        moved, requests, written = [], [], []
        for number in range(ROUNDS):
            _publish_one(folder / "large", RELEASES + number)
            written.append(int(dcat_json(large, "export", "--static", str(folder / "many"))["written"]))
            relay.passed()
            run([*DCAT, "sync", "--quiet"], environment=near)
            passed = relay.passed()
            moved.append(_moved(passed))
            requests.append(passed.requests)
        report.add("one more release: written", max(written) / 1000, "kB", "≤ 200")
        report.add("sync of one new release: moved", max(moved) / 1000, "kB", "≤ 100")
        report.add("sync of one new release: requests", max(requests), "requests", "≤ 10")


@contextmanager
def _nginx_here(folder: Path) -> Iterator[str]:
    configuration = folder / "many.conf"
    server = f"server {{ listen 127.0.0.1:8083; root {folder}/many; }}"
    configuration.write_text(_NGINX.format(folder=folder / "many", server=server))
    process = start_process([program("nginx") or "nginx", "-c", str(configuration)], folder / "many.log", surroundings())
    try:
        yield "127.0.0.1:8083"
    finally:
        stop_process(process)


def _publish_one(path: Path, number: int) -> None:
    with open_home(path, now=datetime.now(UTC)) as home:
        release = make_release(number, home.time)
        with home.lock("own"):
            home.put_own([release], [Change(home.own_catalogue() or "", home.time, "published", release.name, release.version)])
        share_own(home, NO_NETWORK)
