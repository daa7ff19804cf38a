"""The home that pages read from, opened once for each of its states: opening it takes longer than making most pages."""

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from catalog.errors import DcatError
from catalog.home.home import Home
from catalog.lookup.view import View
from catalog.lookup.views import Views


class OpenedHome:
    """A home for reading pages from. Thread-safe.

    Where the home changed, its index is opened again: that also makes a lost one again, and finishes what a crash left undone.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._views = Views(home.path)
        self._lock = threading.Lock()
        self._state: object = None
        self._opened: Home | None = None

    @contextmanager
    def read(self, state: object, now: datetime) -> Iterator[tuple[Home, View]]:
        """Yield the home at a moment, and a view of it; ``state`` is a value that differs whenever it was written to."""
        with self._lock:
            if self._opened is None or state != self._state:
                self._opened, self._state = _open_index(self._home), state
            home = copy.copy(self._opened)
        home.now = now
        with self._views.open(state) as view:
            yield home, view


def _open_index(home: Home) -> Home:
    opened = copy.copy(home)
    opened.__dict__.pop("index", None)
    with suppress(DcatError):  # who reads it is told
        _ = opened.index
    return opened
