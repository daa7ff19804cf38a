"""``docker dcat …``: the plugin as docker itself calls it, and by docker where it is installed."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Dcat, Ran
from tests.needs import lacks


@pytest.fixture
def plugin(stocked: Dcat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker config"))
    ran = stocked("docker-plugin", "install")
    assert ran.code == 0
    path = tmp_path / "docker config" / "cli-plugins" / "docker-dcat"
    assert ran.out == f"Wrote {path}\n"
    assert path.stat().st_mode & 0o777 == 0o755
    return path


def call(program: Path | str, *arguments: str, cwd: Path | None = None) -> Ran:
    done = subprocess.run([str(program), *arguments], capture_output=True, text=True, check=False, cwd=cwd, env=dict(os.environ))
    return Ran(done.returncode, done.stdout, done.stderr)


def test_docker_asks_the_plugin_what_it_is(plugin: Path) -> None:
    about = json.loads(call(plugin, "docker-cli-plugin-metadata").out)
    assert about["SchemaVersion"] == "0.1.0"
    assert about["Vendor"]
    assert about["ShortDescription"]


def test_the_plugin_runs_commands_with_their_exit_codes(plugin: Path, stocked: Dcat, tmp_path: Path) -> None:
    (tmp_path / "cli").mkdir()
    (tmp_path / "cli" / "__init__.py").write_text("raise SystemExit('not this one')")
    resolved = call(plugin, "dcat", "resolve", "web@1.0", cwd=tmp_path)
    assert (resolved.code, resolved.out) == (0, stocked("resolve", "web@1.0").out)
    assert call(plugin, "dcat", "resolve", "web@9").code == 10
    assert call(plugin, "dcat", "--version").out == stocked("--version").out
    assert "Usage: dcat publish" in call(plugin, "dcat", "publish", "--help").out
    assert "Usage: dcat" in call(plugin, "dcat").out


@pytest.mark.parametrize(
    "option", [["--host", "tcp://127.0.0.1:9"], ["-H=tcp://127.0.0.1:9"], ["-l", "debug", "--host=tcp://127.0.0.1:9"]]
)
def test_dockers_own_options_select_the_engine(plugin: Path, option: list[str]) -> None:
    ran = call(plugin, *option, "dcat", "publish", "other", "1.0")
    assert ran.code == 52
    assert "tcp://127.0.0.1:9" in ran.err


def test_a_context_of_docker_selects_the_engine(plugin: Path) -> None:
    ran = call(plugin, "--context", "nowhere", "dcat", "publish", "other", "1.0")
    assert ran.code == 52
    assert "nowhere" in ran.err


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["dcat", "pul"], ["pull", ":4"]),
        (["dcat", "resolve", "w"], ["web@1.1", "web@1.0", ":4"]),
        (["dcat", "save", "web@1.0", "-o", "/et"], [":0"]),
        (["--context", "x", "dcat", "config", "se"], ["set", ":4"]),
    ],
)
def test_dockers_completion_knows_commands_and_releases(plugin: Path, words: list[str], lines: list[str]) -> None:
    assert call(plugin, "__complete", *words).out.splitlines() == lines


def test_a_plugin_of_somebody_else_is_left_alone(dcat: Dcat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert dcat("docker-plugin", "remove").code == 10
    path = tmp_path / "cli-plugins" / "docker-dcat"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\necho other\n")
    for verb in ("install", "remove"):
        ran = dcat("docker-plugin", verb)
        assert ran.code == 41
        assert "not written by dcat" in ran.err
    assert "other" in path.read_text()


def test_install_again_and_remove(plugin: Path, stocked: Dcat) -> None:
    assert stocked("docker-plugin", "install").code == 0
    assert json.loads(stocked("docker-plugin", "remove", "--json").out)["installed"] is False
    assert list(plugin.parent.iterdir()) == []


def test_docker_itself_runs_it(plugin: Path, stocked: Dcat) -> None:
    docker = shutil.which("docker")
    if docker is None:
        lacks("docker20", "no docker command here")
    assert call(docker, "dcat", "resolve", "web@1.0").out == stocked("resolve", "web@1.0").out
    assert call(docker, "dcat", "resolve", "web@9").code == 10
    assert "dcat" in call(docker, "--help").out
