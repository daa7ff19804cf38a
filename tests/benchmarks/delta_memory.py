"""What an upgrade by delta takes in memory where one layer of 4 GiB changed a little in every one of its files.

``python -m tests.benchmarks.delta_memory MIB VERSION`` writes the image as ``docker save`` would.
"""

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from tests.benchmarks.harness import DCAT, Report, Run, run, surroundings
from tests.benchmarks.network import read_line, started

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


def write_image(stream: BinaryIO, size: int, version: int) -> None:
    """Write an image whose one layer has about ``size`` MiB; what describes the layer comes behind it."""
    files = size * MIB // _FILE
    layer = tarfile.TarInfo("layer.tar")
    layer.size = files * (_FILE + 512) + 1024
    stream.write(layer.tobuf(tarfile.USTAR_FORMAT))
    sha256 = hashlib.sha256()
    for piece in _layer_pieces(files, version):
        sha256.update(piece)
        stream.write(piece)
    stream.write(bytes(-layer.size % 512))
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256.hexdigest()}"]}}
    manifest = [{"Config": "config.json", "RepoTags": None, "Layers": ["layer.tar"]}]
    described = io.BytesIO()
    with tarfile.open(fileobj=described, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, document in (("config.json", config), ("manifest.json", manifest)):
            content = json.dumps(document).encode()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    stream.write(described.getvalue())


def _layer_pieces(files: int, version: int) -> Iterator[bytes]:
    """Give files of hexadecimal noise, in the middle of each the version."""
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
    write_image(sys.stdout.buffer, int(sys.argv[1]), int(sys.argv[2]))
