"""A home that others on the machine may change is said to be one, and files that lead out of it are refused."""

from pathlib import Path

import pytest

from tests.cli.conftest import Dcat, ok


@pytest.mark.parametrize(("mode", "is_warned"), [(0o777, True), (0o707, True), (0o770, False), (0o755, False), (0o700, False)])
def test_a_home_that_everybody_can_change(dcat: Dcat, tmp_path: Path, mode: int, is_warned: bool) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(mode)
    ran = dcat("status")
    assert (f"can be changed by everybody on this machine (mode {mode:04o}). To fix it: chmod 700" in ran.err) == is_warned


@pytest.mark.parametrize("name", ["blocks.sqlite", "trust.sqlite", "index.sqlite"])
@pytest.mark.parametrize("exists", [True, False])
def test_a_file_of_the_home_that_is_a_link(dcat: Dcat, tmp_path: Path, name: str, exists: bool) -> None:
    ok(dcat("status"))
    target, link = tmp_path / "elsewhere", tmp_path / "home" / name
    if exists:
        link.rename(target)
    else:
        link.unlink()
    link.symlink_to(target)
    before = target.read_bytes() if exists else None
    for command in (["list"], ["status"], ["verify"], ["gc", "--yes"]):
        ran = dcat(*command)
        if ran.code:
            assert ran.code == 41
            assert f"{name} is a symbolic link" in ran.err
    assert ran.code == 41
    assert target.exists() == exists
    assert not exists or target.read_bytes() == before
