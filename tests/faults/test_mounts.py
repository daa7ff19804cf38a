"""The same commands on real mounts: a layer of a container, a file system without a journal, one that cannot be written (D5)."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.forking import Forks
from tests.needs import lacks

# Each is run in a mount namespace of its own, with a folder in which ``home`` is what was published before.
OVERLAY = """
set -e
mount -t tmpfs tmpfs "$0/scratch"
mkdir "$0/scratch/upper" "$0/scratch/work"
mount -t overlay overlay -o "lowerdir=$0/home,upperdir=$0/scratch/upper,workdir=$0/scratch/work" "$0/home"
exec "$@"
"""
WITHOUT_JOURNAL = """
set -e
truncate -s 256M "$0/scratch/image"
mke2fs -q "$0/scratch/image"
mount -o loop "$0/scratch/image" "$0/mounted"
cp -a "$0/home" "$0/mounted/home"
mount --bind "$0/mounted/home" "$0/home"
exec "$@"
"""
READ_ONLY = """
set -e
mount --bind "$0/home" "$0/home"
mount -o remount,bind,ro "$0/home"
exec "$@"
"""


@contextmanager
def mounted(script: str, folder: Path) -> Iterator[Forks]:
    """Yield a process in a namespace in which ``home`` of the folder is mounted by the script."""
    for name in ("scratch", "mounted"):
        (folder / name).mkdir()
    within = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(folder)]
    try:
        subprocess.run([*within, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        lacks("mounts", f"no such mount: {error} {getattr(error, 'stderr', b'')!r}")
    with Forks(within=within) as forks:
        yield forks


@pytest.fixture
def home(forks: Forks, images: dict[str, str], tmp_path: Path) -> Path:
    made = tmp_path / "home"
    assert forks.run("publish", "web", "1.0", "--from", images["1.0"], home=made).code == 0
    return made


@pytest.mark.parametrize("script", [OVERLAY, WITHOUT_JOURNAL], ids=["overlay", "ext2"])
def test_a_home_on_a_mount_goes_on(script: str, home: Path, images: dict[str, str], tmp_path: Path) -> None:
    with mounted(script, tmp_path) as there:
        for command in (
            ["resolve", "web@1.0"],
            ["publish", "web", "1.1", "--from", images["1.1"]],
            ["pull", "web@1.1", "--no-load"],
            ["diff", "web@1.0", "web@1.1", "--files"],
            ["remove", "web@1.0", "--yes"],
            ["gc", "--yes"],
            ["verify"],
        ):
            ended = there.run(*command, home=home)
            assert ended.code == 0, (command, ended)


def test_a_home_that_cannot_be_written_is_read(home: Path, images: dict[str, str], tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    reading: Sequence[Sequence[str]] = (
        ["list"],
        ["resolve", "web@1.0"],
        ["show", "web@1.0"],
        ["search", "web"],
        ["files", "web@1.0"],
    )
    with mounted(READ_ONLY, tmp_path) as there:
        for command in reading:
            ended = there.run(*command, home=home)
            assert ended.code == 0, (command, ended)
        assert there.run("save", "web@1.0", "-o", str(tmp_path / "web.tar.zst"), home=home).code == 0
        ended = there.run("publish", "web", "1.1", "--from", images["1.1"], home=home)
        assert ended.code == 41, ended
        assert "cannot be written" in ended.err, ended
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before
