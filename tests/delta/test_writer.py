"""Deltas that are written rebuild exactly what is missing, within their budgets."""

import io
import itertools

import pytest

from catalog.delta.header import (
    BlockRange,
    decode_header,
)
from catalog.delta.writer import PUBLISHED_LEVEL, WIRE_LEVEL, write_delta
from catalog.errors import BlockNotFoundError, DeltaError
from catalog.image import encoder
from catalog.ipld.cid import cid_of
from catalog.ipld.varint import decode_varint
from tests.delta.pairs import Pair, build, contents_of, payload_of, tiny, vector
from tests.factory.archives import store_image
from tests.factory.golden import DELTAS
from tests.factory.images import APP, BASE, make_image


@pytest.mark.parametrize("level", [1, WIRE_LEVEL, PUBLISHED_LEVEL])
def test_own_deltas_are_read_back(level: int) -> None:
    for pair in (vector(), tiny()):
        data = pair.write(level)
        assert pair.try_read(data)[1] is None
    assert len(vector().write(PUBLISHED_LEVEL)) <= (DELTAS / "one-section.delta").stat().st_size * 1.02


def test_sections_and_prefixes_within_their_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """With small ones, the prefix is chosen near the section's place, and many sections give the same blocks."""
    monkeypatch.setattr("catalog.delta.writer._SECTION_SIZE", 300_000)
    monkeypatch.setattr("catalog.delta.writer._PREFIX_SIZE", 600_000)
    pair = vector()
    data = pair.write()
    length, start = decode_varint(data)
    sections = decode_header(data[start : start + length]).sections
    assert len(sections) >= 4
    for section in sections:
        assert section.size <= 300_000
        assert sum(len(pair.content(pair.base_order[index])) for index in section.prefix_blocks) <= 600_000
    assert pair.try_read(data)[1] is None
    assert len(data) < 400_000


def test_an_image_without_layers_and_one_with() -> None:
    none, some = make_image([]), make_image([BASE, APP])
    for first, second in itertools.permutations((none, some)):
        pair = Pair(lambda blocks, image=first: store_image(image, blocks), lambda blocks, image=second: store_image(image, blocks))  # type: ignore[misc]
        assert pair.try_read(pair.write())[1] is None


def test_a_delta_that_is_not_worth_it_is_given_up() -> None:
    pair = vector()
    with pytest.raises(DeltaError, match="differ too much"):
        write_delta(pair.base.archive, pair.target.archive, pair.all, io.BytesIO(), max_size=100_000)
    with pytest.raises(DeltaError, match="no delta to itself"):
        write_delta(pair.base.archive, pair.base.archive, pair.all, io.BytesIO())
    with pytest.raises(BlockNotFoundError):
        write_delta(pair.base.archive, pair.target.archive, pair.held, io.BytesIO())


def test_a_short_prefix_is_none() -> None:
    """Under 8 bytes of contents a frame is made without a prefix."""
    pair = Pair(
        lambda blocks: store_image(make_image([b""]), blocks),
        lambda blocks: store_image(make_image([b"", b"1"]), blocks),
    )
    position = pair.base_order.index(cid_of(encoder.EMPTY_FRAME))
    data = build(pair, [payload_of(contents_of(pair))], prefixes=[(BlockRange(position, 1),)])
    assert pair.try_read(data)[1] is None
