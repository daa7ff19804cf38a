"""A watch over one answer of an engine, which cuts the connection of one that goes on for ever.

A time limit for each read ends silence, and nothing else: an engine that drips, or that sends lines of a trailer without end, keeps
the HTTP libraries in loops of their own, where no check of the caller runs.
"""

import os
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from time import monotonic
from typing import Self

from catalog.clients.docker.connection import Answer

_CHECKS = 8  # in one period


class Watch:
    """Cuts the connection of ``response`` after ``seconds``; with ``least`` only if fewer bytes than that came meanwhile.

    Use it as a context manager around the reading. With ``least`` a new period begins after each one that brought enough, and the
    time counts in which `count` waits for the connection.
    """

    def __init__(self, response: Answer, seconds: float, least: int | None = None) -> None:
        self.has_cut = False
        self._seconds = seconds
        self._least = least
        self._received = 0
        self._is_waiting = least is None
        self._done = threading.Event()
        self._socket: socket.socket | None = None
        with suppress(OSError):  # an answer without a body is closed already
            self._socket = socket.socket(fileno=os.dup(response.fileno()))
        self._thread = threading.Thread(target=self._run, name="engine-watch", daemon=True)

    def count(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the pieces, and count their bytes and the time that they take."""
        pending = iter(pieces)
        while True:
            self._is_waiting = True
            piece = next(pending, None)
            self._is_waiting = False
            if piece is None:
                return
            self._received += len(piece)
            yield piece

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        if self._socket is not None:
            self._socket.close()

    def _run(self) -> None:
        waited, seen, before = 0.0, 0, monotonic()
        while not self._done.wait(self._seconds / _CHECKS):
            now = monotonic()
            waited += now - before if self._is_waiting else 0.0
            before = now
            if waited < self._seconds:
                continue
            if self._least is None or self._received - seen < self._least:
                self._cut()
                return
            waited, seen = 0.0, self._received

    def _cut(self) -> None:
        self.has_cut = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
