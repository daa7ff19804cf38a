"""How much memory a process took. ``ru_maxrss`` does not measure a child: it includes what its parent held when it was started."""

import resource
import sys
import threading
from pathlib import Path

_INTERVAL = 0.01  # seconds; VmHWM is a high-water mark, so only growth in the last interval of a process can be missed


def peak_memory(process: int | str = "self") -> int:
    """Return the largest resident size in bytes that a process (by default this one) has had; 0 for one that has ended."""
    status = Path(f"/proc/{process}/status")
    if Path("/proc/self/status").exists():
        try:
            text = status.read_text(encoding="ascii", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return 0
        return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmHWM")), 0)
    assert process == "self", "there is no /proc here"
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


class PeakWatch:
    """Follow the peak of another process until it has ended; ``peak`` is in bytes."""

    def __init__(self, process: int) -> None:
        self.peak = 0
        self._process = process
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PeakWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.is_set():
            self.peak = max(self.peak, peak_memory(self._process))
            self._ended.wait(_INTERVAL)
