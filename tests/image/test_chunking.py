"""The cutter against a naive one that has the whole layer before it, and follows the text of docs/formats/image.md."""

import hashlib
import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyfastcdc import FastCDC

from catalog.image.chunking import A, LayerCutter, T, cut_metadata
from tests.factory.tars import make_tar


def cut(layer: bytes, sizes: list[int]) -> list[bytes]:
    """Feed a layer in pieces of the given sizes, over and over."""
    cutter = LayerCutter()
    chunks: list[bytes] = []
    start = turn = 0
    while start < len(layer):
        size = sizes[turn % len(sizes)]
        chunks += map(bytes, cutter.feed(memoryview(layer)[start : start + size]))
        start, turn = start + size, turn + 1
    return chunks + [bytes(chunk) for chunk in cutter.finish()]


def cut_naively(layer: bytes) -> list[bytes]:
    segments: list[bytes] = []
    last = position = 0
    while len(layer) - position >= 512:
        header = layer[position : position + 512]
        if not any(header):
            break
        field = header[124:136]
        if field[0] & 0x80:
            size = int.from_bytes(field[1:], "big")
        else:
            digits = field.strip(b"\0 ")
            if any(digit not in b"01234567" for digit in digits):
                break
            size = int(digits or b"0", 8)
        position += 512
        if header[156:157] in (b"0", b"\0", b"7") and size >= T:
            segments += [layer[last:position], layer[position : position + size]]
            last = position + size
        position += -(-size // 512) * 512
    segments.append(layer[last:])
    chunks: list[bytes] = []
    for segment in segments:
        if len(segment) > 2 * A:
            fastcdc = FastCDC(A, min_size=A // 4, max_size=4 * A, normalized_chunking=1, seed=0)
            chunks += [bytes(piece.data) for piece in fastcdc.cut_buf(segment)]
        elif segment:
            chunks.append(segment)
    return chunks


def header(size: bytes, kind: bytes = b"0") -> bytes:
    block = bytearray(512)
    block[0:4] = b"name"
    block[124 : 124 + len(size)] = size
    block[156:157] = kind
    return bytes(block)


def noise(size: int, seed: int) -> bytes:
    """Bytes that FastCDC has something to cut in."""
    return hashlib.shake_128(bytes([seed])).digest(size)


SIZES = st.sampled_from([0, 1, 511, 512, 513, T - 1, T, T + 1, 2 * A, 2 * A + 1, 4 * A, 4 * A + 1, 600_000, 1_500_000])
FIELDS = st.one_of(
    SIZES.map(lambda size: b"%011o\0" % size),
    SIZES.map(lambda size: b"%o" % size),
    SIZES.map(lambda size: b" %9o \0" % size),
    SIZES.map(lambda size: b"\x80" + size.to_bytes(11, "big")),
    SIZES.map(lambda size: b"\xff" + size.to_bytes(11, "big")),
    st.sampled_from(
        [b"", b" \0 ", b"00000000008", b"-0000000001", b"12 34", b"0x10", b"1_0", b"77777777777\0", b"\x80" + b"\xff" * 11]
    ),
)
MEMBERS = st.tuples(FIELDS, st.sampled_from([b"0", b"\0", b"7", b"1", b"2", b"5", b"x", b"L", b"S", b"\xff"]), st.integers(0, 9))


def build(members: list[tuple[bytes, bytes, int]]) -> bytes:
    out = bytearray()
    for field, kind, seed in members:
        out += header(field, kind)
        digits = field.strip(b"\0 ")
        if field[:1] >= b"\x80":
            size = int.from_bytes(field[1:], "big")
        else:
            size = int(digits, 8) if digits and not digits.strip(b"01234567") else 0
        size = min(size, 1_500_000)
        out += noise(size, seed + 1) + bytes(-size % 512)
    return bytes(out)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.lists(MEMBERS, max_size=6), st.binary(max_size=1500), st.lists(st.integers(1, 900_000), min_size=1, max_size=4))
def test_cutter_is_the_text(members: list[tuple[bytes, bytes, int]], rest: bytes, sizes: list[int]) -> None:
    layer = build(members) + rest
    assert cut(layer, sizes) == cut_naively(layer)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=4000), st.integers(1, 700))
def test_what_is_no_tar_is_cut_too(layer: bytes, size: int) -> None:
    assert cut(layer, [size]) == cut_naively(layer)


@pytest.mark.parametrize("size", [2 * A, 2 * A + 1, 4 * A - 1, 4 * A, 4 * A + 1, 1 << 20, (1 << 20) + 1, 3_000_000])
@pytest.mark.parametrize("piece", [4096, 262_144, 1 << 30])
def test_long_segments_are_cut_as_if_whole(size: int, piece: int) -> None:
    for layer in (noise(size, 3), header(b"%o" % size) + noise(size, 4), bytes(size), header(b"%o" % size) + bytes(size)):
        assert cut(layer, [piece]) == cut_naively(layer)


def test_pieces_of_one_byte() -> None:
    layer = make_tar({"a": bytes(T), "b": b"b" * 100, "c": b"c" * T})
    assert cut(layer, [1]) == cut_naively(layer)


def test_small_files_share_a_segment_and_large_ones_do_not() -> None:
    layer = make_tar({"small": b"s" * 100, "large": b"l" * T, "next": b"n" * 10})
    assert [len(chunk) for chunk in cut(layer, [1000])][:2] == [512 + 512 + 512, T]


def test_no_bytes_give_no_chunk() -> None:
    assert cut(b"", [1]) == []
    assert cut_metadata(b"") == []


def test_metadata_is_one_segment() -> None:
    data = json.dumps(list(range(60_000))).encode()
    assert cut_metadata(data[: 2 * A]) == [data[: 2 * A]]
    assert cut_metadata(data) == cut_naively(data)


def test_little_is_held() -> None:
    cutter, piece = LayerCutter(), bytes(300_000)
    held = 0
    tracemalloc.start()
    try:
        for _ in range(64):
            for _ in cutter.feed(piece):
                pass
            held = max(held, tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert len(piece) < held <= 2 << 20
