"""One image that is being fetched for clients: its state, shared by the thread that fetches and those that wait."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from catalog.image.reader import ArchiveView
from catalog.limits import FEEDER_PATIENCE, FEEDER_RETRY
from catalog.model.platform import Platform
from catalog.model.release import Image

POLL = 0.1  # seconds between two looks at what wakes nobody who waits: a block of another command, a server that stops


class FeederBusyError(Exception):
    """As many images are being fetched as may be, or this one takes longer than a request waits."""


@dataclass(frozen=True, slots=True)
class Wish:
    """An image of a followed catalogue that a client asks for."""

    catalogue: str
    name: str
    version: str
    platform: Platform
    image: Image

    @property
    def label(self) -> str:
        """Return how the image is called in the log."""
        return f"{self.name}@{self.version} ({self.platform})"

    def states_the_same(self, other: "Wish") -> bool:
        """Return whether two releases state the same of an archive, and lead to the same sources."""
        first, second = self.image, other.image
        return (self.catalogue, first.config, first.manifest) == (other.catalogue, second.config, second.manifest)


class Job:
    """What is done for a wish: its image is fetched, or with ``whole`` False only its metadata. Thread-safe."""

    def __init__(self, wish: Wish, *, whole: bool) -> None:
        self.wish = wish
        self.whole = whole
        self.view: ArchiveView | None = None
        self.error: Exception | None = None
        self.has_ended = False
        self.progressed = 0
        self._ended_at = 0.0
        self._changed = threading.Condition()

    def is_remembered(self) -> bool:
        """Return whether the job failed so short a time ago that its image is not asked for again."""
        return self.error is not None and time.monotonic() - self._ended_at < FEEDER_RETRY

    def show(self, view: ArchiveView) -> None:
        """Take the archive, whose metadata is here, for those who wait for it."""
        with self._changed:
            self.view = view
            self._changed.notify_all()

    def notify(self) -> None:
        """Wake those who wait: blocks may have come."""
        with self._changed:
            self.progressed += 1
            self._changed.notify_all()

    def end(self, error: Exception | None) -> None:
        """End the job, with ``error`` where it failed; the first call counts."""
        with self._changed:
            if not self.has_ended:
                self.error = error
                self._ended_at = time.monotonic()
                self.has_ended = True
            self._changed.notify_all()

    def wait_for_view(self) -> ArchiveView | None:
        """Return the archive once its metadata is here; None where the job failed.

        Raise `FeederBusyError` after `FEEDER_PATIENCE` seconds.
        """
        deadline = time.monotonic() + FEEDER_PATIENCE
        with self._changed:
            while self.view is None and not self.has_ended:
                if not self._changed.wait(deadline - time.monotonic()):
                    raise FeederBusyError
            return None if self.error is not None else self.view

    def wait_for_end(self, patience: float, stopped: Callable[[], bool]) -> bool:
        """Return whether the job succeeded, once it ended.

        Raise `FeederBusyError` after ``patience`` seconds, or if ``stopped()``.
        """
        deadline = time.monotonic() + patience
        with self._changed:
            while not self.has_ended:
                if stopped() or time.monotonic() >= deadline:
                    raise FeederBusyError
                self._changed.wait(POLL)
        return self.error is None

    def wait_for_progress(self, progressed: int) -> None:
        """Return once the job ended or progressed beyond ``progressed``, and after `POLL` seconds in any case."""
        with self._changed:
            if self.progressed == progressed and not self.has_ended:
                self._changed.wait(POLL)
