"""A lock keeps other processes out until it is released, or its process is gone."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.errors import LockedError, StorageError
from catalog.storage.locks import locked
from tests.needs import ROOT

HOLD = """
import sys
from pathlib import Path
from catalog.storage.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_another_process_is_kept_out_until_the_holder_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "own.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match="held by another process"), locked(path, 0.05):
            pass
        holder.send_signal(signal.SIGKILL)
        with locked(path, 30):
            pass
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_lock_is_released_when_its_holder_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locked(tmp_path / "lock"):
        raise KeyError
    with locked(tmp_path / "lock", 0):
        pass


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(StorageError), locked(tmp_path / "nowhere" / "lock"):
        pass
