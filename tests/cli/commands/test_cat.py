"""``dcat cat``: a terminal gets escaped text only, a pipe every byte."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Dcat
from tests.factory.exports import docker_25
from tests.factory.images import make_image
from tests.factory.platforms import AMD64
from tests.factory.tars import make_tar
from tests.needs import ROOT

HOSTILE = "caf\u00e9\tx\r\n\x1b]0;owned\x07 \u202eevil\u200b\n".encode()
BINARY = bytes(range(256))


@pytest.fixture
def files(dcat: Dcat, tmp_path: Path) -> None:
    path = tmp_path / "files.tar"
    layer = make_tar({"text": HOSTILE, "binary": BINARY, "zeros": bytes(10), "empty": b""})
    path.write_bytes(make_tar(docker_25(make_image([layer], AMD64))))
    assert dcat("publish", "web", "1.0", "--from", str(path)).code == 0


def command(name: str) -> list[str]:
    return [sys.executable, "-m", "cli.main", "cat", f"web@1.0:/{name}", "--platform", "linux/amd64"]


def show(name: str) -> tuple[int, bytes, bytes]:
    """Return what `dcat cat` writes to a terminal, and its errors."""
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(command(name), cwd=ROOT, stdout=theirs, stderr=subprocess.PIPE, check=False)
        os.write(theirs, b"END")
        written = b""
        while not written.endswith(b"END"):
            written += os.read(ours, 65536)
    finally:
        os.close(ours)
        os.close(theirs)
    return done.returncode, written.removesuffix(b"END").replace(b"\r\n", b"\n"), done.stderr


@pytest.mark.usefixtures("files")
def test_a_terminal_gets_text_escaped() -> None:
    code, out, _ = show("text")
    assert code == 0
    assert out.decode() == "caf\u00e9\tx\\u{d}\n\\u{1b}]0;owned\\u{7} \\u{202e}evil\\u{200b}\n"
    assert show("empty")[:2] == (0, b"")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("name", ["binary", "zeros"])
def test_a_terminal_gets_no_binary_file(name: str) -> None:
    code, out, err = show(name)
    assert (code, out) == (2, b"")
    assert b"is binary and is not written to a terminal" in err
    assert f"dcat cat web@1.0:/{name} --platform linux/amd64 > FILE".encode() in err


@pytest.mark.usefixtures("files")
def test_a_pipe_gets_every_byte() -> None:
    for name, content in (("text", HOSTILE), ("binary", BINARY), ("empty", b"")):
        assert subprocess.run(command(name), cwd=ROOT, capture_output=True, check=True).stdout == content
