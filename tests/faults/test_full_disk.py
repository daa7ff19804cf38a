"""Disks that a publish does not fit on: a clean end, nothing half visible, and with room it goes on (docs/safety.md B15)."""

import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.factory.exports import docker_25
from tests.factory.images import make_image
from tests.factory.tars import make_layer, make_tar
from tests.faults.conftest import in_memory
from tests.faults.forking import Forks
from tests.faults.invariants import check_files, check_home
from tests.needs import lacks

KIB = 1024
LARGEST = 14 * 1024  # KiB: everything fits


class SmallDisk:
    """A file system in memory of a size that can be changed."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __enter__(self) -> "SmallDisk":
        self.place.mkdir()
        try:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={LARGEST}k", "tmpfs", self.place], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            lacks("tmpfs", f"no file system can be mounted: {error}")
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", self.place], check=True)

    def resize(self, kib: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={kib}k", self.place], check=True)


@pytest.fixture(scope="module")
def disk() -> Iterator[SmallDisk]:
    with in_memory() as folder, SmallDisk(folder / "disk") as made:
        yield made


@pytest.fixture(scope="module")
def large_image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return an image of 4 MiB that no compression makes smaller."""
    layer = make_layer({f"app/{number}": random.Random(number).randbytes(512 * KIB) for number in range(8)})
    path = tmp_path_factory.mktemp("large") / "large.tar"
    path.write_bytes(make_tar(docker_25(make_image([layer]))))
    return str(path)


@pytest.mark.parametrize("sizes", [8, pytest.param(100, marks=pytest.mark.long)])
def test_publishing_on_a_full_disk(disk: SmallDisk, forks: Forks, images: dict[str, str], large_image: str, sizes: int) -> None:
    home, start = disk.place / "home", disk.place.with_name("start")
    shutil.rmtree(start, ignore_errors=True)
    first = forks.run("publish", "-q", "web", "1.0", "--from", images["1.0"], home=start)
    acknowledged = {"web@1.0": first.out.strip()}
    command = ["publish", "large", "1.0", "--from", large_image]
    full = 0
    used = sum(path.stat().st_size for path in start.rglob("*")) // KIB + 64
    for number in range(sizes):
        disk.resize(LARGEST)
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(start, home)
        disk.resize(used + (LARGEST - used) * number // sizes)
        ended = forks.run(*command, home=home)
        assert ended.code in {0, 41}, (number, ended)
        if ended.code == 41:
            full += 1
            assert "needs" in ended.err, ended
            assert "has" in ended.err, ended
            shown = forks.run("list", "-q", home=home)
            assert (shown.code, "large" in shown.out) in {(0, False), (41, False)}, shown
        disk.resize(LARGEST + 8 * 1024)
        check_files(home)
        assert check_home(home, acknowledged) <= {"web@1.0", "large@1.0"}
        assert forks.run("verify", home=home).code == 0
        assert forks.run(*command, home=home).code == 0
        assert check_home(home, acknowledged) == {"web@1.0", "large@1.0"}
    print(f"{full} of {sizes} disks were full")
    assert 0 < full < sizes


def test_first_publish_on_a_full_disk(disk: SmallDisk, forks: Forks, images: dict[str, str]) -> None:
    home = disk.place / "home"
    for kib in (4, 16, 48, 128, 256, 512, 1024):
        disk.resize(LARGEST)
        shutil.rmtree(home, ignore_errors=True)
        disk.resize(kib)
        ended = forks.run("publish", "web", "1.0", "--from", images["1.0"], home=home)
        assert ended.code in {0, 41}, (kib, ended)
        disk.resize(LARGEST)
        assert forks.run("publish", "web", "1.0", "--from", images["1.0"], home=home).code == 0
        assert check_home(home, {}) == {"web@1.0"}
