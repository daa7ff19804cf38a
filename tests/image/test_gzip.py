"""The decompressor of gzip, beside zlib's: whatever a stream is, both accept it with the same bytes, or both refuse it."""

import platform
import random
import zlib
from collections.abc import Iterator

import pytest

from catalog.image.compression import Decoder
from catalog.image.gzip import GzipDecompressor, GzipError
from tests.property.mutate import Target, mutations

RAW = -15  # deflate without a header
SOURCE = random.Random(20)
TAR = b"".join(SOURCE.choice([b"usr/lib/", b"python3", bytes(60), b"0000644\0", SOURCE.randbytes(1)]) for _ in range(60))
NOISE = SOURCE.randbytes(200)
CONTENTS = [
    b"",
    b"a",
    TAR,
    NOISE,
    bytes(3000),
    bytes(SOURCE.choice(b"ab") for _ in range(200)),
    bytes(min(255, int(SOURCE.expovariate(0.05))) for _ in range(700)),
    NOISE + bytes(32768 - len(NOISE)) + NOISE[:50],  # as far back as a distance can lead
]


def deflate(content: bytes, level: int = 6, strategy: int = 0, memory: int = 8) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, RAW, memory, strategy)
    return packer.compress(content) + packer.flush()


def deflate_in_parts(content: bytes) -> bytes:
    """Return several blocks, with empty stored ones and others between them."""
    packer = zlib.compressobj(6, zlib.DEFLATED, RAW)
    modes = (zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH, zlib.Z_PARTIAL_FLUSH, zlib.Z_BLOCK)
    parts = (packer.compress(content[at : at + 97]) + packer.flush(modes[at // 97 % 4]) for at in range(0, len(content), 97))
    return b"".join(parts) + packer.flush()


BODIES = sorted(
    {deflate(content, level) for content in CONTENTS for level in (0, 1, 6, 9)}
    | {deflate(content, 6, strategy) for content in CONTENTS for strategy in (1, 2, 3, 4)}
    | {deflate(content, 6, 0, 1) for content in CONTENTS}
    | {deflate_in_parts(content) for content in CONTENTS[:-1]}
)


def head(flags: int, name: bytes = b"n\xffame") -> bytes:
    """Return a header with the optional fields of ``flags``."""
    made = b"\x1f\x8b\x08" + bytes([flags]) + b"\x01\x02\x03\x04\x00\x03"
    made += (b"\x05\x00extra" if flags & 4 else b"") + (name + b"\0" if flags & 8 else b"") + (b"comment\0" if flags & 16 else b"")
    return made + (zlib.crc32(made).to_bytes(4, "little")[:2] if flags & 2 else b"")


def close(body: bytes, front: bytes) -> bytes:
    """Return a member with the checksum and length of what zlib makes of a body; one that zlib refuses gets none.

    So nothing but the body can be refused: a decoder that takes a damaged one finds a member that is cut short.
    """
    decoder = zlib.decompressobj(RAW)
    try:
        content = decoder.decompress(body)
    except zlib.error:
        return front + body
    body = body[: len(body) - len(decoder.unused_data)]
    return front + body + zlib.crc32(content).to_bytes(4, "little") + len(content).to_bytes(4, "little")


MEMBERS = [
    *(close(body, head(0)) for body in BODIES),
    *(close(deflate(content), head(flags)) for content in CONTENTS for flags in range(32)),
    close(deflate(TAR), head(8, b"x" * 70_000)),
]
TOKENS = [b"\x1f\x8b\x08", bytes(8), b"\x03\x00", b"\x01\x00\x00\xff\xff", close(deflate(b""), head(0))]


class Oracle:
    """zlib itself."""

    def __init__(self) -> None:
        self.decoder = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self.decoder.eof

    @property
    def needs_input(self) -> bool:
        return not self.decoder.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self.decoder.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self.decoder.decompress(self.decoder.unconsumed_tail + data, max_length)


def read(decoder: Decoder, data: bytes, step: int, most: int) -> tuple[str, bytes, bytes]:
    """Return how a member ends, what was inflated, and what follows it, fed in pieces of ``step`` bytes."""
    inflated = []
    try:
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            while True:
                inflated.append(decoder.decompress(piece, most))
                assert len(inflated[-1]) <= most
                piece = b""
                if decoder.eof:
                    return "whole", b"".join(inflated), decoder.unused_data + data[start + step :]
                if decoder.needs_input:
                    break
    except (GzipError, zlib.error):
        return "damaged", b"".join(inflated), b""
    return "cut short", b"".join(inflated), b""


def damaged(count: int) -> Iterator[bytes]:
    """Yield damaged members, by turns with members that are right but for their bodies."""
    members = mutations(Target("gzip", bytes, GzipError, MEMBERS, TOKENS), count // 2)
    bodies = mutations(Target("deflate", bytes, GzipError, BODIES, TOKENS), count // 2)
    for member, body in zip(members, bodies, strict=True):
        yield member
        yield close(body, head(0))


def compare(count: int) -> None:
    source = random.Random(count)
    seen = {"whole": 0, "damaged": 0, "cut short": 0}
    for data in damaged(count):
        step = source.choice((1 << 20, len(data) // 2 + 1, source.randrange(1, 40)))
        most = source.choice((1 << 18, 1000, source.randrange(1, 300)))
        expected = read(Oracle(), data, step, most)
        assert read(GzipDecompressor(), data, step, most) == expected, (step, most, data.hex())
        seen[expected[0]] += 1
    assert all(number > count // 20 for number in seen.values()), seen


def test_zlib_ng_is_there_where_it_has_wheels() -> None:
    assert (GzipError is not zlib.error) == (platform.machine() in ("x86_64", "aarch64", "arm64"))


@pytest.mark.parametrize("step", [1, 2, 7, 1 << 20])
def test_valid_members_are_whole_with_the_same_bytes(step: int) -> None:
    for data in MEMBERS if step > 2 else MEMBERS[::9]:
        if step == 1 and len(data) > 5000:
            continue
        end, content, rest = read(GzipDecompressor(), data + b"\0more", step, 1 << 18)
        assert (end, rest) == ("whole", b"\0more")
        assert content in CONTENTS


def test_members_cut_or_divided_anywhere() -> None:
    data = close(deflate(TAR), head(31))
    for at in range(len(data)):
        decoder = GzipDecompressor()
        assert read(decoder, data[:at], at or 1, 1 << 18) == read(Oracle(), data[:at], at or 1, 1 << 18)
        before = b"" if at == 0 else decoder.decompress(b"", 1 << 18)
        assert not decoder.eof
        assert read(GzipDecompressor(), data, at or 1, 1 << 18) == ("whole", TAR, b"")
        assert before == b""


def test_damaged_members_are_refused_as_by_zlib() -> None:
    compare(6000)


@pytest.mark.long
def test_a_million_damaged_members() -> None:
    compare(1_000_000)


@pytest.mark.parametrize(
    "lengths",
    [
        {0: 1, 256: 2},  # incomplete: half of the codes that begin with 1 mean nothing
        {0: 1, 1: 1, 256: 1},  # more codes than there can be
        {0: 1, 1: 1},  # no code for the end of the block
    ],
    ids=["incomplete", "over-subscribed", "without-end"],
)
def test_code_tables_that_zlib_refuses(lengths: dict[int, int]) -> None:
    """ISA-L takes the incomplete one."""
    data = close(dynamic_block(lengths), head(0))
    with pytest.raises(zlib.error, match=r"invalid (literal/lengths set|code -- missing end-of-block)"):
        Oracle().decompress(data, 1000)
    assert read(GzipDecompressor(), data, len(data), 1000)[0] == "damaged"


def dynamic_block(lengths: dict[int, int]) -> bytes:
    """Return a last block with these lengths of codes for literals, and one code for distances; then a zero and the end."""
    bits: list[int] = []

    def add(value: int, width: int) -> None:
        bits.extend(value >> place & 1 for place in range(width))

    add(1, 1)
    add(2, 2)
    add(0, 5)
    add(0, 5)
    add(14, 4)
    order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1]
    for symbol in order:  # codes of lengths 0, 1 and 2, of two bits each
        add(2 if symbol in (0, 1, 2, 3) else 0, 3)
    for symbol in [*(lengths.get(number, 0) for number in range(257)), 1]:
        bits.extend((symbol >> 1, symbol & 1))  # codes come with the high bit first
    bits.extend((0, 1, 0))
    return bytes(sum(bit << place for place, bit in enumerate(bits[at : at + 8])) for at in range(0, len(bits), 8))
