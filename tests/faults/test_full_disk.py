"""Disks that a publish does not fit on: a clean end, nothing half visible, and with room it goes on (docs/safety.md B15)."""

import json
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.factory.exports import docker_25
from tests.factory.images import BASE, make_image
from tests.factory.tars import make_layer, make_tar
from tests.faults.conftest import in_memory
from tests.faults.forking import Forks
from tests.faults.invariants import check_files, check_home
from tests.needs import lacks
from tests.server.registry.pushing import digest_of, manifest_of, serving_pushes

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
        subprocess.run(["umount", "--lazy", self.place], check=True)

    def resize(self, kib: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={kib}k", self.place], check=True)

    def fill(self) -> None:
        """Write a file until nothing more fits."""
        with suppress(OSError), (self.place / "fill").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        assert os.statvfs(self.place).f_bfree == 0


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
            assert (shown.code, "large" in shown.out) in {(0, False), (41, False)}, (number, ended, shown)
        disk.resize(LARGEST + 8 * 1024)
        check_files(home)
        assert check_home(home, acknowledged) == ({"web@1.0"} if ended.code else {"web@1.0", "large@1.0"}), (number, ended)
        assert forks.run("verify", home=home).code == 0
        assert forks.run(*command, home=home).code == 0
        assert check_home(home, acknowledged) == {"web@1.0", "large@1.0"}
    print(f"{full} of {sizes} disks were full")
    assert 0 < full < sizes


@pytest.mark.parametrize("step", [48, pytest.param(4, marks=pytest.mark.long)])
def test_a_command_that_fails_has_changed_nothing(disk: SmallDisk, forks: Forks, images: dict[str, str], step: int) -> None:
    home, start = disk.place / "home", disk.place.with_name("start")
    shutil.rmtree(start, ignore_errors=True)
    assert forks.run("publish", "-q", "web", "1.0", "--from", images["1.0"], home=start).code == 0
    codes = set()
    for room in range(0, 481, step):  # KiB
        disk.resize(LARGEST)
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(start, home)
        usage = os.statvfs(home)
        disk.resize((usage.f_blocks - usage.f_bfree) * usage.f_frsize // KIB + room)
        ended = forks.run("yank", "web@1.0", "--reason", "bad", home=home)
        assert ended.code in {0, 41}, (room, ended)
        codes.add(ended.code)
        for size in (0, LARGEST):
            if size:
                disk.resize(size)
            shown = forks.run("show", "web@1.0", "--json", home=home)
            assert (shown.code, json.loads(shown.out)["yanked"]) == (0, None if ended.code else "bad"), (room, size, ended, shown)
    assert codes == {0, 41}


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


READING = [
    ["list"],
    ["list", "--json"],
    ["show", "web@1.0"],
    ["resolve", "web@1.0"],
    ["search", "web"],
    ["log"],
    ["status"],
    ["files", "web@1.0"],
    ["diff", "web@1.0", "web@1.1"],
    ["gc"],
    ["save", "web@1.0", "-o", "OUT"],
    ["export", "web@1.0", "-o", "OUT"],
]


def read_everything(forks: Forks, home: Path, output: Path) -> None:
    for command in READING:
        ended = forks.run(*(str(output) if word == "OUT" else word for word in command), home=home)
        assert ended.code == 0, (command, ended)


@pytest.fixture
def full(disk: SmallDisk, forks: Forks, images: dict[str, str], large_image: str) -> Iterator[Path]:
    """A home with two releases and garbage on a disk on which nothing more fits."""
    shutil.rmtree(disk.place / "home", ignore_errors=True)
    disk.resize(64 * 1024)
    home = disk.place / "home"
    for version in ("1.0", "1.1"):
        assert forks.run("publish", "-q", "web", version, "--from", images[version], home=home).code == 0
    assert forks.run("publish", "-q", "large", "1.0", "--from", large_image, home=home).code == 0
    assert forks.run("remove", "large@1.0", home=home).code == 0
    disk.fill()
    yield home
    (disk.place / "fill").unlink()


def test_reading_needs_no_room(full: Path, forks: Forks, tmp_path: Path) -> None:
    read_everything(forks, full, tmp_path / "out")


def test_nothing_is_called_damaged_on_a_full_disk(full: Path, forks: Forks) -> None:
    for command in (["verify"], ["verify", "web@1.0"], ["doctor"]):
        ended = forks.run(*command, home=full)
        assert ended.code == 41, ended
        assert "no space left" in ended.out + ended.err
        assert "damaged" not in ended.out + ended.err


def test_what_writes_says_that_the_disk_is_full(full: Path, forks: Forks, images: dict[str, str]) -> None:
    for command in (["publish", "web", "2.0", "--from", images["old"]], ["pin", "web@1.0"], ["yank", "web@1.0", "--reason", "bad"]):
        ended = forks.run(*command, home=full)
        assert ended.code == 41, ended
        assert "no space left" in ended.err
        assert "dcat gc --yes" in ended.err


def test_a_collection_frees_room_on_a_full_disk(full: Path, forks: Forks, images: dict[str, str]) -> None:
    ended = forks.run("gc", "--yes", home=full)
    assert ended.code == 0, ended
    assert "freed" in ended.out
    assert os.statvfs(full).f_bfree * 4096 > 3 * KIB * KIB
    check_files(full)
    assert forks.run("publish", "web", "2.0", "--from", images["old"], home=full).code == 0
    assert check_home(full, {}) == {"web@1.0", "web@1.1", "web@2.0", "large@1.0"}  # which is shown as removed


def test_a_collection_frees_what_filled_the_disk(disk: SmallDisk, forks: Forks, images: dict[str, str], tmp_path: Path) -> None:
    image = tmp_path / "larger.tar"
    layer = make_layer({f"app/{number}": random.Random(number).randbytes(1024 * KIB) for number in range(30)})
    image.write_bytes(make_tar(docker_25(make_image([layer]))))
    home = disk.place / "home"
    shutil.rmtree(home, ignore_errors=True)
    disk.resize(26 * 1024)
    assert forks.run("publish", "-q", "web", "1.0", "--from", images["1.0"], home=home).code == 0
    filled = forks.run("publish", "-q", "larger", "1.0", "--from", str(image), home=home)
    assert filled.code == 41, filled
    assert "dcat gc --yes" in filled.err
    ended = forks.run("gc", "--yes", home=home)
    assert ended.code == 0, ended
    assert os.statvfs(home).f_bfree * 4096 > 20 * KIB * KIB
    check_files(home)
    assert forks.run("verify", home=home).code == 0
    assert check_home(home, {}) == {"web@1.0"}


def test_pushes_to_a_server_whose_disk_is_full(disk: SmallDisk) -> None:
    """Every client is told why; what is published is still read, and with room the same push goes on."""
    home = disk.place / "home"
    shutil.rmtree(home, ignore_errors=True)
    disk.resize(LARGEST)
    first, second = (make_image([BASE, make_layer({name: random.Random(name).randbytes(KIB * KIB)})]) for name in ("a", "b"))
    with serving_pushes(home) as server:
        client = server.connect()
        assert client.push("web", "1.0", first, pack="plain").status == 201
        server.publisher.wait()
        server.inbox.close()  # what comes next needs a lease of its own
        assert json.loads(client.ask("GET", "/health").body)["status"] == "ok"
        disk.fill()
        assert json.loads(client.ask("GET", "/health").body)["status"] == "full"
        assert client.ask("HEAD", f"/v2/web/blobs/{digest_of(BASE)}").status == 200
        assert client.ask("HEAD", f"/v2/web/blobs/{digest_of(second.layers[1])}").status == 404
        begun = client.ask("POST", "/v2/web/blobs/uploads/")
        assert begun.status == 202, begun
        refused = client.ask("PUT", f"{begun.headers['location']}?digest={digest_of(second.layers[1])}", second.layers[1])
        assert (refused.status, "no space left" in refused.message) == (403, True), refused
        refused = client.put_manifest("web", "1.1", manifest_of(first.config, first.layers, "plain"))
        assert (refused.status, "no space left" in refused.message) == (403, True), refused
        assert client.ask("GET", "/v2/web/manifests/1.0").status == 200
        assert not any(" 500 " in line for line in server.log), server.log
        (disk.place / "fill").unlink()
        assert client.push("web", "1.1", second, pack="plain").status == 201
    assert check_home(home, {}) == {"web@1.0", "web@1.1"}


@contextmanager
def read_only_mount(home: Path, place: Path) -> Iterator[Path]:
    place.mkdir()
    try:
        subprocess.run(["mount", "--bind", str(home), str(place)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        lacks("tmpfs", f"nothing can be mounted: {error}")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(place)], check=True)
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_home_on_a_read_only_mount(forks: Forks, images: dict[str, str], tmp_path: Path) -> None:
    home = tmp_path / "home"
    for version in ("1.0", "1.1"):
        assert forks.run("publish", "-q", "web", version, "--from", images[version], home=home).code == 0
    with read_only_mount(home, tmp_path / "mount") as mounted:
        read_everything(forks, mounted, tmp_path / "out")
        for command in (["verify"], ["export", "--catalogue", "mine", "-o", str(tmp_path / "out")]):
            assert forks.run(*command, home=mounted).code == 0
        since = ["export", "web@1.1", "--since", "web@1.0", "-o", str(tmp_path / "out")]
        assert forks.run(*since, home=mounted).code == 0
        for command in (["publish", "web", "2.0", "--from", images["old"]], ["gc", "--yes"], ["pin", "web@1.0"]):
            ended = forks.run(*command, home=mounted)
            assert ended.code == 41, ended
            assert "cannot be written" in ended.err
            assert "dcat gc" not in ended.err
