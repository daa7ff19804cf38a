"""Views that stay open between the requests of a server: opening the two files takes longer than most look-ups."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catalog.lookup.opening import Files, open_files
from catalog.lookup.view import View
from catalog.storage.sqlite import translated


class Views:
    """The views of one home for a server, which reads often: files stay open while the home does not change. Thread-safe."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._state: object = None
        self._idle: list[Files] = []

    @contextmanager
    def open(self, state: object) -> Iterator[View]:
        """Open the home for reading as `open_view` does; ``state`` is a value that differs whenever its files were written to."""
        files = self._take(state)
        try:
            with translated(self._home):
                yield View(files.index, files.trust)
                files.execute("ROLLBACK")
        except BaseException:
            files.close()
            raise
        self._give_back(files, state)

    def _take(self, state: object) -> Files:
        with self._lock:
            outdated: list[Files] = []
            if state != self._state:
                outdated, self._idle, self._state = self._idle, [], state
            known = self._idle.pop() if self._idle else None
        for files in outdated:
            files.close()
        if known is None:
            return open_files(self._home)
        try:
            with translated(self._home):
                known.execute("BEGIN")
        except BaseException:
            known.close()
            raise
        return known

    def _give_back(self, files: Files, state: object) -> None:
        with self._lock:
            if state == self._state:
                self._idle.append(files)
                return
        files.close()
