"""Layers of any size are received in bounded memory, however many come at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import ROOT

MIB = 1 << 20


@pytest.mark.parametrize("size", [64 * MIB, pytest.param(4096 * MIB, marks=pytest.mark.long)])
def test_five_layers_at_once_take_at_most_250_mib(tmp_path: Path, size: int) -> None:
    command = [sys.executable, "-m", "tests.intake.pushing", str(tmp_path), str(size)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    peak, layers = map(int, ran.stdout.split())
    assert layers == 5
    assert peak <= 250
