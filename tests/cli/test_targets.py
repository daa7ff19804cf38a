"""Files that a command is to write."""

import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Dcat


@pytest.mark.parametrize("command", ["save web@1.0 -o", "export web@1.0 -o", "key export --plain -o", "key revocation -o"])
def test_a_missing_folder_is_named_before_the_work_with_what_creates_it(stocked: Dcat, tmp_path: Path, command: str) -> None:
    target = tmp_path / "not there" / "file"
    ran = stocked(*command.split(), str(target))
    assert ran.code == 10
    assert "Writing" not in ran.err
    assert f"  try: mkdir -p {shlex.quote(str(target.parent))}\n" in ran.err
    target.parent.mkdir()
    assert stocked(*command.split(), str(target)).code == 0


@pytest.mark.parametrize("command", ["save web@1.0 -o", "export web@1.0 -o", "key export --plain -o", "key revocation -o"])
def test_a_folder_in_place_of_a_file_is_refused_with_a_command_that_runs(stocked: Dcat, tmp_path: Path, command: str) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    ran = stocked(*command.split(), str(folder))
    assert ran.code == 41
    hint = next(line for line in ran.err.splitlines() if line.startswith("  try: ")).removeprefix("  try: ")
    assert stocked(*shlex.split(hint)[1:]).code == 0
    assert len(list(folder.iterdir())) == 1
