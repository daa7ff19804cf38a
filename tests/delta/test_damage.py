"""Damaged deltas give right blocks, or are refused by their own error."""

from collections.abc import Sequence

import pytest

from catalog.delta import rebuilder as rebuilding
from catalog.delta.header import (
    BlockRange,
)
from catalog.delta.reader import read_delta
from catalog.errors import DeltaError, VerificationError
from catalog.image.encoder import compress_chunk
from tests.delta.pairs import NAMES, build, contents_of, payload_of, tiny, vector
from tests.factory.golden import DELTAS
from tests.property.mutate import CBOR_TOKENS, Target, check_memory, check_target

_frames: dict[bytes, bytes] = {}


def remembered(content: bytes | bytearray | memoryview) -> bytes:
    """The same encoder, asked once for each content: a flipped delta has nearly always the same ones."""
    key = bytes(content)
    if key not in _frames:
        if len(_frames) > 200:
            _frames.clear()
        _frames[key] = compress_chunk(content)
    return _frames[key]


def flip(name: str, offsets: Sequence[int], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(rebuilding, "compress_chunk", remembered)
    pair, data = vector(), bytearray((DELTAS / name).read_bytes())
    refused = 0
    for offset in offsets:
        bit = 1 << offset % 8
        data[offset] ^= bit
        refused += pair.try_read(bytes(data))[1] is not None
        data[offset] ^= bit
    return refused


@pytest.mark.parametrize("name", NAMES)
def test_flipped_bytes_are_refused_or_harmless(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    size = (DELTAS / name).stat().st_size
    offsets = [*range(200), *range(200, size, size // 250)]
    assert flip(name, offsets, monkeypatch) >= len(offsets) * 0.9


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(8))
@pytest.mark.parametrize("name", NAMES)
def test_every_byte_flipped(name: str, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    offsets = range(part, (DELTAS / name).stat().st_size, 8)
    assert flip(name, offsets, monkeypatch) >= len(offsets) * 0.9


def read_tiny(data: bytes) -> None:
    """Whatever the bytes: right blocks, or a `DeltaError`."""
    pair = tiny()
    for block in read_delta(
        [data], pair.base.archive, pair.target.archive, pair.held, unpacked=pair.target.unpacked, size=pair.target.size
    ):
        assert pair.all.blocks[block.cid] == block.data


def tiny_seeds() -> list[bytes]:
    pair = tiny()
    contents = contents_of(pair)
    last = (BlockRange(len(pair.base_order) - 3, 2),)
    sections = [payload_of([content]) for content in contents]
    return [pair.write(), build(pair, [payload_of(contents)]), build(pair, sections, prefixes=[last] * len(sections))]


TARGETS = [Target("delta", read_tiny, DeltaError, seeds=tiny_seeds(), tokens=CBOR_TOKENS)]


def test_damaged_deltas_are_refused_by_their_own_error() -> None:
    assert check_target(TARGETS[0], 25_000).refused


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_million_damaged_deltas() -> None:
    check_memory(__name__, "delta", 1_000_000, most=1.0)


def test_errors_of_a_delta_are_verification_errors() -> None:
    assert issubclass(DeltaError, VerificationError)
