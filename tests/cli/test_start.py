"""What starts quickly imports nothing heavy, and answers what the slow way answers."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from tests.cli.conftest import Dcat, Ran
from tests.factory.exports import write_image
from tests.needs import ROOT

HEAVY = {
    "alembic",
    "backports",
    "catalog.home.home",
    "cli.app",
    "cryptography",
    "dns",
    "docker",
    "http",
    "multiformats",
    "platformdirs",
    "requests",
    "rich",
    "sqlalchemy",
    "starlette",
    "typer",
    "urllib3",
    "uvicorn",
    "zstandard",
}
# Of the standard library: each takes a tenth of the time that an answer has, or more. An error has the time.
SLOW = {"dataclasses", "inspect", "pathlib", "typing"}


def imported(*arguments: str) -> tuple[set[str], Ran]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "cli.main", *arguments], capture_output=True, text=True, check=False, cwd=ROOT
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    rest = "\n".join(line for line in done.stderr.splitlines() if not line.startswith("import time:"))
    return {line.rsplit("|", 1)[1].strip() for line in lines}, Ran(done.returncode, done.stdout, rest)


def heavy(modules: set[str]) -> set[str]:
    return {entry for entry in HEAVY for module in modules if module == entry or module.startswith(entry + ".")}


@pytest.fixture
def stocked(dcat: Dcat, tmp_path: Path) -> Dcat:
    assert dcat("publish", "web", "1.0", "--from", write_image(tmp_path / "one.tar")).code == 0
    assert dcat("publish", "web", "1.1", "--from", write_image(tmp_path / "two.tar", "2")).code == 0
    assert dcat("yank", "web@1.1", "--reason", "bad").code == 0
    return dcat


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--version"], 0),
        (["resolve", "web@1.0"], 0),
        (["resolve", "web@1.0", "--json", "--as", "config", "--platform", "linux/amd64"], 0),
        (["resolve", "web", "--latest", "-q"], 0),
        (["resolve", "wbe@1.0"], 10),
        (["__complete", "bash", "dcat "], 0),
        (["__complete", "bash", "dcat resolve we"], 0),
        (["__complete", "zsh", "dcat pull web@"], 0),
    ],
)
def test_quick_answers_import_nothing_heavy(stocked: Dcat, arguments: list[str], code: int) -> None:
    modules, ran = imported(*arguments)
    assert ran.code == code, ran
    assert "sqlite3" in modules or arguments[0] == "--version" or arguments[-1] == "dcat "
    assert heavy(modules) == set()
    assert code or not SLOW & modules


def test_help_imports_no_command_and_no_library(home: Path) -> None:
    modules, ran = imported("--help")
    assert ran.code == 0
    assert heavy(modules) <= {"typer", "cli.app", "http"}
    assert not any(module.startswith("cli.commands.") for module in modules)


@pytest.mark.parametrize(
    "line",
    [
        "resolve web@1.0",
        "--json resolve web:1.0",
        "resolve web@1.0 --json",
        "-q resolve web@1.0",
        "resolve web --latest",
        "resolve web@1.1",
        "resolve web@1.1 --json",
        "resolve --as config web@1.0",
        "resolve --as=ipfs web@1.0",
        "resolve web@1.0 --as image-id --platform linux/amd64",
        "resolve web@1.0 --as nothing",
        "resolve web@1.0 --platform nothing",
        "resolve web@1.0 --platform linux/s390x",
        "resolve web",
        "resolve nothing@1",
        "resolve WEB@1",
        "resolve web --latest --min-age 3d --json",
        "resolve web@1.0 --min-age 3d",
        "resolve web@1.0 --progress none",
        "resolve web@1.0 --progress loud",
        "--latest resolve web",
        "resolve web@1.0 --nothing",
        "resolve",
        "resolve a b",
        "resolve --as",
        "resolve --as --json web@1.0",
        "resolve -- web@1.0",
        "resolve -- --json",
        "resolve -qy web@1.0",
        "resolve web@1.0 --help",
        "help resolve",
        "--version",
        "resolve --timeout 5 web@1.0",
    ],
)
def test_the_quick_way_and_typers_are_one(stocked: Dcat, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = stocked(*line.split())
    monkeypatch.setattr("cli.resolving.answer_quickly", lambda _: False)
    monkeypatch.setattr("cli.main.QUICK_VERSION", ())
    assert stocked(*line.split()) == quick
    assert quick.code != 1


def test_windows_is_told_that_it_is_not_there_yet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from cli.main import main

    monkeypatch.setattr(sys, "platform", "win32")
    assert main(["list"]) == 1
    assert "Windows" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "limit"),
    [
        (["--version"], 55),
        (["__complete", "bash", "dcat pu"], 60),
        (["resolve", "web@1.0"], 115),
        (["__complete", "bash", "dcat resolve we"], 92),
    ],
)
def test_a_quick_answer_imports_few_modules(stocked: Dcat, arguments: list[str], limit: int) -> None:
    """Modules, not seconds: they are most of what a start costs, and equal on every machine; `make bench` has the times."""
    modules, ran = imported(*arguments)
    assert ran.code == 0
    assert len(modules) <= limit


def test_the_version_is_that_of_the_installation(dcat: Dcat) -> None:
    assert dcat("--version").out == f"dcat {metadata.version('dcat-ipfs')}\n"
