"""Deltas rebuild exactly what is missing; one that lies in any way gives right blocks or none."""

from collections.abc import Iterator

import pytest
import zstandard

from catalog.delta import reader as delta_reader
from catalog.delta.contents import content_of
from catalog.delta.header import (
    BlockRange,
    DeltaHeader,
    DeltaSection,
    decode_header,
    encode_header,
    max_frame_size,
)
from catalog.delta.reader import read_delta
from catalog.errors import DeltaError, EncoderError
from catalog.image import encoder
from catalog.image.encoder import check_encoder, compress_chunk
from catalog.ipld.block import Block
from catalog.ipld.cid import cid_of
from catalog.ipld.varint import decode_varint, encode_varint
from catalog.unixfs.file import FileLink, file_node, raw_leaf
from tests.delta.pairs import NAMES, Pair, build, compress, contents_of, payload_of, tiny, vector
from tests.factory.archives import MemoryBlocks
from tests.factory.golden import DELTAS, read_expected


@pytest.mark.parametrize("name", NAMES)
def test_vectors_rebuild_the_target(name: str) -> None:
    golden = read_expected(DELTAS)
    pair, data = vector(), (DELTAS / name).read_bytes()
    rebuilt, error = pair.try_read(data)
    assert error is None
    assert [str(block.cid) for block in rebuilt] == golden["new_blocks"]
    assert sum(len(block.data) for block in rebuilt) == golden["new_bytes"]
    length, start = decode_varint(data)
    header = decode_header(data[start : start + length])
    assert [
        {"size": section.size, "frame": section.frame, "prefix": [list(blocks) for blocks in section.prefix]}
        for section in header.sections
    ] == golden["deltas"][name]["sections"]
    assert encode_header(header) == data[: start + length]


def test_blocks_come_while_the_delta_is_still_on_its_way() -> None:
    pair, data = vector(), (DELTAS / "sections.delta").read_bytes()
    taken = 0

    def slowly() -> Iterator[bytes]:
        nonlocal taken
        for start in range(0, len(data), 4096):
            taken = start
            yield data[start : start + 4096]

    blocks = read_delta(slowly(), pair.base.archive, pair.target.archive, pair.held, unpacked=pair.target.unpacked, size=1 << 30)
    assert next(blocks).cid == pair.target.archive
    assert taken < 20_000


def test_a_reader_that_stops_leaves_nothing_running() -> None:
    pair = vector()
    blocks = pair.read((DELTAS / "sections.delta").read_bytes())
    next(blocks)
    blocks.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_delta_cut_anywhere_keeps_what_matched(name: str, share: float) -> None:
    data = (DELTAS / name).read_bytes()
    pair, cut = vector(), data[: int(len(data) * share)]
    blocks = read_delta(
        [cut], pair.base.archive, pair.target.archive, pair.held, unpacked=pair.target.unpacked, size=pair.target.size
    )
    kept: list[Block] = []
    with pytest.raises(DeltaError, match=r"cut short|not a delta"):
        kept.extend(blocks)
    if name == "sections.delta" and share > 0.1:
        assert kept


def test_a_home_that_lost_base_blocks_gets_no_delta() -> None:
    pair, data = vector(), (DELTAS / "one-section.delta").read_bytes()
    length, start = decode_varint(data)
    needed = [pair.base_order[index] for index in decode_header(data[start : start + length]).sections[0].prefix_blocks]
    for cid in (needed[0], needed[3], needed[-1]):
        blocks = MemoryBlocks(Block(*pair_) for pair_ in pair.held.blocks.items() if pair_[0] != cid)
        rebuilt, error = pair.try_read(data, blocks=blocks)
        assert error is not None
        assert "not here whole" in error.message
        assert not rebuilt


def test_another_encoder_is_refused_before_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "compress_chunk", lambda content: zstandard.ZstdCompressor(level=1).compress(content))
    check_encoder.cache_clear()
    with pytest.raises(EncoderError):
        next(vector().read((DELTAS / "one-section.delta").read_bytes()))


