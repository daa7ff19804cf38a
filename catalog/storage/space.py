"""The room that a disk still has."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from pathlib import Path


def free_space(path: Path | str) -> int:
    """Return how many bytes can still be written where ``path`` is; 0 if that is unknown."""
    try:
        status = os.statvfs(path)
        return (status.f_bavail if os.geteuid() else status.f_bfree) * status.f_frsize  # root may use what is reserved
    except OSError:
        return 0
