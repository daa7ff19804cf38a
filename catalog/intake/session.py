"""A home that is held open for pushes: under a lease, with one writer for the layers of all clients."""

import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from time import monotonic

from catalog.blockstores.writing import BlockWriter, FrameStore
from catalog.errors import DcatError
from catalog.home.home import Home
from catalog.intake.blobs import LockedSink, ReadBlob
from catalog.limits import LEASE_TIME


@dataclass(frozen=True, slots=True)
class StoredBlob(ReadBlob):
    """A blob that was read, and the writer that its layer went to."""

    writer: BlockWriter


class WriterSink(LockedSink):
    """The sink of one writer."""

    def __init__(self, writer: BlockWriter, lock: "threading.RLock") -> None:
        super().__init__(writer, lock)
        self.writer = writer


class PushSession:
    """A home that is open for pushes, under a lease."""

    def __init__(self, stack: ExitStack, home: Home, held: FrameStore) -> None:
        self.home = home
        self.held = held
        self._stack = stack
        self._until = monotonic() + LEASE_TIME / 2
        self._lock = threading.RLock()
        self._writer: BlockWriter | None = None

    @property
    def writer(self) -> BlockWriter:
        """The writer of all layers, until it fails."""
        with self._lock:
            if self._writer is None:
                self._writer = BlockWriter(self.held)
            return self._writer

    @property
    def is_leased(self) -> bool:
        """Whether no block can have been deleted since this was opened: the lease has not expired."""
        return monotonic() < self._until

    def sink(self) -> "WriterSink":
        return WriterSink(self.writer, self._lock)

    def flush(self) -> None:
        """Make everything that was stored durable."""
        with self._lock:
            if self._writer is not None:
                try:
                    self._writer.flush()
                except BaseException:
                    self.give_up_writer()
                    raise

    def give_up_writer(self) -> None:
        """Let the next blob have a new writer: one that failed, on a full disk, fails for ever."""
        with self._lock:
            writer, self._writer = self._writer, None
            if writer is not None:
                writer.close()

    def close(self) -> None:
        """Give the home back. What no release has need not be stored: the disk may be full."""
        try:
            with suppress(DcatError):
                self.flush()
        finally:
            self.give_up_writer()
            self._stack.close()
