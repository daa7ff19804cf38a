"""``dcat service``: units that systemd reads as they are meant, and systemctl called as it should be."""

import json
from pathlib import Path

import pytest

from cli import service
from tests.cli.conftest import Dcat, read_json

SYSTEMCTL = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/calls"
case "$*" in *is-active*) echo active;; *is-enabled*) echo enabled;; *fail*) exit 1;; esac
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A systemctl that notes how it is called, and a place for units."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "systemctl"
    program.write_text(SYSTEMCTL)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr(service, "SYSTEM_UNITS", tmp_path / "units")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return tmp_path / "bin" / "calls"


def test_it_is_installed_shown_and_removed(dcat: Dcat, calls: Path, tmp_path: Path) -> None:
    ran = dcat("service", "install", "--port", "6000", "--every", "15m")
    assert ran.code == 0, ran
    serve, sync = ((tmp_path / "units" / name).read_text() for name in ("dcat-serve.service", "dcat-sync.service"))
    assert '"serve" "--fetch" "--port" "6000" "--no-input"' in serve
    assert '"sync" "--every" "15m"' in sync
    assert "WantedBy=multi-user.target" in serve
    assert calls.read_text().splitlines() == ["daemon-reload", "daemon-reload", "enable --now dcat-serve.service dcat-sync.service"]
    assert dcat("service", "install").code == 0  # again
    shown = read_json(dcat("service", "status", "--json"))["services"]
    assert isinstance(shown, list)
    assert shown[0] == {"unit": "dcat-serve.service", "installed": "yes", "enabled": "enabled", "state": "active"}
    assert dcat("service", "remove").code == 0
    assert not list((tmp_path / "units").iterdir())
    assert "disable --now dcat-serve.service dcat-sync.service" in calls.read_text()
    assert dcat("service", "remove").code == 10


def test_a_user_has_units_of_their_own(dcat: Dcat, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert dcat("service", "install").code == 0
    assert "WantedBy=default.target" in (tmp_path / "config" / "systemd" / "user" / "dcat-serve.service").read_text()
    assert calls.read_text().splitlines()[1] == "--user daemon-reload"


def test_the_home_is_that_of_the_installation_whatever_its_name(
    dcat: Dcat, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DCAT_HOME", str(tmp_path / 'a "home" of 5% $x'))
    monkeypatch.setenv("DCAT_TOKEN", "secret")
    assert dcat("service", "install").code == 0
    text = (tmp_path / "units" / "dcat-serve.service").read_text()
    assert f'Environment="DCAT_HOME={tmp_path}/a \\"home\\" of 5%% $x"' in text
    assert "secret" not in text


def test_where_systemd_does_not_run_nothing_is_written(dcat: Dcat, calls: Path, tmp_path: Path) -> None:
    (calls.parent / "systemctl").write_text("#!/bin/sh\necho 'System has not been booted with systemd' >&2\nexit 1\n")
    ran = dcat("service", "install")
    assert ran.code == 41
    assert "has not been booted with systemd" in ran.err
    assert not (tmp_path / "units").exists()


def test_a_unit_of_somebody_else_stays(dcat: Dcat, calls: Path, tmp_path: Path) -> None:
    (tmp_path / "units").mkdir()
    other = tmp_path / "units" / "dcat-sync.service"
    other.write_text("[Unit]\n")
    for verb in ("install", "remove"):
        ran = dcat("service", verb, "--json")
        assert ran.code == 41
        assert "was not written by dcat" in json.loads(ran.err.splitlines()[-1])["message"]
    assert other.read_text() == "[Unit]\n"


def test_without_systemd_it_says_so(dcat: Dcat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    ran = dcat("service", "install")
    assert ran.code == 10
    assert "no systemd" in ran.err
