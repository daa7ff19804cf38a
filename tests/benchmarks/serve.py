"""What ``dcat serve`` sends of *web* in a second of its own processor, beside Kubo's gateway with the same DAG; memory and waiting.

A rate is bytes over CPU seconds of the server, so what else the machine does does not count.
"""

import http.client
import json
import os
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.harness import DCAT, Report, dcat_json, run, surroundings
from tests.benchmarks.images import image_pairs
from tests.compat.kubo import find_kubo, start_kubo, stop_kubo
from tests.memory import peak_memory

ROUNDS = 5
PULLS = 64
SLOW = 1000
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_PIECE = 1 << 20


class Served(NamedTuple):
    """A running server: its port, process, and the layers of the image by size."""

    port: int
    process: int
    layers: Sequence[str]


def measure(report: Report) -> None:
    """Publish *web*, then send it in each form."""
    with tempfile.TemporaryDirectory(prefix="dcat-bench-") as text, ExitStack() as stack:
        folder = Path(text)
        environment = surroundings(DCAT_HOME=str(folder / "home"), HOME=str(folder))
        image = image_pairs()["web"].first
        run([*DCAT, "publish", "web@1.0", "--from", str(image.path)], environment=environment)
        archive = next(iter(dcat_json(environment, "show", "web@1.0")["images"].values()))["archive"]
        nodes: list[subprocess.Popen[bytes]] = []
        stack.callback(stop_all, nodes)
        kubo = start_kubo(find_kubo(), folder / "kubo", nodes)
        with serving(environment) as served:
            car = get(served.port, f"/ipfs/{archive}?format=car")
            kubo.run("dag", "import", "--pin-roots", data=car)
        gateway = int(kubo.gateway.rpartition(":")[2])
        with serving(environment) as served:
            measure_rates(report, served, archive, gateway, nodes[0].pid)
            measure_waiting(report, served)
        measure_memory(report, environment)


def measure_rates(report: Report, served: Served, archive: str, gateway: int, node: int) -> None:
    """Send the largest layer and the archive by turns with Kubo's gateway."""
    layer = f"/v2/web/blobs/{served.layers[0]}"
    rates: dict[str, list[float]] = {}
    for turn in range(ROUNDS + 1):
        for what, port, process, path, encoding in (
            ("layer, zstd: stored bytes", served.port, served.process, layer, "zstd"),
            ("archive: stored bytes", served.port, served.process, f"/ipfs/{archive}", "identity"),
            ("Kubo's gateway, the archive: stored bytes", gateway, node, f"/ipfs/{archive}", "identity"),
            ("layer, gzip: unpacked bytes", served.port, served.process, layer, "gzip"),
            ("layer as it is: unpacked bytes", served.port, served.process, layer, "identity"),
        ):
            before = cpu_of(process)
            size = len_of(port, path, encoding)
            if turn:  # the first compares layers with their diffIDs, and fills Kubo's caches
                rates.setdefault(what, []).append(size / 1e6 / max(cpu_of(process) - before, 0.01))
    wanted = {"layer, zstd: stored bytes": "≥ 1,000, or Kubo's", "layer, gzip: unpacked bytes": "≥ 300"}
    for what, found in rates.items():
        report.add(f"{what} a CPU second", statistics.median(found), "MB/s", wanted.get(what, ""))


def measure_waiting(report: Report, served: Served) -> None:
    """Time the first byte of a layer, and a manifest beside slow clients."""
    path = f"/v2/web/blobs/{served.layers[0]}"
    firsts = [first_byte(served.port, path) for _ in range(21)]
    report.add("first byte of a layer", 1000 * statistics.median(firsts), "ms", "≤ 20")
    with ExitStack() as stack:
        for _ in range(SLOW):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", served.port)))
            slow.sendall(b"GET /v2/web/manifests/1.0 HTTP/1.1\r\nHost: localhost\r\nX: ")
        times = [first_byte(served.port, "/v2/web/manifests/1.0") for _ in range(101)]
    report.add(f"manifest beside {SLOW} slow clients, p95", 1000 * sorted(times)[95], "ms", "≤ 200")


def measure_memory(report: Report, environment: dict[str, str]) -> None:
    """Compare the peak after one pull with the peak after 64 side by side; each with a fresh server."""
    for encoding in ("zstd", "gzip"):
        peaks = []
        for pulls in (1, PULLS):
            with serving(environment) as served:
                paths = [f"/v2/web/blobs/{layer}" for layer in served.layers]
                threads = [threading.Thread(target=pull, args=(served.port, paths, encoding)) for _ in range(pulls)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                peaks.append(peak_memory(served.process))
        report.add(f"memory of {PULLS} parallel pulls over that of one, {encoding}", (peaks[1] - peaks[0]) / 2**20, "MiB", "≤ 16")
        report.add(f"peak memory of one pull, {encoding}", peaks[0] / 2**20, "MiB")


def stop_all(nodes: list[subprocess.Popen[bytes]]) -> None:
    """Stop Kubo."""
    for node in nodes:
        stop_kubo(node)


def pull(port: int, paths: Sequence[str], encoding: str) -> None:
    """Ask for the layers of an image one after the other."""
    for path in paths:
        len_of(port, path, encoding)


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[Served]:
    """Run ``dcat serve``, which makes gzip for this machine too."""
    process = subprocess.Popen(
        [*DCAT, "serve", "--port", "0", "--compress", "always"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(":")[2])
        manifest = json.loads(get(port, "/v2/web/manifests/1.0"))
        layers = sorted(manifest["layers"], key=lambda layer: layer["size"], reverse=True)
        yield Served(port, process.pid, [layer["digest"] for layer in layers])
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def cpu_of(process: int) -> float:
    """Return the CPU seconds that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def get(port: int, path: str) -> bytes:
    """Return the body of an answer of 200."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=120)) as connection:
        connection.request("GET", path, headers={"Accept": f"{_MANIFEST}, */*"})
        answer = connection.getresponse()
        assert answer.status == 200, f"{path}: {answer.status}"
        return answer.read()


def len_of(port: int, path: str, encoding: str) -> int:
    """Read an answer and return its size, of a layer in gzip that of its content."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=600)) as connection:
        connection.request("GET", path, headers={"Accept-Encoding": encoding})
        answer = connection.getresponse()
        assert answer.status == 200, f"{path}: {answer.status}"
        buffer, size = bytearray(_PIECE), 0
        while count := answer.readinto(buffer):
            size += count
    if answer.getheader("content-encoding") == "gzip":
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            connection.request("HEAD", path)
            size = int(connection.getresponse().getheader("content-length") or 0)
    return size


def first_byte(port: int, path: str) -> float:
    """Return the seconds until the first byte of a body."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        start = time.perf_counter()
        connection.request("GET", path, headers={"Accept-Encoding": "zstd", "Accept": _MANIFEST})
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read(1)
        return time.perf_counter() - start
