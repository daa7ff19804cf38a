"""The benchmarks measure what they claim to measure."""

import sys

import pytest

from tests.benchmarks.harness import run

MIB = 2**20


def test_peak_memory_of_a_child_excludes_what_its_parent_holds() -> None:
    held = bytearray(b"x") * (256 * MIB)
    small = run([sys.executable, "-c", "import time; time.sleep(0.2)"])
    assert len(held) == 256 * MIB
    assert 0 < small.peak < 64 * MIB


def test_peak_memory_of_a_child_is_what_it_had_resident() -> None:
    large = run([sys.executable, "-c", "import time; held = bytearray(b'x') * (200 << 20); time.sleep(0.2)"])
    assert 200 * MIB < large.peak < 264 * MIB


def test_a_child_may_write_more_errors_than_a_pipe_holds() -> None:
    code = "import sys; sys.stderr.write('e' * (1 << 20)); sys.stderr.flush(); print('done'); sys.exit({status})"
    assert run([sys.executable, "-c", code.format(status=0)], keep=True).output == b"done\n"
    with pytest.raises(SystemExit, match=r"ended with 3: e+$"):
        run([sys.executable, "-c", code.format(status=3)], keep=True)
