"""Turn the members of an export into stored layers."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from catalog.errors import ArchiveError
from catalog.image.compression import MAGIC_SIZE, CompressionError, detect_compression, inflate_pieces
from catalog.image.dag import LayerWriter, StoredLayer
from catalog.image.stream import Budget, ByteStream, Piece
from catalog.progress import Progress, Step

NewLayer = Callable[[], LayerWriter]
_BLOB: Final = re.compile(r"blobs/sha256/([0-9a-f]{64})", re.ASCII)


class LayerReader:
    """Turn a member's bytes into a stored layer, inflating them if they are compressed."""

    def __init__(self, new_layer: NewLayer, budget: Budget, progress: Progress) -> None:
        self._new_layer = new_layer
        self._budget = budget
        self._progress = progress

    def read(self, name: str, size: int, pieces: Iterable[Piece], *, plain: bool = False) -> StoredLayer:
        """Store a layer of ``size`` bytes as it is in the export; ``plain``: it is not compressed, whatever its first bytes."""
        writer = self._new_layer()
        reported = self._report(name, size, pieces)
        for piece in reported if plain else self.inflate(reported):
            writer.feed(piece)
        return writer.finish()

    def inflate(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        """Yield the pieces inflated, if they are compressed."""
        stream = ByteStream(pieces)
        compression = detect_compression(stream.peek(MAGIC_SIZE))
        if compression is None:
            return stream.rest()
        return inflate_pieces(stream.rest(), compression, self._budget, self._progress)

    def spend(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        """Yield the pieces and subtract them from the budget."""
        for piece in pieces:
            self._budget.spend(len(piece))
            yield piece

    def _report(self, name: str, size: int, pieces: Iterable[Piece]) -> Iterator[Piece]:
        done = 0
        for piece in pieces:
            yield piece
            done += len(piece)
            self._progress(Step("part", name, done, size))


def without_trace(error: CompressionError) -> CompressionError:
    """Return the error to be kept: its traceback, and that of its cause, would keep the writer of the layer, with megabytes."""
    return CompressionError(error.message, why=error.why, hint=error.hint)


def check_blob(name: str, digest: bytes) -> None:
    """Raise `ArchiveError` if a member under ``blobs/sha256/`` does not have the digest that its name states."""
    match = _BLOB.fullmatch(name)
    if match and digest.hex() != match[1]:
        raise ArchiveError(f"{name} does not match its name", why=f"it has sha256:{digest.hex()}")


def hash_pieces(pieces: Iterable[Piece], update: Callable[[Piece], None]) -> Iterator[Piece]:
    """Yield the pieces and feed them to a hash."""
    for piece in pieces:
        update(piece)
        yield piece
