"""What publishing and saving one layer of 4 GiB take in memory, and on the disk beside the store.

The image flows by: a process writes it into ``dcat publish --from -``, and it is nowhere as a file.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from tests.benchmarks.harness import DCAT, Report, run, surroundings
from tests.benchmarks.one_layer import write_image

MIB = 2**20
SIZE = 4096  # MiB of the one layer, about
_FILE = 16  # MiB of each file in it: a quarter is noise, the rest repeats itself
_TEXT = b"".join(b"%07d of sixteen\n" % number for number in range(60_000))[:MIB]


def measure(report: Report) -> None:
    """Publish the image from a pipe, then save it to nowhere."""
    with tempfile.TemporaryDirectory(prefix="dcat-bench-") as folder:
        home, temporary = Path(folder) / "home", Path(folder) / "tmp"
        temporary.mkdir()
        environment = surroundings(DCAT_HOME=str(home), HOME=folder, TMPDIR=str(temporary))
        writer = subprocess.Popen([sys.executable, "-m", __name__, str(SIZE)], env=environment, stdout=subprocess.PIPE)
        with _Watch(temporary) as watched, _Watch(home) as stored:
            published = run(
                [*DCAT, "publish", "large", "1", "--from", "-", "--quiet"], environment=environment, stdin=writer.stdout
            )
        if writer.wait():
            raise SystemExit("the image could not be written")
        kept = _size_of(home)
        report.add(f"one layer of {SIZE} MiB: peak memory of dcat publish", published.peak / MIB, "MiB", "≤ 200")
        report.add(f"one layer of {SIZE} MiB: dcat publish", published.seconds, "s")
        report.add("most that stood in TMPDIR meanwhile", watched.most / MIB, "MiB", "0")
        report.add("most that stood in the home meanwhile, over what it holds in the end", max(0, stored.most - kept) / MIB, "MiB")
        report.add("what the home holds in the end", kept / MIB, "MiB")
        saved = run([*DCAT, "save", "large@1", "--output", "-"], environment=environment)
        report.add(f"one layer of {SIZE} MiB: peak memory of dcat save", saved.peak / MIB, "MiB", "≤ 200")
        report.add(f"one layer of {SIZE} MiB: dcat save", SIZE * MIB / 1_000_000 / saved.seconds, "MB/s", "≥ 300")


class _Watch:
    """Looks every so often how much a folder holds."""

    def __init__(self, folder: Path) -> None:
        self.most = 0
        self._folder = folder
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "_Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.2):
            self.most = max(self.most, _size_of(self._folder))


def _size_of(folder: Path) -> int:
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return total


def _layer_pieces(files: int) -> Iterator[bytes]:
    noise = Cipher(AES(b"dcat, benchmarks"), CTR(bytes(16))).encryptor()
    for number in range(files):
        member = tarfile.TarInfo(f"data/{number:06d}")
        member.size = _FILE * MIB
        yield member.tobuf(tarfile.USTAR_FORMAT)
        for _ in range(_FILE // 4):
            yield noise.update(bytes(MIB))
        for _ in range(_FILE - _FILE // 4):
            yield _TEXT
    yield bytes(1024)


if __name__ == "__main__":
    number = int(sys.argv[1]) // _FILE
    write_image(sys.stdout.buffer, number * (_FILE * MIB + 512) + 1024, _layer_pieces(number))
