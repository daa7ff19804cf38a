"""Which encoding an Accept-Encoding header prefers, and that gzip is gzip."""

import gzip
import random
import zlib
from collections.abc import Iterator
from itertools import chain

import pytest

from catalog.server.registry.encoding import choose_encoding, compress_gzip


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("zstd;q=1.0, gzip;q=0.8, deflate;q=0.5", "zstd"),  # docker 29, containerd 2, BuildKit
        ("gzip", "gzip"),  # Go's transport
        ("", "identity"),
        ("identity", "identity"),
        ("gzip, zstd", "zstd"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("zstd;q=0, gzip", "gzip"),
        ("zstd;q=0", "identity"),
        ("gzip;q=0, zstd;q=0", "identity"),
        ("gzip;q=0.5, zstd;q=0.1", "gzip"),
        ("identity;q=1, gzip;q=0.5", "identity"),
        ("identity;q=0.1, gzip;q=0.5", "gzip"),
        ("identity;q=0, gzip;q=0.001", "gzip"),
        ("*", "zstd"),
        ("*;q=0", "identity"),
        ("zstd;q=0, *", "gzip"),
        ("br, deflate", "identity"),
        ("gzip;q=nonsense, zstd;q=2", "zstd"),
        ("gzip;q=٠.٥", "identity"),
        (", ;q=1,,", "identity"),
        ("gzip;level=9;q=0.4", "gzip"),
    ],
)
def test_the_preferred_encoding(accepted: str, chosen: str) -> None:
    assert choose_encoding(accepted) == chosen


def test_gzip_is_one_member_of_the_pieces() -> None:
    pieces = [random.Random(number).randbytes(1000).hex().encode() * 20 for number in range(50)]
    packed = b"".join(chain.from_iterable(compress_gzip(iter([pieces[:1], [], pieces[1:3], [b"", *pieces[3:]]]))))
    assert gzip.decompress(packed) == b"".join(pieces)
    assert len(packed) < sum(map(len, pieces)) / 4
    assert gzip.decompress(b"".join(chain.from_iterable(compress_gzip(iter([]))))) == b""


def test_gzip_of_what_breaks_off_has_no_end() -> None:
    def broken() -> Iterator[list[bytes]]:
        yield [random.Random(1).randbytes(1_000_000)]
        raise EOFError("the store broke off")

    stream = compress_gzip(broken())
    taken = [next(stream)]
    with pytest.raises(EOFError, match="broke off"):
        taken += stream
    with pytest.raises(EOFError, match="end-of-stream"):
        gzip.decompress(b"".join(chain.from_iterable(taken)))


def test_many_members_at_once_are_each_whole() -> None:
    """Those that share a compressor, piece by piece by turns, do not mix; one that is left half-way disturbs nobody."""
    contents = [[random.Random(f"{number} {part}").randbytes(500).hex().encode() * 20 for part in range(5)] for number in range(40)]
    streams = [compress_gzip(iter([[b""], *([piece] for piece in pieces)])) for pieces in contents]
    packed = [b""] * len(streams)
    for turn in range(10):
        for number, stream in enumerate(streams):
            if number % 7 == 6 and turn == 3:
                del stream
                streams[number] = iter(())
                continue
            packed[number] += b"".join(next(stream, ()))
    for number, pieces in enumerate(contents):
        decompressor = zlib.decompressobj(wbits=31)
        content = decompressor.decompress(packed[number])
        assert decompressor.eof == (number % 7 != 6)
        assert content == b"".join(pieces) or not decompressor.eof
