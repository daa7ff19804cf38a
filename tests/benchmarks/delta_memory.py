"""What an upgrade by delta takes in memory where one layer of 4 GiB changed a little in every one of its files.

``python -m tests.benchmarks.delta_memory MIB VERSION`` writes the image as ``docker save`` would.
"""

import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from tests.benchmarks.harness import DCAT, Report, Run, run, surroundings
from tests.benchmarks.network import read_line, started
from tests.benchmarks.one_layer import write_image

MIB = 2**20
SIZE = 4096  # MiB of the layer
_FILE = 64 * 1024


def measure(report: Report, size: int = SIZE) -> None:
    """Publish both versions, with a delta and without one for a server to make; follow the second home."""
    with tempfile.TemporaryDirectory(prefix="dcat-bench-") as folder:
        far, near = Path(folder) / "far", Path(folder) / "near"
        _publish(far, size, 1)
        published = _publish(far, size, 2)
        (made,) = json.loads(published.output)["shared"]["deltas"]
        title = f"one layer of {size} MiB, all files changed a little"
        report.add(f"{title}: blocks that are new", made["blocks_bytes"] / 1_000_000, "MB")
        report.add(f"{title}: published delta", made["bytes"] / 1_000_000, "MB")
        report.add(f"{title}: peak memory of dcat publish with its delta", published.peak / MIB, "MiB", "≤ 200")
        environment = surroundings(DCAT_HOME=str(near), HOME=folder, DOCKER_HOST="unix:///nonexistent")
        serving = surroundings(DCAT_HOME=str(far), HOME=folder)
        with started([*DCAT, "serve", "--port", "0", "--json"], **serving) as server:
            url = json.loads(read_line(server.stdout))["url"]
            run([*DCAT, "subscribe", "team", url, "--yes"], environment=environment)
            run([*DCAT, "pull", "team/large@1", "--no-load"], environment=environment)
            pulled = run([*DCAT, "pull", "team/large@2", "--no-load", "--json"], environment=environment, keep=True)
        document: Any = json.loads(pulled.output.splitlines()[-1])
        assert document["delta"]["complete"]
        report.add(f"{title}: dcat pull by delta, bytes that travelled", document["fetched"]["bytes"] / 1_000_000, "MB")
        report.add(f"{title}: dcat pull by delta", pulled.seconds, "s")
        report.add(f"{title}: peak memory of dcat pull by delta", pulled.peak / MIB, "MiB", "≤ 200")


def _publish(home: Path, size: int, version: int) -> Run:
    environment = surroundings(DCAT_HOME=str(home), HOME=str(home.parent))
    command = [sys.executable, "-m", __name__, str(size), str(version)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as writer:
        publish = [*DCAT, "publish", "large", str(version), "--from", "-", "--json"]
        return run(publish, environment=environment, stdin=writer.stdout, keep=True)


def _layer_pieces(files: int, version: int) -> Iterator[bytes]:
    """Yield files of hexadecimal noise, in the middle of each the version."""
    noise = Cipher(AES(b"dcat, benchmarks"), CTR(bytes(16))).encryptor()
    for number in range(files):
        member = tarfile.TarInfo(f"data/{number // 1000:03d}/{number % 1000:03d}")
        member.size = _FILE
        yield member.tobuf(tarfile.USTAR_FORMAT)
        content = bytearray(noise.update(bytes(_FILE // 2)).hex().encode())
        content[_FILE // 2 : _FILE // 2 + 8] = b"%08d" % version
        yield bytes(content)
    yield bytes(1024)


if __name__ == "__main__":
    number = int(sys.argv[1]) * MIB // _FILE
    write_image(sys.stdout.buffer, number * (_FILE + 512) + 1024, _layer_pieces(number, int(sys.argv[2])))
