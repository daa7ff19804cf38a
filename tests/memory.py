"""How much memory a process took. ``ru_maxrss`` is no measure of a child: it counts what its parent held when it began."""

import resource
import sys
from pathlib import Path


def peak_memory(process: int | str = "self") -> int:
    """Give the most bytes that a process, this one where none is named, ever had resident."""
    status = Path(f"/proc/{process}/status")
    if status.exists():
        (line,) = (line for line in status.read_text(encoding="ascii", errors="replace").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    assert process == "self", "there is no /proc here"
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
