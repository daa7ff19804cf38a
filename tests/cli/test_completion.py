"""Completion: candidates out of the index, and scripts that the real shells take."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli.completion import _TAKE_WORDS, VALUE_OPTIONS
from cli.verbs import VERBS
from tests.cli import reference
from tests.cli.conftest import Dcat
from tests.factory.exports import write_image
from tests.needs import ROOT, lacks


@pytest.fixture
def stocked(dcat: Dcat, tmp_path: Path) -> Dcat:
    for name, version in (("web", "1.0"), ("web", "1.1"), ("team/worker", "2")):
        assert dcat("publish", name, version, "--from", write_image(tmp_path / "image.tar", version)).code == 0
    return dcat


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("dcat ", list(VERBS)),
        ("dcat pu", ["publish", "pull"]),
        ("dcat --json res", ["resolve"]),
        ("dcat resolve ", ["team/worker@", "web@"]),
        ("dcat resolve w", ["web@1.1", "web@1.0"]),
        ("dcat resolve web@1.", ["web@1.1", "web@1.0"]),
        ("dcat resolve web:1.0", ["web:1.0"]),
        ("dcat pull web@1.0 te", ["team/worker@2"]),
        ("dcat resolve x", []),
        ("dcat list ", ["team/worker", "web"]),
        ("dcat config ", ["get", "list", "set", "unset"]),
        ("dcat config set ku", ["kubo", "kubo-token-file"]),
        ("dcat help env", ["environment"]),
        ("dcat completion show f", ["fish"]),
        ("dcat save web@1.0 -o ", []),
        ("dcat publish web 1.0 --from /et", []),
        ("dcat resolve --as i", ["ipfs", "image-id"]),
        ("dcat resolve --min-age ", []),
        ("dcat --progress plain pu", ["publish", "pull"]),
        ("dcat yank web@1.0 --rea", ["--reason"]),
        ("dcat config list --sh", ["--show-origin"]),
        ("dcat nothing x", []),
    ],
)
def test_candidates(stocked: Dcat, line: str, expected: list[str]) -> None:
    ran = stocked("__complete", "bash", line)
    assert ran.out.splitlines() == expected
    assert (ran.code, ran.err) == (0, "")


def test_every_option_with_a_value_is_known() -> None:
    known = set()
    for verb in VERBS:
        for _, command in reference.leaves(verb):
            for parameter in command.params:
                if parameter.param_type_name == "option" and not parameter.is_flag:
                    known.update(parameter.opts)
    assert known == VALUE_OPTIONS


def test_every_command_below_a_verb_is_known() -> None:
    for verb in VERBS:
        below = sorted(words.partition(" ")[2] for words, _ in reference.leaves(verb) if " " in words)
        if below:
            assert list(_TAKE_WORDS[verb]) == below, verb


def test_nothing_goes_wrong_aloud(dcat: Dcat, home: Path) -> None:
    home.mkdir()
    (home / "index.sqlite").write_bytes(b"no database" * 100)
    for arguments in (
        ["bash", "dcat resolve w"],
        ["bash", ""],
        ["bash"],
        [],
        ["bash", 'dcat resolve "'],
        ["bash", "dcat\tresolve \x00"],
    ):
        ran = dcat("__complete", *arguments)
        assert (ran.code, ran.err) == (0, "")


@pytest.fixture
def path_with_dcat(tmp_path: Path, stocked: Dcat) -> str:
    program = tmp_path / "bin" / "dcat"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\ncd {ROOT} && exec {sys.executable} -m cli.main "$@"\n')
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


def run_shell(shell: str, script: str, path: str) -> list[str]:
    program = shutil.which(shell)
    if program is None:
        lacks("shells", f"no {shell} here")
    done = subprocess.run(
        [program, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": path, "HOME": path.partition(":")[0]},  # fish writes there
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("dcat pu", ["publish", "pull"]),
        ("dcat resolve web@1.", ["1.1", "1.0"]),  # bash replaces what stands behind the sign only
        ("dcat resolve web:1.", ["1.1", "1.0"]),
        ("dcat resolve team/", ["team/worker@2"]),
    ],
)
def test_bash(stocked: Dcat, path_with_dcat: str, line: str, expected: list[str]) -> None:
    script = f"""source <(dcat completion show bash)
    COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:@'
    COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; _dcat; printf '%s\\n' "${{COMPREPLY[@]}}"; complete -p dcat >/dev/null"""
    assert run_shell("bash", script, path_with_dcat) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [("dcat pu", ["publish", "pull"]), ("dcat resolve web@1.", ["web@1.1", "web@1.0"]), ("dcat save w -o /e", ["FILES"])],
)
def test_zsh(stocked: Dcat, path_with_dcat: str, line: str, expected: list[str]) -> None:
    script = f"""compdef() {{ : }}; compadd() {{ shift $argv[(i)--]; print -l -- $@ }}; _files() {{ print FILES }}
    eval "$(dcat completion show zsh)"
    words=({line}); CURRENT=$#words; _dcat"""
    assert run_shell("zsh", script, path_with_dcat) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [("dcat pu", ["publish", "pull"]), ("dcat resolve web@1.", ["web@1.0", "web@1.1"]), ("dcat save w -o /et", ["/etc/"])],
)
def test_fish(stocked: Dcat, path_with_dcat: str, line: str, expected: list[str]) -> None:
    script = f"dcat completion show fish | source; complete -C '{line}'"
    assert sorted(run_shell("fish", script, path_with_dcat)) == expected


def test_install_writes_where_the_shells_look(dcat: Dcat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    for arguments, place in (
        (["bash"], "data/bash-completion/completions/dcat"),
        (["zsh"], "data/zsh/site-functions/_dcat"),
        ([], "config/fish/completions/dcat.fish"),
    ):
        assert dcat("completion", "install", *arguments).out == f"Wrote {tmp_path / place}\n"
        assert "__complete" in (tmp_path / place).read_text()
    assert dcat("completion", "install", "tcsh").code == 2
