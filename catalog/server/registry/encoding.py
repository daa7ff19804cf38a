"""Content encodings: which one a client accepts, and gzip made while it streams.

gzip is made by ISA-L where there is a wheel of `isal` for the machine (528 MB/s a core for layers, against 90 of zlib), else by
zlib. Source: RFC 9110, section 12.5.3.
"""

import struct
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Literal
from zlib import MAX_WBITS

try:
    from isal import isal_zlib as deflate

    # Of 1 to 9. Smaller blocks with codes of their own: less to send, and Go inflates them a sixth faster, in half the memory.
    _MEMORY = 2
except ImportError:  # no wheel for this machine
    import zlib as deflate  # type: ignore[no-redef]

    _MEMORY = 8

Encoding = Literal["zstd", "gzip", "identity"]
_GZIP = 16 + MAX_WBITS
_LEVEL = 1
_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # deflate, no name, no time, unknown system (RFC 1952)
_LAST_BLOCK = b"\x03\x00"  # of deflate: final, and empty (RFC 1951)
_FEW = 16  # members that are made at once by compressors of their own
_of_thread = threading.local()
_places = deque([None] * _FEW)  # free ones of these; unlike a lock, a generator can return its own when the collector closes it
_FIRST: tuple[Encoding, ...] = ("zstd", "gzip", "identity")


def choose_encoding(accepted: str) -> Encoding:
    """Return the encoding that an Accept-Encoding header prefers; where it has no preference, zstd, then gzip.

    Without the header, and where nothing else is acceptable, that is ``identity``.
    """
    weights: dict[str, float] = {}
    for part in accepted.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if name:
            weights[name] = _read_weight(parameters)
    anything = weights.get("*", 0.0)
    # What is not listed is not acceptable, except for identity, which is the last resort unless it is refused.
    preferences = {name: weights.get("x-gzip" if name == "gzip" and name not in weights else name, anything) for name in _FIRST}
    if "identity" not in weights:
        preferences["identity"] = min(anything, 0.001)
    best = max(_FIRST, key=lambda name: preferences[name])  # the first of equals
    return best if preferences[best] > 0 else "identity"


def _read_weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value.strip()[:5]), 0.0), 1.0) if value.strip().isascii() else 0.0
            except ValueError:
                return 0.0
    return 1.0


def compress_gzip(batches: Iterator[Iterable[bytes]]) -> Iterator[Iterable[bytes]]:
    """Yield the gzip member of the pieces in all batches, compressed as they come; its end follows only the last piece.

    A compressor takes 117 KiB. Where many members are made at once, further ones share the compressor of the thread they are in.
    """
    try:
        _places.pop()
    except IndexError:
        yield from _compress_shared(batches)
        return
    try:
        compressor = deflate.compressobj(_LEVEL, wbits=_GZIP, memLevel=_MEMORY)
        yield from _compressed(compressor.compress, batches)
        yield (compressor.flush(),)
    finally:
        _places.append(None)


def _compress_shared(batches: Iterator[Iterable[bytes]]) -> Iterator[Iterable[bytes]]:
    member = _Member()
    yield (_HEAD,)
    yield from _compressed(member.compress, batches)
    yield (member.end(),)


def _compressed(compress: Callable[[bytes], bytes], batches: Iterator[Iterable[bytes]]) -> Iterator[Iterable[bytes]]:
    def compress_all(pieces: Iterable[bytes]) -> list[bytes]:
        return [compress(piece) for piece in pieces]

    return map(compress_all, batches)  # unlike a loop, it keeps no piece while a client is slow


class _Member:
    """A gzip member by a compressor that others use between its pieces.

    A full flush ends each piece, after which nothing refers to what came before. It makes the member up to 2 % larger, and takes a
    tenth more of the time of compressing.
    """

    def __init__(self) -> None:
        self._checksum = 0
        self._size = 0

    def compress(self, data: bytes) -> bytes:
        if not data:
            return b""
        self._checksum = deflate.crc32(data, self._checksum)
        self._size += len(data)
        if not hasattr(_of_thread, "compressor"):
            _of_thread.compressor = deflate.compressobj(_LEVEL, wbits=-MAX_WBITS, memLevel=_MEMORY)
        compressor = _of_thread.compressor
        start: bytes = compressor.compress(data)
        rest: bytes = compressor.flush(deflate.Z_FULL_FLUSH)
        return start + rest

    def end(self) -> bytes:
        return _LAST_BLOCK + struct.pack("<LL", self._checksum, self._size & 0xFFFFFFFF)
