"""Inflate outer files and layers as streams, in bounded memory.

gzip (several members), zstd (several frames), xz and bzip2 (several streams) are recognised by their first bytes. After the last of
them only zero bytes may follow (tapes and GNU tar pad so). A stream that ends in the middle is an error, never short data.
"""

import bz2
import lzma
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, Self

from catalog.errors import ArchiveError
from catalog.image.gzip import GzipDecompressor, GzipError
from catalog.image.stream import Budget, Piece
from catalog.image.zstd import DecompressionParameter, ZstdDecompressor, ZstdError
from catalog.limits import MAX_ZSTD_WINDOW, MIB, SUSPICIOUS_RATIO, SUSPICIOUS_RATIO_FROM
from catalog.progress import Progress, Step

MAGIC_SIZE: Final = 10
_PIECE = 256 * 1024  # bytes inflated at a time
# What follows a frame is copied once for each frame: of thousands of empty ones, a slice. The slices of a long one grow.
_SLICE = 8 * 1024
_LONGEST_SLICE = 64 * 1024
_XZ_MEMORY = MAX_ZSTD_WINDOW + 16 * MIB
# What a decoder says of data that needs more memory, and the command that inflates it all the same.
_TOO_LARGE: Final = {"zstd": ("too much memory", "zstd -dc --long=31"), "xz": ("Memory usage limit", "xz -dc")}


class CompressionError(ArchiveError):
    """Compressed data is damaged, cut short, or needs more memory than is given to it."""


class Decoder(Protocol):
    """The interface that the decompressors of bz2, lzma and zstd share."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def _new_zstd() -> Decoder:
    return ZstdDecompressor(options={DecompressionParameter.window_log_max: MAX_ZSTD_WINDOW.bit_length() - 1})


_DECODERS: Final[dict[str, tuple[re.Pattern[bytes], Callable[[], Decoder]]]] = {
    "gzip": (re.compile(rb"\x1f\x8b\x08"), GzipDecompressor),
    # pzstd begins with a skippable frame
    "zstd": (re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"), _new_zstd),
    "xz": (re.compile(rb"\xfd7zXZ\x00"), lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)),
    # in full, because a tar may begin with a file "BZh"
    "bzip2": (re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)", re.DOTALL), bz2.BZ2Decompressor),
}


def _explain(compression: str, why: str) -> CompressionError:
    message, command = _TOO_LARGE.get(compression, ("", ""))
    if message and message in why:
        return CompressionError(
            f"the {compression} data needs more memory than is given to it",
            why=f"a window of at most {MAX_ZSTD_WINDOW // MIB} MiB is read",
            hint=f"inflate the file first: {command} FILE > FILE.tar",
        )
    return CompressionError(f"the {compression} data is damaged", why=why)


def detect_compression(magic: bytes) -> str | None:
    """Return the compression that the first `MAGIC_SIZE` bytes show; None if there is none."""
    for name, (pattern, _) in _DECODERS.items():
        if pattern.match(magic):
            return name
    return None


class _Slices:
    """Divides pieces into slices, each twice as long as the one before it, until they are to begin anew."""

    def __init__(self) -> None:
        self._size = _SLICE // 2

    def of(self, pieces: Iterable[Piece]) -> Iterator[bytes]:
        for piece in pieces:
            view = memoryview(piece)
            start = 0
            while start < len(view):
                self._size = min(2 * self._size, _LONGEST_SLICE)
                end = start + self._size
                yield bytes(view[start:end])
                start = end

    def shorten(self) -> None:
        self._size = _SLICE // 2

    @property
    def are_long(self) -> bool:
        return self._size == _LONGEST_SLICE


def inflate_pieces(pieces: Iterable[Piece], compression: str, budget: Budget, progress: Progress) -> Iterator[bytes]:
    """Inflate what `detect_compression` recognised, in pieces of at most 512 KiB; raise `CompressionError` if damaged.

    Every inflated byte is spent from ``budget``. A ratio that no real layer reaches is reported as a warning, once.
    """
    gathered: list[bytes] = []  # what one slice inflates to is little, and each piece costs whoever takes it
    size = 0
    for piece in _inflate(pieces, compression, budget, progress):
        gathered.append(piece)
        size += len(piece)
        if size >= _PIECE:
            yield gathered[0] if len(gathered) == 1 else b"".join(gathered)
            gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)


def _inflate(pieces: Iterable[Piece], compression: str, budget: Budget, progress: Progress) -> Iterator[bytes]:
    _, new_decoder = _DECODERS[compression]
    decoder: Decoder | None = None
    taken = given = 0
    warned = ended = False
    slices = _Slices()
    with _Ahead() as ahead:
        for data in slices.of(pieces):
            taken += len(data)
            while True:
                if decoder is None:
                    if ended and not data.strip(b"\0"):
                        break
                    decoder = new_decoder()
                try:
                    inflated = yield from ahead.inflate(decoder, data, in_thread=slices.are_long)
                except (GzipError, lzma.LZMAError, ZstdError, OSError, EOFError, MemoryError) as error:
                    raise _explain(compression, str(error)) from error
                given += len(inflated)
                budget.spend(len(inflated))
                if given > SUSPICIOUS_RATIO_FROM and given > SUSPICIOUS_RATIO * taken and not warned:
                    warned = True
                    progress(Step("warning", f"{compression} data inflates to more than {SUSPICIOUS_RATIO} times its size"))
                data = b""
                if decoder.eof:
                    data, decoder, ended = decoder.unused_data, None, True
                    slices.shorten()
                elif decoder.needs_input:
                    break
        yield from ahead.finish()
    if decoder is not None or not ended:
        raise CompressionError(f"the {compression} data is cut short")


class _Ahead:
    """Inflates in a thread what follows, while the reader has what was inflated before: the reader cuts and hashes it.

    Use it as a context manager: leaving it ends the thread.
    """

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._inflated = b""

    def inflate(self, decoder: Decoder, data: bytes, *, in_thread: bool) -> Generator[bytes, None, bytes]:
        """Yield what was inflated last, and return what the data inflates to; raise what the decoder raises."""
        if not in_thread:
            yield from self.finish()
            self._inflated = decoder.decompress(data, _PIECE)
            return self._inflated
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="inflate")
        following = self._pool.submit(decoder.decompress, data, _PIECE)
        yield from self.finish()
        self._inflated = following.result()
        return self._inflated

    def finish(self) -> Iterator[bytes]:
        """Yield what was inflated last."""
        last, self._inflated = self._inflated, b""
        if last:
            yield last

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()