def frame_cases(pair: Pair) -> Iterator[tuple[str, bytes]]:
    contents = contents_of(pair)
    payload = payload_of(contents)
    size = len(payload)
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 28))
    everything = (BlockRange(0, len(pair.base_order)),)
    yield "not a zstd frame", build(pair, [payload], frames=[bytes(size)])
    yield "skippable frame", build(pair, [payload], frames=[b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd" + compress(payload)])
    yield "two frames", build(pair, [payload], frames=[compress(payload[:50]) + compress(payload[50:])])
    yield "bytes behind the frame", build(pair, [payload], frames=[compress(payload) + b"\0"])
    yield "cut frame", build(pair, [payload], frames=[compress(payload)[:-1]])
    yield "checksum", build(pair, [payload], frames=[compress(payload, checksum=1)])
    yield "no content size", build(pair, [payload], frames=[zstandard.ZstdCompressor(write_content_size=False).compress(payload)])
    yield "another content size", build(pair, [payload], frames=[compress(payload + b"\0")])
    yield "bomb", build(pair, [payload], frames=[bomb[: max_frame_size(size)]])
    forged = compress(payload)[:4] + b"\x40\x98" + (size - 256).to_bytes(2, "little")
    yield "window of 2^29", build(pair, [payload], frames=[forged + compress(payload)[6:]])
    rle = b"\x28\xb5\x2f\xfd\x60" + (size - 256).to_bytes(2, "little") + b"\x02\x00\x10\x00" * 200
    yield "inflates for ever", build(pair, [payload], frames=[rle])
    yield "a prefix that is not meant", build(pair, [payload], prefixes=[everything], frames=[compress(payload, payload[:900] * 9)])
    yield "sections in the wrong order", build(pair, [payload_of(contents[1:]), payload_of(contents[:1])])
    yield "sections changed over", build(pair, [payload_of(contents[:1]), payload_of(contents[1:])], sections=lambda s: s[::-1])


def content_cases(pair: Pair) -> Iterator[tuple[str, list[bytes]]]:
    contents = contents_of(pair)
    for position in range(len(contents)):
        yield f"content {position} missing", contents[:position] + contents[position + 1 :]
        yield f"content {position} twice", contents[: position + 1] + contents[position:]
        yield f"content {position} foreign", [*contents[:position], b"foreign", *contents[position + 1 :]]
        yield f"content {position} empty", [*contents[:position], b"", *contents[position + 1 :]]
    yield "one too many", [*contents, contents[-1]]
    yield "reversed", contents[::-1]
    yield "leaf above 512 KiB", [*contents[:1], bytes(512 * 1024 + 1), *contents[2:]]
    yield "node above 64 KiB", [bytes(64 * 1024 + 1), *contents[1:]]


def lengths_that_lie(pair: Pair) -> Iterator[tuple[str, bytes]]:
    contents = contents_of(pair)
    whole, last = payload_of(contents[:-1]), contents[-1]
    yield "not minimal", whole + b"\xff\x00" + last
    yield "ten bytes", whole + b"\xff" * 9 + b"\x01" + last
    yield "cut", whole + b"\xff"
    yield "beyond the section", whole + encode_varint(len(last) + 1) + last
    yield "far beyond", whole + b"\xff" * 8 + b"\x7f" + last
    yield "spread over two sections", whole + encode_varint(len(last)) + last[:-1]


LIES = [
    *frame_cases(tiny()),
    *((name, build(tiny(), [payload_of(contents)])) for name, contents in content_cases(tiny())),
    *((name, build(tiny(), [payload])) for name, payload in lengths_that_lie(tiny())),
]


def test_what_the_table_is_made_of_is_good() -> None:
    pair = tiny()
    contents = contents_of(pair)
    assert pair.try_read(build(pair, [payload_of(contents)]))[1] is None
    assert pair.try_read(build(pair, [payload_of([content]) for content in contents]))[1] is None
    everything = (BlockRange(0, len(pair.base_order)),)
    assert pair.try_read(build(pair, [payload_of(contents)], prefixes=[everything]))[1] is None


@pytest.mark.parametrize(("name", "data"), LIES, ids=[name for name, _ in LIES])
def test_deltas_that_lie_give_right_blocks_or_none(name: str, data: bytes) -> None:
    _, error = tiny().try_read(data)
    assert error is not None


def test_prefixes_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = tiny()
    everything = (BlockRange(0, len(pair.base_order)),)
    data = build(pair, [payload_of([content]) for content in contents_of(pair)], prefixes=[everything] * len(pair.new))
    assert pair.try_read(data)[1] is None
    monkeypatch.setattr(delta_reader, "MAX_DELTA_PREFIX_SIZE", 60_000)
    _, error = pair.try_read(data)
    assert error is not None
    assert "prefixes are too large" in error.message


def test_prefix_sizes_are_summed_before_anything_is_inflated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that state 512 KiB each, in a few bytes: the one that passes the limit is not inflated any more."""
    zeros, leaf = raw_leaf(compress_chunk(bytes(512 * 1024)))
    held = MemoryBlocks([zeros])
    links: list[FileLink] = []
    for number in range(1, 71):
        block, link = raw_leaf(compress_chunk(bytes(512 * 1024 - 1) + bytes([number])))
        held.put_node(block)
        links.append(link)
    root, link = file_node([leaf, *links])
    held.put_node(root)
    inflated = 0

    def counting(block: Block) -> bytes:
        nonlocal inflated
        inflated += 1
        return content_of(block)

    monkeypatch.setattr(delta_reader, "content_of", counting)
    header = DeltaHeader(link.cid, cid_of(b"target"), (DeltaSection(10, 19, (BlockRange(1, 71),)),))
    data = encode_header(header) + compress(b"0123456789")
    assert len(compress(b"0123456789")) == 19
    with pytest.raises(DeltaError, match="prefixes are too large"):
        list(read_delta([data], link.cid, cid_of(b"target"), held, unpacked=1 << 30, size=1 << 30))
    assert inflated == 64
