"""Streams that are made to cost more than their bytes."""

import bz2
import gzip
import lzma
import random
import time
from collections.abc import Callable
from functools import partial

import pytest
import zstandard

from catalog.image.compression import inflate_pieces
from catalog.image.stream import Budget
from catalog.progress import silent


@pytest.mark.parametrize(("compression", "pack"), [("gzip", gzip.compress), ("bzip2", bz2.compress), ("xz", lzma.compress)])
def test_streams_of_nothing_cost_what_their_bytes_do(compression: str, pack: Callable[[bytes], bytes]) -> None:
    """What follows a stream in its piece is copied once for each: of 100,000 empty ones, that was 15 s."""
    data = pack(b"x") + pack(b"") * (2_000_000 // len(pack(b"")))
    began = time.process_time()
    assert b"".join(inflate_pieces([data], compression, Budget(1 << 30), silent)) == b"x"
    assert time.process_time() - began < 3


@pytest.mark.parametrize("step", [1000, 8192, 100_000, 1 << 20])
@pytest.mark.parametrize(
    ("compression", "pack"),
    [
        ("gzip", gzip.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
        ("bzip2", bz2.compress),
        ("xz", partial(lzma.compress, preset=0)),
    ],
)
def test_long_and_short_streams_follow_each_other(compression: str, pack: Callable[[bytes], bytes], step: int) -> None:
    source = random.Random(1)
    sizes = (1, 70_000, 0, 3, 200_000, 0, 0, 8192, 120_000, 50, 65_536, 300_000, 0, 1)
    contents = [source.randbytes(size) if number % 3 else bytes(size) for number, size in enumerate(sizes)]
    data = b"".join(map(pack, contents)) + bytes(1000)
    pieces = [data[start : start + step] for start in range(0, len(data), step)]
    assert b"".join(inflate_pieces(pieces, compression, Budget(1 << 30), silent)) == b"".join(contents)
