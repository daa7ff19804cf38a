"""Many processes in one home at once (safety.md D4)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.limits import WAL_LIMIT
from tests.faults.invariants import check_files, check_home
from tests.needs import ROOT


@pytest.mark.parametrize("seconds", [2, pytest.param(60, marks=pytest.mark.long)])
def test_fifty_publish_and_fifty_resolve(folder: Path, images: dict[str, str], seconds: int) -> None:
    """In a fresh home: no process is told that a database is locked, nothing acknowledged is lost, the logs stay bounded."""
    home = folder / "home"
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.crowd", str(home), images["1.0"], "50", "50", str(seconds)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "DCAT_HOME": str(home), "DCAT_CONFIG": str(folder / "config.toml")},
    )
    found = json.loads(done.stdout)
    times = sorted(found["times"])
    p99 = 1000 * times[len(times) * 99 // 100] if times else 0
    print(f"{len(found['done'])} published, {len(times)} resolved (p99 {p99:.0f} ms), largest log {found['largest'] >> 10} KiB")
    assert found["failed"] == []
    assert found["largest"] <= WAL_LIMIT
    check_files(home)
    assert check_home(home, found["done"]) == set(found["done"])
