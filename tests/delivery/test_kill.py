"""kill -9 while a delta is applied: what was rebuilt stays, and the next pull goes on from there."""

import signal
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path

import pytest

from catalog.delta import writer as delta_writer
from catalog.home.home import open_home
from catalog.image.walk import walk
from catalog.ipld.cid import Cid
from catalog.limits import KIB
from catalog.sources.network import SourceSetting, open_network
from tests.delivery.versions import follower, moment, open_at, publisher, pull_here, released
from tests.fakes.lying_source import LyingSource
from tests.needs import ROOT

PULL = """
import sys
from pathlib import Path
import catalog.delivery.applying
from catalog.sources.network import SourceSetting, open_network
from tests.delivery.versions import open_at, pull_here

catalog.delivery.applying.REBUILT_BATCH_SIZE = 1
with open_at(Path(sys.argv[1])) as home, open_network([SourceSetting(sys.argv[2])]) as network:
    pull_here(home, network, "1.1")
"""


def test_what_was_rebuilt_survives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publisher(tmp_path / "team", ("1.0", "1.1"), deltas=False)
    monkeypatch.setattr(delta_writer, "_SECTION_SIZE", 150 * KIB)
    with open_at(tmp_path / "team") as team:
        follower(tmp_path / "home", team).close()
        base, target = released(team, "1.0").archive, released(team, "1.1").archive
        frames = BytesIO()
        delta = delta_writer.write_delta(base, target, team.blocks, frames).head + frames.getvalue()
        held = {block.cid for block in walk(base, team.blocks)}
        new = [block.cid for block in walk(target, team.blocks) if block.cid not in held]
        blocks = list(team.blocks.get_many([*held, *new]))
    source = LyingSource(blocks, deltas={(str(base), str(target)): delta}, delta_behaviour="stall-inside", inside=0.85)
    with source:
        process = subprocess.Popen([sys.executable, "-c", PULL, str(tmp_path / "home"), source.url], cwd=ROOT)
        try:
            rebuilt = _wait_for_rebuilt(tmp_path / "home", new)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert 3 < rebuilt < len(new)
    honest = LyingSource(blocks)  # knows of no delta
    with open_at(tmp_path / "home") as home, honest, open_network([SourceSetting(honest.url)]) as network:
        done = pull_here(home, network, "1.1")
        assert done.fetched is not None
        assert done.fetched.blocks <= len(new) - rebuilt
        assert home.blocks.missing(new) == []


def _wait_for_rebuilt(path: Path, new: list[Cid]) -> int:
    """Wait until the other process keeps some blocks, and no more come."""
    before = 0
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with open_home(path, now=moment("1.1"), read_only=True) as home:
            here = len(new) - len(home.blocks.missing(new))
        if here > 3 and here == before:
            return here
        before = here
        time.sleep(0.5)
    return before
