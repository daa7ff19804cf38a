"""How the tests of the command line run it: in this process, or as a process of its own, with a home of its own."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.main import main
from tests.factory.exports import write_image
from tests.needs import ROOT


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


Dcat = Callable[..., Ran]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty home of its own, and settings of its own; no engine, no colour, no variable of the machine's own dcat."""
    for variable in list(os.environ):
        if variable.startswith(("DCAT_", "DOCKER_")) and not variable.startswith("DCAT_TEST"):
            monkeypatch.delenv(variable)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("DCAT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DCAT_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine.sock")
    return tmp_path / "home"


@pytest.fixture
def dcat(home: Path, capfd: pytest.CaptureFixture[str]) -> Dcat:
    """Run `main` in this process."""

    def run(*arguments: str) -> Ran:
        capfd.readouterr()
        code = main(list(arguments))
        out, err = capfd.readouterr()
        return Ran(code, out, err)

    return run


@pytest.fixture
def stocked(dcat: Dcat, tmp_path: Path) -> Dcat:
    """Publish web 1.0 (two platforms) and 1.1."""
    one, arm, two = (tmp_path / name for name in ("one.tar", "arm.tar", "two.tar"))
    assert dcat("publish", "web", "1.0", "--from", write_image(one), "--title", "A web server").code == 0
    assert dcat("publish", "web@1.0", "--from", write_image(arm, platform="linux/arm64")).code == 0
    assert dcat("publish", "web:1.1", "--from", write_image(two, "2")).code == 0
    return dcat


def ok(ran: Ran) -> str:
    assert (ran.code, ran.err) == (0, ran.err), ran
    return ran.out


def read_json(ran: Ran) -> dict[str, object]:
    assert ran.code == 0, ran
    lines = ran.out.splitlines()
    assert len(lines) == 1
    document = json.loads(lines[0])
    assert re.fullmatch(r"dcat/[a-z-]+/v1", document["schema"])
    assert isinstance(document, dict)
    return document


def run_process(arguments: Sequence[str], stdin: str = "", **variables: str) -> Ran:
    """Run dcat as a process, with the environment of the test."""
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, **variables},
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def run_on_terminal(arguments: Sequence[str], typed: str = "", **variables: str) -> Ran:
    """Run dcat on a pseudo terminal: what it writes comes back as ``out``, both streams in one."""
    import pty

    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", *arguments],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "200", **variables},
    )
    os.close(follower)
    if typed:
        os.write(leader, typed.encode())
    read = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # EIO: the last process has closed its side
            break
        if not piece:
            break
        read += piece
    os.close(leader)
    return Ran(process.wait(), read.decode().replace("\r\n", "\n"), "")


@pytest.fixture
def as_bob(dcat: Dcat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run dcat as somebody else, with a home of his own."""

    def run(*arguments: str) -> Ran:
        with monkeypatch.context() as patch:
            patch.setenv("DCAT_HOME", str(tmp_path / "bob"))
            patch.setenv("DCAT_CONFIG", str(tmp_path / "bob.toml"))
            return dcat(*arguments)

    return run
