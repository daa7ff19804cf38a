"""Streams that are made to cost more than their bytes."""

import bz2
import gzip
import lzma
import random
import threading
import time
from collections.abc import Callable
from functools import partial

import pytest
import zstandard

from catalog.errors import ArchiveError
from catalog.image.compression import CompressionError, inflate_pieces
from catalog.image.stream import Budget
from catalog.progress import silent

PACKED = pytest.mark.parametrize(
    ("compression", "pack"),
    [
        ("gzip", gzip.compress),
        ("zstd", zstandard.ZstdCompressor(write_checksum=True).compress),
        ("bzip2", bz2.compress),
        ("xz", partial(lzma.compress, preset=0)),
    ],
)
LONG = random.Random(2).randbytes(1_000_000)  # most of it is inflated in a thread


@pytest.mark.parametrize(("compression", "pack"), [("gzip", gzip.compress), ("bzip2", bz2.compress), ("xz", lzma.compress)])
def test_streams_of_nothing_cost_what_their_bytes_do(compression: str, pack: Callable[[bytes], bytes]) -> None:
    """What follows a stream in its piece is copied once for each: of 100,000 empty ones, that was 15 s."""
    data = pack(b"x") + pack(b"") * (2_000_000 // len(pack(b"")))
    began = time.process_time()
    assert b"".join(inflate_pieces([data], compression, Budget(1 << 30), silent)) == b"x"
    assert time.process_time() - began < 3


@pytest.mark.parametrize("step", [1000, 8192, 100_000, 1 << 20])
@PACKED
def test_long_and_short_streams_follow_each_other(compression: str, pack: Callable[[bytes], bytes], step: int) -> None:
    source = random.Random(1)
    sizes = (1, 70_000, 0, 3, 200_000, 0, 0, 8192, 120_000, 50, 65_536, 300_000, 0, 1)
    contents = [source.randbytes(size) if number % 3 else bytes(size) for number, size in enumerate(sizes)]
    data = b"".join(map(pack, contents)) + bytes(1000)
    pieces = [data[start : start + step] for start in range(0, len(data), step)]
    assert b"".join(inflate_pieces(pieces, compression, Budget(1 << 30), silent)) == b"".join(contents)


@PACKED
def test_a_long_stream_that_is_damaged_or_cut_is_refused(compression: str, pack: Callable[[bytes], bytes]) -> None:
    whole = pack(LONG)
    damaged = bytearray(whole)
    damaged[900_000] ^= 1
    with pytest.raises(CompressionError, match="is damaged"):
        list(inflate_pieces([bytes(damaged)], compression, Budget(1 << 30), silent))
    inflated: list[bytes] = []
    with pytest.raises(CompressionError, match="is cut short"):
        inflated.extend(inflate_pieces([whole[:900_000]], compression, Budget(1 << 30), silent))
    assert LONG.startswith(b"".join(inflated))


@PACKED
def test_a_long_stream_ends_at_the_limit(compression: str, pack: Callable[[bytes], bytes]) -> None:
    inflated: list[bytes] = []
    with pytest.raises(ArchiveError, match="inflates to more than 700000 bytes"):
        inflated.extend(inflate_pieces([pack(LONG)], compression, Budget(700_000), silent))
    assert LONG[:700_000].startswith(b"".join(inflated))


def test_a_reader_that_stops_leaves_no_thread() -> None:
    def list_threads() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name.startswith("inflate")}

    before = list_threads()
    pieces = inflate_pieces([gzip.compress(LONG)], "gzip", Budget(1 << 30), silent)
    next(pieces)
    next(pieces)
    assert list_threads() - before
    pieces.close()  # type: ignore[attr-defined]  # it is a generator
    assert not list_threads() - before
