"""kill -9 at every crash point of publish, yank and gc: nothing acknowledged is lost, the same command goes on (safety.md D1)."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Dcat
from tests.cli.images import write_image
from tests.needs import ROOT


@pytest.mark.parametrize(
    "command",
    ["publish web 1.1 --from {two}", "gc --yes", pytest.param("yank web@1.0 --reason bad", marks=pytest.mark.long)],
)
def test_every_crash_point(dcat: Dcat, home: Path, tmp_path: Path, command: str) -> None:
    two = write_image(tmp_path / "two.tar", "2")
    assert dcat("publish", "web", "1.0", "--from", write_image(tmp_path / "one.tar")).code == 0
    assert dcat("publish", "old", "1.0", "--from", write_image(tmp_path / "old.tar", "old")).code == 0
    assert dcat("remove", "old@1.0").code == 0
    typed = command.format(two=two).split()
    after = [
        ["resolve", "web@1.0"],
        ["verify"],
        ["save", "web@1.0", "-o", "/dev/null"],
        typed,
        *([["save", "web@1.1", "-o", "/dev/null"], ["gc", "--yes"]] if "publish" in command else []),
        ["verify"],
    ]
    words = [*typed]
    for follow in after:
        words += ["--", *follow]
    done = subprocess.run(
        [sys.executable, "-m", "tests.cli.crashing", str(tmp_path), str(home), *words],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    results = json.loads(done.stdout)
    assert [codes[0] for codes in results] == [137] * (len(results) - 1) + [0]
    assert len(results) > 3
    assert {tuple(codes[1:]) for codes in results} == {(0,) * len(after)}
