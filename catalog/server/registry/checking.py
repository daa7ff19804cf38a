"""The comparison of a layer with its diffID, made once by all who read it at the same time.

Whoever reads the frame that the comparison needs next hands it over, and everybody completes the comparison before the layer's
last bytes leave. So a client that leaves, or reads slowly, holds up nobody, and the work is done once however many pull.
"""

import hashlib
from collections.abc import Iterator
from threading import Lock

from catalog.errors import VerificationError
from catalog.image.encoder import inflate_frame
from catalog.image.reader import ArchivedLayer
from catalog.ipld.block import BlockSource
from catalog.unixfs.file_reader import read_file_batches, split_batches

_PATIENCE = 0.01  # seconds in a thread, while another one compares
_FRAMES_A_STEP = 64


class LayerCheck:
    """How far a layer was compared. Thread-safe."""

    def __init__(self, layer: ArchivedLayer) -> None:
        self._layer = layer
        self._lock = Lock()
        self._digest = hashlib.sha256()
        self._size = 0
        self._position = 0  # in the stored bytes, of the frame that is needed next
        self.passed = False

    def offer(self, position: int, frame: bytes, content: bytes | None = None) -> bytes | None:
        """Compare the frame at ``position`` if it is needed next, and no other thread does that; return its content if it is known.

        Raise `VerificationError` where the layer inflates to more than it should have.
        """
        if position != self._position or self.passed or not self._lock.acquire(blocking=False):
            return content
        try:
            return self._add(frame, content) if position == self._position else content
        finally:
            self._lock.release()

    def complete(self, source: BlockSource, *, read_ahead: int) -> Iterator[bytes]:
        """Compare the rest, and yield no bytes now and then, so that it can be left.

        Raise `VerificationError` unless the layer matches its diffID, `BlockNotFoundError`.
        """
        while not self.passed:
            if self._lock.acquire(timeout=_PATIENCE):
                try:
                    self._compare_some(source, read_ahead)
                finally:
                    self._lock.release()
            yield b""  # without the lock: the client of this reader may be slow

    def _compare_some(self, source: BlockSource, read_ahead: int) -> None:
        layer = self._layer
        if self.passed:
            return
        batches = read_file_batches(layer.cid, source, start=self._position, max_size=layer.stored_size, read_ahead=read_ahead)
        for number, frame in enumerate(split_batches(batches), 1):
            self._add(frame, None)
            if number == _FRAMES_A_STEP:
                return
        if self._size != layer.size or self._digest.digest() != layer.diff_id.raw:
            raise VerificationError(f"layer {layer.diff_id} does not match its diffID", why=f"its blocks give {self._size} bytes")
        self.passed = True

    def _add(self, frame: bytes, content: bytes | None) -> bytes:
        layer = self._layer
        content = inflate_frame(frame) if content is None else content
        self._size += len(content)
        self._position += len(frame)
        if self._size > layer.size:
            raise VerificationError(f"layer {layer.diff_id} inflates to more than the {layer.size} bytes it should have")
        self._digest.update(content)
        return content
