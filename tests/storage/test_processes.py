"""Processes by PID and start."""

import os
import subprocess
import sys

from catalog.storage.processes import find_start, is_running


def test_a_process_is_told_from_one_that_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        began = find_start(process.pid)
        assert is_running(process.pid)
        assert began.isdecimal()
        assert int(began) >= int(find_start(os.getpid()))
        assert process.stdin is not None
        process.stdin.close()
    assert not is_running(process.pid)
    assert find_start(process.pid) == ""


def test_the_name_of_a_process_may_look_like_fields() -> None:
    program = "import ctypes; ctypes.CDLL(None).prctl(15, b'a) 1 (2 3', 0, 0, 0); print(flush=True); input()"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        before = find_start(process.pid)
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        assert find_start(process.pid) == before
        process.stdin.close()
