"""Processes of this machine, by which what a killed command left behind is told from what a running one uses.

PIDs are used again, soon on a busy machine and at once in a container: a process is the same one where it also began when that one
did.
"""

import os
from pathlib import Path


def is_running(process: int) -> bool:
    """Return whether there is a process with this PID."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def find_start(process: int) -> str:
    """Return when a process began, in clock ticks since the machine did; empty where there is none or the system does not tell."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return fields[19] if len(fields) > 19 else ""  # field 22; the name before, in parentheses, may contain anything
