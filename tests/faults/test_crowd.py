"""Many processes in one home at once (docs/safety.md D4)."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from catalog.home.home import open_home
from catalog.ipns.record import Record
from catalog.limits import BUSY_TIMEOUT, WAL_LIMIT
from catalog.snapshot.reader import open_snapshot
from tests.factory.releases import publish_fake
from tests.factory.times import NOW
from tests.fakes.homes import open_at, share
from tests.faults.forking import Forks
from tests.faults.invariants import check_files, check_home
from tests.needs import ROOT


@pytest.mark.parametrize("seconds", [2, pytest.param(60, marks=pytest.mark.long)])
def test_fifty_publish_and_fifty_resolve(forks: Forks, folder: Path, images: dict[str, str], seconds: int) -> None:
    """In a fresh home: no process is told that a database is locked, nothing acknowledged is lost, the logs stay bounded."""
    home = folder / "home"
    began = time.monotonic()
    assert forks.run("publish", "web", "1.0", "--from", images["1.0"], home=folder / "alone").code == 0
    patience = max(BUSY_TIMEOUT, 100 * (time.monotonic() - began))  # a busy machine takes longer, but nobody starves
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.crowd", str(home), images["1.0"], "50", "50", str(seconds), str(patience)],
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


def test_a_change_that_the_index_does_not_show_yet_is_in_the_snapshot(folder: Path) -> None:
    """Another process signs between the two commits of a publish."""
    signed: list[Record] = []

    def between(label: str) -> None:
        if label == "home: between trust and index" and not signed:
            signed.append(share(other).record)

    with open_at(folder) as other, open_home(folder, now=NOW, crash_point=between) as home:
        assert other.index is not None
        publish_fake(home, "web", "1.0")
        assert share(home).record == signed[0]
        snapshot = open_snapshot(signed[0].snapshot_cid, home.blocks)
        assert [release.reference for release in snapshot.read()] == ["web@1.0"]
