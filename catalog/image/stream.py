"""Streams of bytes: pieces of any size, read in any size, with a look ahead; and a budget for their total."""

from collections.abc import Iterable, Iterator

from catalog.errors import ArchiveError

Piece = bytes | memoryview


class Budget:
    """The bytes that may still be read: every byte read or inflated is spent, which stops decompression bombs."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._left = size

    def spend(self, size: int) -> None:
        """Count ``size`` bytes; raise `ArchiveError` if fewer are left."""
        self._left -= size
        if self._left < 0:
            raise ArchiveError(f"the image inflates to more than {self._size} bytes", hint="--max-size sets another limit")


class ByteStream:
    """Read an iterable of pieces like a file that cannot seek. Pieces are returned without a copy if possible."""

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self._pieces = iter(pieces)
        self._current = memoryview(b"")

    def peek(self, size: int) -> bytes:
        """Return the next ``size`` bytes, fewer only at the end, without consuming them."""
        if len(self._current) < size:
            parts: list[Piece] = [self._current] if self._current else []
            held = len(self._current)
            while held < size and (following := next(self._pieces, None)) is not None:
                parts.append(following)
                held += len(following)
            # Joined once: a document that comes byte by byte would be copied as often.
            self._current = memoryview(parts[0] if len(parts) == 1 else b"".join(parts))
        return bytes(self._current[:size])

    def take(self, size: int) -> memoryview:
        """Return at least one and at most ``size`` bytes; none only at the end."""
        while not self._current:
            following = next(self._pieces, None)
            if following is None:
                break
            self._current = memoryview(following)
        taken, self._current = self._current[:size], self._current[size:]
        return taken

    def read(self, size: int) -> bytes:
        """Return the next ``size`` bytes, fewer only at the end."""
        if len(self._current) >= size:
            return bytes(self.take(size))
        parts = []
        while size and (part := self.take(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def pieces(self, size: int) -> Iterator[memoryview]:
        """Yield the next ``size`` bytes as they come; raise `ArchiveError` if the stream ends before."""
        while size:
            part = self.take(size)
            if not part:
                raise ArchiveError("the export is cut short", why=f"{size} bytes of a member are missing")
            size -= len(part)
            yield part

    def rest(self) -> Iterator[memoryview]:
        """Yield everything up to the end."""
        while part := self.take(1 << 20):
            yield part
