"""What the C library keeps of memory that was freed: glibc's settings for a server of many streams."""

import ctypes
import sys
from contextlib import suppress

from catalog.limits import KIB, MIB

_OPTIONS = {  # of mallopt(3)
    -3: 256 * KIB,  # M_MMAP_THRESHOLD: every page of a larger buffer is new, and cleared by the kernel
    -1: MIB,  # M_TRIM_THRESHOLD
    -8: 1,  # M_ARENA_MAX: each thread would keep free memory of its own; the threads rarely allocate at the same time
}


def bound_heap() -> None:
    """Make glibc return memory that is free to the system, except for what the next pieces of a body need at once.

    By default it keeps ever larger buffers: after 200 clients that read nothing it held 100 MB more than was in use. Where it keeps
    none, a third of the time of a download goes into new pages.
    """
    with suppress(OSError, AttributeError):  # other C libraries have no such switch
        for option, value in _OPTIONS.items():
            ctypes.CDLL(None).mallopt(option, value)


def trim_heap() -> None:
    """Return free pages between pieces in use to the system, which glibc does by itself only at the end of its heap."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
