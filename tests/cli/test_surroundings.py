"""Where the home and the settings are, whatever the environment says of the user's own directory."""

import pwd
from pathlib import Path
from types import SimpleNamespace

import platformdirs
import pytest

from catalog.errors import InvalidConfigError
from cli.settings import read_settings
from cli.surroundings import Surroundings
from tests.cli.conftest import Dcat, run_process
from tests.factory.exports import write_image


@pytest.mark.parametrize("kind", ["data", "config"])
@pytest.mark.parametrize("configured", [None, "/elsewhere", " "])
def test_the_default_directories_are_the_platforms(monkeypatch: pytest.MonkeyPatch, kind: str, configured: str | None) -> None:
    """`resolve` finds them without importing platformdirs; both must say the same."""
    variables = {"HOME": "/somewhere"}
    monkeypatch.setenv("HOME", "/somewhere")
    monkeypatch.delenv(f"XDG_{kind.upper()}_HOME", raising=False)
    if configured is not None:
        variables[f"XDG_{kind.upper()}_HOME"] = configured
        monkeypatch.setenv(f"XDG_{kind.upper()}_HOME", configured)
    found = Surroundings(variables)
    if kind == "data":
        assert found.home == platformdirs.user_data_path("dcat", appauthor=False)
    else:
        assert found.config == platformdirs.user_config_path("dcat", appauthor=False) / "config.toml"


@pytest.mark.parametrize("variables", [{}, {"HOME": ""}, {"HOME": "relative"}])
def test_without_a_usable_home_variable_the_user_database_is_asked(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    monkeypatch.setattr(pwd, "getpwuid", lambda _: SimpleNamespace(pw_dir="/home/ann"))
    found = Surroundings(variables)
    assert found.home == Path("/home/ann/.local/share/dcat")
    assert found.config == Path("/home/ann/.config/dcat/config.toml")
    assert Surroundings({**variables, "DCAT_HOME": "~/dcat"}).home == Path("/home/ann/dcat")


def test_a_relative_directory_of_the_desktop_is_ignored() -> None:
    """XDG base directory specification: "If an implementation encounters a relative path … ignore it"."""
    found = Surroundings({"HOME": "/home/ann", "XDG_DATA_HOME": "data", "XDG_CONFIG_HOME": "./config"})
    assert found.home == Path("/home/ann/.local/share/dcat")
    assert found.config == Path("/home/ann/.config/dcat/config.toml")


@pytest.mark.parametrize("answer", ["", "relative", None])
def test_a_user_without_a_home_is_told_to_set_one(monkeypatch: pytest.MonkeyPatch, answer: str | None) -> None:
    def find(number: int) -> SimpleNamespace:
        if answer is None:
            raise KeyError(number)
        return SimpleNamespace(pw_dir=answer)

    monkeypatch.setattr(pwd, "getpwuid", find)
    with pytest.raises(InvalidConfigError, match="home directory") as caught:
        Surroundings({"HOME": ""}).home  # noqa: B018
    assert "DCAT_HOME" in caught.value.hint
    assert Surroundings({"DCAT_HOME": "/data/dcat"}).config == Path("/data/dcat/config.toml")


def test_a_home_that_cannot_be_created_is_a_plain_error_that_names_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DCAT_HOME")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", "/proc")
    ran = run_process(["publish", "web", "1.0", "--from", write_image(tmp_path / "one.tar")])
    assert ran.code == 41
    assert "/proc/.local/share/dcat" in ran.err
    assert "try: set DCAT_HOME" in ran.err
    assert run_process(["resolve", "web@1.0"]).code == 10


def test_no_home_is_made_in_a_users_directory_that_does_not_exist(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Users without one have ``/nonexistent``, which root could make."""
    monkeypatch.delenv("DCAT_HOME")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nonexistent"))
    for command in (["list"], ["publish", "web", "1.0", "--from", write_image(tmp_path / "one.tar")]):
        ran = run_process(command)
        assert (ran.code, "does not exist" in ran.err, "try: set DCAT_HOME" in ran.err) == (41, True, True), ran
    assert run_process(["resolve", "web@1.0"]).code == 10
    assert not (tmp_path / "nonexistent").exists()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert run_process(["list"]).code == 0


def test_a_missing_folder_for_temporary_files_is_not_needed(stocked: Dcat, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, "/nonexistent")
    assert run_process(["publish", "web", "1.2", "--from", str(tmp_path / "two.tar")]).code == 0
    assert run_process(["verify"]).code == 0
    assert run_process(["export", "web@1.0", "-o", str(tmp_path / "x.car")]).code == 0
    assert run_process(["save", "web@1.0", "-o", str(tmp_path / "x.tar")]).code == 0
    assert run_process(["config", "set", "deltas", "off"]).code == 0


def test_a_home_of_its_own_has_settings_of_its_own(dcat: Dcat, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DCAT_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config" / "dcat").mkdir(parents=True)
    (tmp_path / "config" / "dcat" / "config.toml").write_text('[sources.team]\nurl = "http://team.example:5078"\n')
    assert "team.example" not in dcat("config", "list").out
    assert "team.example" not in dcat("doctor", "--network").out
    assert dcat("config", "set", "sources.other.url", "http://other.example").code == 0
    assert (tmp_path / "home" / "config.toml").exists()
    monkeypatch.delenv("DCAT_HOME")
    listed = dcat("config", "list").out
    assert "team.example" in listed
    assert "other.example" not in listed


def test_the_engine_and_kubo_are_looked_for_in_the_users_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pwd, "getpwuid", lambda _: SimpleNamespace(pw_dir=str(tmp_path)))
    (tmp_path / ".ipfs").mkdir()
    (tmp_path / ".ipfs" / "api").write_text("/ip4/127.0.0.1/tcp/5009")
    assert read_settings(tmp_path / "none", {"HOME": "", "DCAT_KUBO": "auto"}).kubo == "http://127.0.0.1:5009"
