"""A catalogue as plain files, by commands: export, doctor, subscribe, sync, save."""

from pathlib import Path

import pytest

from tests.cli.conftest import Dcat, ok, read_json
from tests.fakes.static_host import StaticHost


def test_from_a_folder_to_a_follower(stocked: Dcat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "site"
    assert read_json(stocked("export", "--static", str(folder), "--json"))["releases"] == 2
    again = read_json(stocked("export", "--static", str(folder), "--prune", "--json"))
    assert (again["files"], again["written"]) == (0, 0)
    assert (folder / "index.html").is_file()
    monkeypatch.setenv("DCAT_HOME", str(tmp_path / "bob"))
    with StaticHost(folder) as host:
        checks = read_json(stocked("doctor", "--static", host.url, "--json"))["checks"]
        assert isinstance(checks, list)
        findings = {entry["subject"]: entry["state"] for entry in checks}
        assert (findings["dcat"], findings["engines"]) == ("ok", "note")
        ok(stocked("subscribe", "ann", host.url, "--yes"))
        ok(stocked("sync"))
        ok(stocked("save", "ann/web@1.0", "-o", str(tmp_path / "web.tar.zst")))


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "--static", "site", "web@1.0"),
        ("export", "--static", "site", "-o", "file"),
        ("export", "--static", "site", "--since", "web@1.0"),
        ("export", "web@1.0", "-o", "file", "--prune"),
        ("export", "web@1.0"),
    ],
    ids=" ".join,
)
def test_what_does_not_go_together(dcat: Dcat, arguments: tuple[str, ...]) -> None:
    ran = dcat(*arguments)
    assert ran.code == 2
    assert ran.err
