"""Free memory between pieces in use goes back to the system."""

import os
import platform
from pathlib import Path

import pytest

from catalog.server.heap import trim_heap


def resident() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has malloc_trim")
def test_pages_between_pieces_in_use_are_returned() -> None:
    held = [os.urandom(40_000) for _ in range(1000)]
    before = resident()
    del held[::2]
    trim_heap()
    assert before - resident() > 10_000_000
    assert len(held) == 500
