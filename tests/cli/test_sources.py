"""Where publish takes an image from, as people type it."""

import os
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.cli.conftest import Dcat, Ran
from tests.factory.exports import docker_25, write_image
from tests.factory.images import SAMPLE
from tests.factory.tars import make_tar
from tests.needs import ROOT


def tried(ran: Ran, code: int = 2) -> list[str]:
    """Return the words of an error's hint."""
    assert ran.code == code, ran
    return shlex.split(next(line for line in ran.err.splitlines() if line.startswith("  try: ")).removeprefix("  try: "))


@pytest.mark.parametrize("spelling", ["docker-archive:{}", "docker-archive:{}:web:1.0", "oci-archive:{}", "file:{}"])
def test_a_file_with_a_prefix_of_skopeo(dcat: Dcat, tmp_path: Path, spelling: str) -> None:
    (tmp_path / "a b").mkdir()
    file = write_image(tmp_path / "a b" / "one.tar")
    words = tried(dcat("publish", "web", "1.0", "--from", spelling.format(file)))
    assert words == ["dcat", "publish", "web", "1.0", "--from", file]
    assert dcat(*words[1:]).code == 0


@pytest.mark.parametrize(
    ("origin", "options"),
    [
        ("docker://nginx:1.25", ["--image", "nginx:1.25", "--pull"]),
        ("docker-daemon:nginx:1.25", ["--image", "nginx:1.25"]),
        ("containers-storage:nginx:1.25", ["--image", "nginx:1.25"]),
    ],
)
def test_an_image_of_an_engine_or_a_registry_with_a_prefix_of_skopeo(dcat: Dcat, origin: str, options: list[str]) -> None:
    words = tried(dcat("publish", "web", "1.0", f"--from={origin}"))
    assert words == ["dcat", "publish", "web", "1.0", *options]
    assert dcat(*words[1:]).code == 52  # it runs as far as the engine, which is not here


def test_a_url_is_downloaded_by_curl(dcat: Dcat) -> None:
    words = tried(dcat("publish", "web", "1.0", "--from", "https://example.org/web.tar"))
    assert words == ["curl", "-fsSL", "https://example.org/web.tar", "|", "dcat", "publish", "web", "1.0", "--from", "-"]
    secret = dcat("publish", "web", "1.0", "--from", "https://example.org/web.tar?token=canary")
    assert secret.code == 10
    assert "canary" not in secret.err
    assert "try:" not in secret.err


def test_a_file_that_is_not_there_is_a_plain_error(dcat: Dcat) -> None:
    ran = dcat("publish", "web", "1.0", "--from", "no such file.tar")
    assert (ran.code, ran.err) == (10, "error[not-found]: --from: file not found: no such file.tar\n")


def test_a_pipe_is_read_as_a_stream(dcat: Dcat, tmp_path: Path) -> None:
    content = Path(write_image(tmp_path / "one.tar")).read_bytes()
    os.mkfifo(tmp_path / "fifo")
    writer = threading.Thread(target=lambda: (tmp_path / "fifo").write_bytes(content))
    writer.start()
    assert dcat("publish", "web", "1.0", "--from", str(tmp_path / "fifo")).code == 0
    writer.join()
    script = f"{sys.executable} -m cli.main publish web 1.0 --from <(cat {tmp_path}/one.tar) -q && "
    script += f"{sys.executable} -m cli.main publish web 1.0 --from /dev/stdin -q < {tmp_path}/one.tar"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert len(set(done.stdout.split())) == 1


def test_several_platforms_may_be_divided_by_commas(dcat: Dcat, tmp_path: Path) -> None:
    (tmp_path / "one.tar").write_bytes(make_tar(docker_25(SAMPLE)))
    file = write_image(tmp_path / "one.tar")
    assert dcat("publish", "web", "1.0", "--from", file, "--platform", "linux/amd64,linux/amd64").code == 0
    words = tried(dcat("publish", "web", "1.1", "--from", file, "--platform", "linux/arm64"), 10)
    assert words[-2:] == ["--platform", "linux/amd64"]
    assert dcat(*words[1:]).code == 0
    ran = dcat("publish", "web", "1.1", "--from", file, "--platform", "linux/amd64,linux/arm64")
    assert ran.code == 10
    assert dcat("publish", "web", "1.1", "--from", file, "--platform", "all,linux/arm64").code == 2


@pytest.mark.parametrize("command", ["resolve web@1.0", "pull web@1.0 --no-load", "show web@1.0", "list", "unpin web@1.0"])
def test_a_command_for_one_platform_takes_one(stocked: Dcat, command: str) -> None:
    words = tried(stocked(*command.split(), "--platform", "linux/amd64,linux/arm64"))
    assert words == ["dcat", *command.split(), "--platform", "linux/amd64"]
    assert stocked(*words[1:]).code == 0
    assert stocked(*command.split(), "--platform=,").code == 2
