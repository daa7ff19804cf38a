"""A lease keeps blocks until its command ends."""

import os
import shutil
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import pytest

from catalog.blockstores.leasing import list_leases, sweep
from catalog.errors import (
    LockedError,
    StorageError,
)
from catalog.home.home import open_home
from tests.blockstores.blocks import blocks_of
from tests.factory.times import NOW


def test_lease_keeps_blocks_until_its_command_ends(tmp_path: Path) -> None:
    cids = [block.cid for block in blocks_of(5)]
    with open_home(tmp_path, now=NOW) as home, open_home(tmp_path, now=NOW) as other:
        home.blocks.put_many(blocks_of(5))
        with other.lease("gc") as own:
            with home.lease("pull web@1.0"):
                assert {lease.purpose for lease in list_leases(home.blocks, NOW)} == {"pull web@1.0"}
                with pytest.raises(LockedError, match=r"pull web@1\.0 is running"):
                    sweep(other.blocks, cids, NOW, own=own)
                assert home.blocks.missing(cids) == []
                later = NOW + timedelta(hours=25)
                assert list_leases(home.blocks, later) == []
            with pytest.raises(LockedError, match="another command ran"):
                sweep(other.blocks, cids, NOW, own=own)  # the command that has ended may rely on them all the same
        with other.lease("gc") as own:
            assert sweep(other.blocks, cids, NOW, own=own) == 5
        assert list_leases(home.blocks, NOW) == []
        assert home.blocks.missing(cids) == cids


def test_a_lease_that_cannot_end_on_a_full_disk_ends_once_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise StorageError("no space left")

    with open_home(tmp_path, now=NOW) as home, open_home(tmp_path, now=NOW) as other:
        with home.lease("serve --push"):
            monkeypatch.setattr(home.blocks.file, "transaction", refuse)
        deadline = time.monotonic() + 60
        while list_leases(other.blocks, NOW):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_lease_that_cannot_end_makes_no_home_again_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise StorageError("no space left")

    path = tmp_path / "home"
    with open_home(path, now=NOW) as home:
        with home.lease("serve --push"):
            monkeypatch.setattr(home.blocks.file, "transaction", refuse)
            shutil.rmtree(path)
        waiting = [thread for thread in threading.enumerate() if thread.name == "lease"]
        assert waiting
        for thread in waiting:
            thread.join(60)
            assert not thread.is_alive()
    assert not path.exists()


def test_lease_ends_with_its_process(tmp_path: Path) -> None:
    with open_home(tmp_path, now=NOW) as home:
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        with home.blocks.file.transaction() as connection:
            connection.execute(
                "INSERT INTO leases VALUES ('x', 'pull', ?, ?, ?, ?)",
                (os.uname().nodename, ended.pid, home.time, "2026-11-25T08:00:00Z"),
            )
        assert list_leases(home.blocks, NOW) == []


def test_a_lease_does_not_pass_to_a_process_that_gets_the_same_pid(tmp_path: Path) -> None:
    with open_home(tmp_path, now=NOW) as home, subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as later:
        try:
            with home.lease("pull web@1.0"):
                assert len(list_leases(home.blocks, NOW)) == 1
                with home.blocks.file.transaction() as connection:
                    connection.execute("UPDATE leases SET process = ?", (later.pid,))
                assert list_leases(home.blocks, NOW) == []
        finally:
            later.kill()


def test_a_lease_that_does_not_say_when_its_process_began_is_held_while_that_pid_is_used(tmp_path: Path) -> None:
    with open_home(tmp_path, now=NOW) as home:
        with home.blocks.file.transaction() as connection:
            connection.execute(
                "INSERT INTO leases VALUES ('0123456789abcdef', 'pull', ?, ?, ?, ?)",
                (os.uname().nodename, os.getpid(), home.time, "2100-01-01T00:00:00Z"),
            )
        assert len(list_leases(home.blocks, NOW)) == 1
